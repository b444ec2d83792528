//! What the program says. Unlike `println!`, nothing here panics where the reader has gone away or a disk is full.

use std::fmt::Display;
use std::io::Write;

use anyhow::{Context, Result};

/// A line of results on standard output.
pub fn line(text: impl Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("cannot write to standard output")
}

/// A line for the person at the terminal, on standard error. Work does not fail because nobody reads this.
pub fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
