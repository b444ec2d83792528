//! Zeroed buffers.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::chunks::least;

/// Values from which on several threads clear a buffer: 0.1 ms a megabyte that the others would wait for.
const SHARED: usize = 1 << 18;

/// A zeroed buffer, for sums and for what goes to candle.
#[inline]
pub fn buffer(len: usize) -> Vec<f32> {
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

/// A buffer that is written part by part of `size` values, each by a call of `write` with what lies `beside` it. A part is
/// cleared by whoever writes it, and is in its caches then.
///
/// # Panics
/// If there are not as many things beside as parts.
pub fn written<T: Send>(
    len: usize,
    size: usize,
    parallel: bool,
    beside: impl IndexedParallelIterator<Item = T>,
    write: impl Fn(T, &mut [f32]) + Sync,
) -> Vec<f32> {
    assert_eq!(beside.len(), len.div_ceil(size), "parts of a buffer");
    let mut values = Vec::with_capacity(len);
    let room = &mut values.spare_capacity_mut()[..len];
    room.par_chunks_mut(size).zip(beside).with_min_len(least(parallel)).for_each(|(part, beside)| {
        part.fill(MaybeUninit::new(0.0));
        // SAFETY: all of it was just filled.
        write(beside, unsafe { part.assume_init_mut() });
    });
    // SAFETY: the capacity is at least `len`, and each part below it was filled, as an indexed iterator yields `len()` things.
    unsafe { values.set_len(len) };
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_zero_before_they_are_written_and_lie_beside_their_things() {
        for (len, size) in [(0, 3), (1, 3), (7, 3), (9, 3), (5, 8)] {
            for parallel in [false, true] {
                drop(vec![f32::NAN; len]);
                let names: Vec<f32> = (0..len.div_ceil(size)).map(|i| i as f32).collect();
                let values = written(len, size, parallel, names.par_iter(), |name, part| {
                    assert!(part.iter().all(|value| value.to_bits() == 0));
                    part[0] = *name;
                    part[part.len() - 1] += 10.0;
                });
                let first = |i: usize| if i.is_multiple_of(size) { (i / size) as f32 } else { 0.0 };
                let last = |i: usize| if i + 1 == len || (i + 1).is_multiple_of(size) { 10.0 } else { 0.0 };
                assert_eq!(values, (0..len).map(|i| first(i) + last(i)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    #[should_panic(expected = "parts of a buffer")]
    fn a_part_with_nothing_beside_it_is_refused() {
        written(4, 2, false, [0.0].par_iter(), |_, _| ());
    }

    #[test]
    fn buffers_of_any_length_are_zero() {
        for len in [0, 1, SHARED - 1, SHARED, SHARED + 1, 3 * SHARED + 7] {
            // What is there before must not be what makes it pass.
            drop(vec![f32::NAN; len]);
            let values = buffer(len);
            assert!(values.len() == len && values.iter().all(|value| value.to_bits() == 0));
        }
    }
}
