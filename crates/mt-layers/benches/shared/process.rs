//! The process as `mt` sets it up, without which the benchmarks would measure another program.
#![allow(unsafe_code)]

// As in `mt`: it keeps freed memory, which the C library's allocator gives back, to fault it in again at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Fixes the threads before the first one starts; this thread is one of them. `RAYON_NUM_THREADS` sets their number.
///
/// # Panics
/// If threads were started before.
pub fn start() {
    let given = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
    let threads = given.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    // SAFETY: no other thread exists yet, so nobody reads the environment meanwhile.
    unsafe {
        // Unset, candle re-reads the list of processors at every matrix product.
        std::env::set_var("RAYON_NUM_THREADS", threads.to_string());
        std::env::set_var("CANDLE_NUM_THREADS", "1");
    }
    // As in `mt`: below 20 million multiply-adds a second thread makes a product of candle's slower.
    gemm::set_threading_threshold(20_000_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
    pool.build_global().expect("no thread was started before");
}
