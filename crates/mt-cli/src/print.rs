//! What the program says. Unlike `println!`, nothing here panics where the reader has gone away or a disk is full.

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Whether another process says what there is to say.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Leaves it to the first of several processes to say things.
pub fn be_silent() {
    SILENT.store(true, Ordering::Relaxed);
}

pub fn is_silent() -> bool {
    SILENT.load(Ordering::Relaxed)
}

/// A line of results on standard output.
pub fn line(text: impl Display) -> Result<()> {
    if is_silent() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("cannot write to standard output")
}

/// A line for the person at the terminal, on standard error. Work does not fail because nobody reads this.
pub fn note(text: impl Display) {
    if !is_silent() {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
