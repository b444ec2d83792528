//! Threads, set up before the first one starts.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;

use anyhow::{Context, Result};

use crate::args::Usage;

/// Threads beyond this and beyond twice the processors only wait for each other: starting a thousand takes seconds, of a
/// hundred thousand not even that comes to an end.
const MOST: usize = 256;

/// Refuses more threads than can be of use.
pub fn check(option: &str, threads: usize) -> Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let most = MOST.max(2 * processors);
    if threads <= most {
        return Ok(());
    }
    let text =
        format!("{option}: expected 1 to {most}, found {threads}; this machine has {processors} processors");
    Err(Usage(text).into())
}

/// Fixes the number of threads, by default one a processor, of which the processes of one launcher on this machine take equal
/// shares; this thread is one of them.
pub fn start(threads: Option<NonZeroUsize>) -> Result<()> {
    let here = mt_dist::launcher().and_then(|launcher| launcher.local_size).unwrap_or(1);
    let share = |all: NonZeroUsize| NonZeroUsize::new(all.get() / here).unwrap_or(NonZeroUsize::MIN);
    let threads = threads.or_else(|| std::thread::available_parallelism().ok().map(share));
    check("--threads", threads.map_or(1, NonZeroUsize::get))?;
    // SAFETY: called first in `main`, so no other thread exists yet.
    unsafe { mt_layers::process::start(threads) }.context("cannot start threads")
}
