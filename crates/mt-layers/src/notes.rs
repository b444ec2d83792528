//! Lists that live while a function runs, for layers deep inside it to add to.

use std::cell::RefCell;
use std::thread::LocalKey;

use candle_core::Result;

/// A list of this thread; `None` while nobody wants it.
pub(crate) type Notes<T> = LocalKey<RefCell<Option<Vec<T>>>>;

/// Runs `f` and returns what was noted in it; then whatever was before it holds again.
pub(crate) fn noting<T: 'static, R>(
    notes: &'static Notes<T>,
    f: impl FnOnce() -> Result<R>,
) -> Result<(R, Vec<T>)> {
    struct Restore<T: 'static>(&'static Notes<T>, Option<Vec<T>>);
    impl<T: 'static> Drop for Restore<T> {
        fn drop(&mut self) {
            self.0.set(self.1.take());
        }
    }
    let _restore = Restore(notes, notes.replace(Some(Vec::new())));
    let out = f()?;
    Ok((out, notes.take().unwrap_or_default()))
}

/// Whether someone wants what could be noted.
pub(crate) fn noted<T: 'static>(notes: &'static Notes<T>) -> bool {
    notes.with_borrow(Option::is_some)
}

/// Adds what `value` gives, if someone wants it.
pub(crate) fn note<T: 'static>(notes: &'static Notes<T>, value: impl FnOnce() -> Result<T>) -> Result<()> {
    if !noted(notes) {
        return Ok(());
    }
    let value = value()?;
    notes.with_borrow_mut(|notes| notes.get_or_insert_default().push(value));
    Ok(())
}
