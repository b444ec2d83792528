//! Ctrl-C, SIGTERM and SIGHUP ask for a clean stop; a second one ends the program at once.

mod asked;
#[cfg(unix)]
mod unix;

use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};

pub use self::asked::EXIT_CODE;
use self::asked::STOP;

/// A run that was stopped on request; the text says what is left of it.
#[derive(Debug)]
pub struct Interrupted(pub String);

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interrupted; {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// The flag that a signal raises, from now on. A SIGHUP that was ignored at the start, as under `nohup`, stays so.
pub fn on_signal() -> Result<&'static AtomicBool> {
    #[cfg(unix)]
    unix::listen().context("cannot listen for signals")?;
    #[cfg(not(unix))]
    ctrlc::set_handler(|| {
        if !asked::asked() {
            std::process::exit(EXIT_CODE.into());
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(&STOP)
}
