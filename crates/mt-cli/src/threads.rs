//! Threads, set up before the first one starts.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;

use anyhow::{Context, Result};

/// Fixes the number of threads, by default one a processor; this thread is one of them.
pub fn start(threads: Option<NonZeroUsize>) -> Result<()> {
    let threads = threads.or_else(|| std::thread::available_parallelism().ok());
    // SAFETY: called first in `main`, so no other thread exists yet.
    unsafe { mt_layers::process::start(threads) }.context("cannot start threads")
}
