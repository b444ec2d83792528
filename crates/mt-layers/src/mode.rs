//! Whether a model runs to be trained: batch normalisation then looks at the batch.

use std::cell::Cell;

thread_local! {
    static TRAINING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `forward` as part of a training step on this thread: batch normalisation uses the batch's statistics and updates
/// its running ones. Elsewhere it uses the running ones, and changes nothing.
pub fn training<T>(forward: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            TRAINING.set(self.0);
        }
    }
    let _restore = Restore(TRAINING.replace(true));
    forward()
}

/// Whether a training step runs on this thread.
pub(crate) fn is_training() -> bool {
    TRAINING.get()
}
