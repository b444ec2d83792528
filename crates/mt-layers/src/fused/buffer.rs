//! Zeroed buffers.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Values from which on several threads clear a buffer: 0.1 ms a megabyte that the others would wait for.
const SHARED: usize = 1 << 18;

/// A zeroed buffer, for sums and for what goes to candle.
pub(crate) fn buffer(len: usize) -> Vec<f32> {
    if len < SHARED {
        return vec![0.0; len];
    }
    let mut values = Vec::with_capacity(len);
    let room = &mut values.spare_capacity_mut()[..len];
    room.par_chunks_mut(SHARED / 8).for_each(|part| part.fill(MaybeUninit::new(0.0)));
    // SAFETY: the capacity is at least `len`, and all values below it were written.
    unsafe { values.set_len(len) };
    values
}
