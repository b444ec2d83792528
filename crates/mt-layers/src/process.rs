//! How `mt` sets up its process, for programs that want its speed.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;

/// Multiply-adds below which a matrix product of candle's stays on one thread. Its own threshold is 0.6 million, at
/// which a second thread makes a product slower; measured break-even is near 20 million.
const PARALLEL_PRODUCT: usize = 20_000_000;

/// Fixes the number of threads of rayon and candle, of which the calling one is the first; `None` takes what
/// `RAYON_NUM_THREADS` says, or else as many as there are processors.
///
/// Call it first in `main`. An allocator that keeps freed memory is worth as much and can only be chosen in a program's
/// own source: the C library's maps and unmaps each large block anew, and the page faults of a training step cost more
/// than its arithmetic.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
///
/// fn main() -> Result<(), rayon::ThreadPoolBuildError> {
///     // SAFETY: no other thread runs yet.
///     unsafe { mt_layers::process::start(None) }
/// }
/// ```
///
/// # Errors
/// If rayon's threads were started before, or cannot be started.
///
/// # Safety
/// No other thread may run: it sets environment variables, which other threads could be reading.
pub unsafe fn start(threads: Option<NonZeroUsize>) -> Result<(), rayon::ThreadPoolBuildError> {
    let given = || std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok());
    let threads = threads.or_else(given).or_else(|| std::thread::available_parallelism().ok());
    let threads = threads.map_or(1, NonZeroUsize::get);
    // SAFETY: no other thread runs, so nobody reads the environment meanwhile.
    unsafe {
        // Unset, candle re-reads the list of processors at every matrix product (14 µs).
        std::env::set_var("RAYON_NUM_THREADS", threads.to_string());
        // candle's own pool for elementwise operations spins; ours are fused and split by rayon.
        std::env::set_var("CANDLE_NUM_THREADS", "1");
    }
    gemm::set_threading_threshold(PARALLEL_PRODUCT);
    rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global()
}
