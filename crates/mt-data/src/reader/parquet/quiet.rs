//! Panics that are caught and become errors, without the trace that a program prints of others.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `call` gives; a panic in it prints nothing. Whoever calls this is to catch it.
///
/// What prints is the process's panic hook, so the first call puts one before it that asks here and otherwise hands on.
fn quietly<T>(call: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    // A thread that panics must not touch the hook.
    if !std::thread::panicking() {
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if !QUIET.try_with(Cell::get).unwrap_or(false) {
                    next(panic);
                }
            }));
        });
    }
    with(true, call)
}

/// What `call` gives; `None` where it panics, after which what it used is not to be used any more.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    quietly(|| catch_unwind(AssertUnwindSafe(call))).ok()
}

/// What `call` gives, which is not ours: its panics are told.
pub(super) fn aloud<T>(call: impl FnOnce() -> T) -> T {
    with(false, call)
}

fn with<T>(quiet: bool, call: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            QUIET.set(self.0);
        }
    }
    let _before = Before(QUIET.replace(quiet));
    call()
}
