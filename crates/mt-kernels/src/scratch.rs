//! Buffers that live across steps.
//!
//! A step needs the same few buffers of megabytes again and again. Taken from the allocator, each would be cleared by
//! one thread, and its pages given back and cleared once more: with embeddings of 320 columns and 8 experts of 64 that
//! was a tenth of a step of 1,024 rows.

use std::cell::RefCell;
use std::mem::take;
use std::ops::{Deref, DerefMut};

/// Values in a line of the cache.
pub const LINE: usize = 16;

/// Values below which the allocator is as good.
const SMALL: usize = 1 << 12;

/// Buffers that a thread keeps; a step of PLE has fewer in use at once.
const KEPT: usize = 32;

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that goes back to its thread when it is dropped.
#[derive(Debug, Default)]
pub struct Scratch {
    /// At least as long as asked for: cut to size, it would have to be filled up for the next one.
    values: Vec<f32>,
    /// First value of it that is used.
    at: usize,
    len: usize,
}

/// A buffer that holds anything: whoever takes it writes each value before it is read. Debug builds fill it with NaN to
/// find those who do not.
#[inline]
pub fn scratch(len: usize) -> Scratch {
    let kept = if len < SMALL { None } else { FREE.with_borrow_mut(|free| smallest(free, len)) };
    let mut values = kept.unwrap_or_else(|| vec![0.0; len]);
    if cfg!(debug_assertions) {
        values.fill(f32::NAN);
    }
    Scratch { values, at: 0, len }
}

/// As [`scratch`], beginning on a line of the cache.
#[inline]
pub fn aligned(len: usize) -> Scratch {
    let mut scratch = scratch(len + LINE);
    scratch.at = scratch.values.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    scratch.len = len;
    scratch
}

/// The smallest buffer with room for so many values.
fn smallest(free: &mut Vec<Vec<f32>>, len: usize) -> Option<Vec<f32>> {
    let fits = (0..free.len()).filter(|&i| free[i].len() >= len);
    fits.min_by_key(|&i| free[i].len()).map(|i| free.swap_remove(i))
}

impl Scratch {
    /// The values, which do not come back.
    #[inline]
    pub fn into_vec(mut self) -> Vec<f32> {
        let mut values = take(&mut self.values);
        values.truncate(self.at + self.len);
        values.drain(..self.at);
        values
    }
}

impl Drop for Scratch {
    #[inline]
    fn drop(&mut self) {
        if self.values.len() < SMALL {
            return;
        }
        let values = take(&mut self.values);
        // A thread that ends has nowhere to keep it.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() == KEPT {
                free.swap_remove(0);
            }
            free.push(values);
        });
    }
}

impl Deref for Scratch {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        &self.values[self.at..][..self.len]
    }
}

impl DerefMut for Scratch {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.at..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_to_whoever_asks_next() {
        let first = scratch(SMALL * 2);
        let at = first.as_ptr();
        drop(first);
        let (small, second) = (scratch(SMALL), scratch(SMALL * 2));
        assert!((small.as_ptr() == at) != (second.as_ptr() == at), "one of them has it");
        assert_eq!((small.len(), second.len()), (SMALL, SMALL * 2));
    }

    #[test]
    fn an_aligned_buffer_begins_on_a_line_and_is_as_long_as_asked_for() {
        for len in [1, LINE, SMALL - LINE, SMALL + 1, 3 * SMALL] {
            let mut buffer = aligned(len);
            assert_eq!((buffer.as_ptr() as usize % 64, buffer.len()), (0, len));
            buffer.iter_mut().zip(0u16..).for_each(|(value, i)| *value = f32::from(i));
            let values = buffer.into_vec();
            assert_eq!((values.len(), values[0], values[len - 1]), (len, 0.0, (len - 1) as f32));
        }
    }

    #[test]
    fn a_thread_keeps_so_many_at_most() {
        drop((0..2 * KEPT).map(|_| scratch(SMALL)).collect::<Vec<_>>());
        assert_eq!(FREE.with_borrow(Vec::len), KEPT);
    }
}
