//! How work is split among threads.

/// Rows a task of a parallel loop handles; fixed, so that partial sums do not depend on the thread count.
pub const CHUNK: usize = 128;

/// Multiply-adds below which waking a second thread costs more than it saves.
pub const PARALLEL: usize = 1 << 18;

/// Values of a matrix from which on a pass over it is shared by threads that are awake.
pub const SHARED: usize = 1 << 15;

/// Chunks that a thread takes at least: all of them where a second thread would not pay.
#[inline]
pub fn least(parallel: bool) -> usize {
    if parallel { 1 } else { usize::MAX }
}

/// Two zipped slices of a chunk of rows, read by one task of a parallel loop.
pub type Pair<'a> = (&'a [f32], &'a [f32]);
