//! Whether a model runs to be trained: batch normalisation then looks at the batch.

use std::cell::Cell;

/// What a forward pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Predictions: running statistics.
    Evaluation,
    /// A training step: the batch's statistics, which move the running ones.
    Training,
    /// A look at what a training step does: the batch's statistics, and nothing moves.
    Look,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Evaluation) };
}

/// Runs `forward` as part of a training step on this thread: batch normalisation uses the batch's statistics and updates
/// its running ones. Elsewhere it uses the running ones, and changes nothing.
pub fn training<T>(forward: impl FnOnce() -> T) -> T {
    within(Mode::Training, forward)
}

/// As [`training`], for a further pass over a step's batch: the batch's statistics are used, and the running ones stay as
/// they are, so that each batch moves them once however often it is looked at.
pub fn training_look<T>(forward: impl FnOnce() -> T) -> T {
    within(Mode::Look, forward)
}

fn within<T>(mode: Mode, forward: impl FnOnce() -> T) -> T {
    struct Restore(Mode);
    impl Drop for Restore {
        fn drop(&mut self) {
            MODE.set(self.0);
        }
    }
    let _restore = Restore(MODE.replace(mode));
    forward()
}

/// What the forward pass on this thread is for.
pub(crate) fn mode() -> Mode {
    MODE.get()
}
