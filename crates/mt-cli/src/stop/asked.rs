//! Whether a stop was asked for.

use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a run that was stopped, by the shell's custom 128 + SIGINT. Not 0: what comes next, in a script or
/// under a scheduler that stops and restarts jobs, must not take it for a finished run.
pub const EXIT_CODE: u8 = 130;

/// Raised by a signal.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);

/// Raises the flag, and says whether it was down.
pub(super) fn asked() -> bool {
    !STOP.swap(true, Ordering::Relaxed)
}
