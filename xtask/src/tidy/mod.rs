//! House rules that the compiler doesn't check.

mod circles;
mod edges;
mod files;

use crate::ptx;
use anyhow::{Result, bail};

/// Prints every broken rule; an error if there is one.
pub fn run() -> Result<()> {
    let mut broken = edges::check()?;
    broken.extend(circles::check()?);
    broken.extend(files::check()?);
    broken.extend(ptx::check()?);
    if broken.is_empty() {
        return Ok(());
    }
    for rule in &broken {
        eprintln!("{rule}");
    }
    bail!("{} house rules broken", broken.len())
}
