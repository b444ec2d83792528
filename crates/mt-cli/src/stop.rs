//! Ctrl-C, SIGTERM and SIGHUP ask for a clean stop; a second one ends the program at once.

#[cfg(unix)]
mod unix;

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Exit code of a run that was stopped, by the shell's custom 128 + SIGINT. Not 0: what comes next, in a script or
/// under a scheduler that stops and restarts jobs, must not take it for a finished run.
pub const EXIT_CODE: u8 = 130;

/// A run that was stopped on request; the text says what is left of it.
#[derive(Debug)]
pub struct Interrupted(pub String);

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interrupted; {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

static STOP: AtomicBool = AtomicBool::new(false);

/// The flag that a signal raises, from now on. A SIGHUP that was ignored at the start, as under `nohup`, stays so.
pub fn on_signal() -> Result<&'static AtomicBool> {
    #[cfg(unix)]
    unix::listen().context("cannot listen for signals")?;
    #[cfg(not(unix))]
    ctrlc::set_handler(|| {
        if !asked() {
            std::process::exit(EXIT_CODE.into());
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(&STOP)
}

/// Raises the flag, and says whether it was down.
fn asked() -> bool {
    !STOP.swap(true, Ordering::Relaxed)
}
