//! Rows fetched ahead of their use. Scattered rows of a large table each cost a miss of the caches and of the address
//! cache; fetched a few rows ahead, the misses overlap. With tables of
//! 10⁷ rows, a step of 20 x 1,024 lookups took 0.66 to 0.71 of the time without, measured in turn.
#![allow(unsafe_code)]

use std::ops::Range;

use mt_kernels::scratch::LINE;

/// Rows fetched at once. A fetch that misses the address cache waits for it; only what directly follows waits with it,
/// so fetches in a row overlap where one before each row's arithmetic would not. Two times as many rows fit in the
/// first-level cache.
pub(crate) const BURST: usize = 16;

/// What of a loop's rows is to be fetched now: it is at `at` of `len`, and `fetched` are fetched.
#[inline(always)]
pub(crate) fn ahead(fetched: &mut usize, at: usize, len: usize) -> Range<usize> {
    let first = *fetched;
    if first < len && at + BURST >= first {
        *fetched = (at + 2 * BURST).min(len);
    }
    first..*fetched
}

/// Starts fetching the cache lines of a row into the first-level cache. On other processors than x86-64 does nothing.
#[inline(always)]
pub(crate) fn prefetch<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(LINE * size_of::<f32>() / size_of::<T>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction is part of every x86-64 processor, never faults and changes no memory; the pointer
        // is that of a live slice all the same.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}
