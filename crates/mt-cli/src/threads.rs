//! Threads, set up before the first one starts.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;

use anyhow::{Context, Result};

/// Multiply-adds below which a matrix product of candle's stays on one thread. Its own threshold is 0.6 million, at
/// which a second thread makes a product slower; measured break-even is near 20 million.
const PARALLEL_PRODUCT: usize = 20_000_000;

/// Fixes the number of threads; this thread is one of them.
pub fn start(threads: Option<NonZeroUsize>) -> Result<()> {
    let threads = threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    // SAFETY: no other thread exists yet, so nobody reads the environment meanwhile.
    unsafe {
        // Unset, candle re-reads the list of processors at every matrix product (14 µs).
        std::env::set_var("RAYON_NUM_THREADS", threads.to_string());
        // candle's own pool for elementwise operations spins; ours are fused and split by rayon.
        std::env::set_var("CANDLE_NUM_THREADS", "1");
    }
    gemm::set_threading_threshold(PARALLEL_PRODUCT);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
    pool.build_global().context("cannot start threads")
}
