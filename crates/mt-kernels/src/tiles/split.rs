//! Factors of a product in the order and the format in which the tile unit reads them.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::shape::{DEPTH, EDGE, PARTS, TILE};
use super::unit::Tiles;
use crate::matrix::Matrix;

/// Which factor of a product it is. Word `w` of a tile's row `r` holds the values at `w` and `w + 16` of the inner size in
/// row `r` of a left factor, those at `r` and `r + 16` in column `w` of a right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// The nearest bfloat16 of each value, in the upper half of a word, and what is left of the value.
#[inline]
#[target_feature(enable = "avx512f")]
fn split_off(values: __m512) -> (__m512i, __m512) {
    let half = _mm512_set1_epi32(0x8000);
    let upper =
        _mm512_andnot_si512(_mm512_set1_epi32(0xffff), _mm512_add_epi32(_mm512_castps_si512(values), half));
    (upper, _mm512_sub_ps(values, _mm512_castsi512_ps(upper)))
}

/// Two times 16 values, split into parts. Three parts of 8 bits are all of the 24 bits of a value.
#[inline]
#[target_feature(enable = "avx512f")]
fn split(low: __m512, high: __m512) -> [__m512i; PARTS] {
    let ((a, low), (b, high)) = (split_off(low), split_off(high));
    let ((c, low), (d, high)) = (split_off(low), split_off(high));
    // What is left in the end has no bits below the upper half.
    [pair(a, b), pair(c, d), pair(_mm512_castps_si512(low), _mm512_castps_si512(high))]
}

/// The upper halves of two words in one.
#[inline]
#[target_feature(enable = "avx512f")]
fn pair(low: __m512i, high: __m512i) -> __m512i {
    _mm512_or_si512(_mm512_srli_epi32::<16>(low), high)
}

/// Writes row `row` of each part's tile.
#[inline]
#[target_feature(enable = "avx512f")]
fn store(parts: [__m512i; PARTS], tiles: &mut [u32], row: usize) {
    for part in 0..PARTS {
        let row = &mut tiles[part * TILE + row * EDGE..][..EDGE];
        // SAFETY: a row has 16 words.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), parts[part]) };
    }
}

/// Turns rows of a tile into columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(tile: &mut [u32]) {
    assert_eq!(tile.len(), TILE);
    let at = tile.as_mut_ptr();
    let (mut a, mut b) = ([_mm512_setzero_si512(); EDGE], [_mm512_setzero_si512(); EDGE]);
    for i in 0..EDGE {
        // SAFETY: a tile has 16 rows of 16 words.
        a[i] = unsafe { _mm512_loadu_si512(at.add(EDGE * i).cast()) };
    }
    // Pairs of rows, then fours: lane `l` of `a[4·g + c]` has column `4·l + c` of rows `4·g` to `4·g + 3`.
    for i in (0..EDGE).step_by(2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for i in (0..EDGE).step_by(4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    // Lanes 0 and 2, then 1 and 3 of two vectors each time.
    for c in 0..4 {
        let even = _mm512_shuffle_i32x4::<0x88>(a[c], a[4 + c]);
        let odd = _mm512_shuffle_i32x4::<0xdd>(a[c], a[4 + c]);
        let more_even = _mm512_shuffle_i32x4::<0x88>(a[8 + c], a[12 + c]);
        let more_odd = _mm512_shuffle_i32x4::<0xdd>(a[8 + c], a[12 + c]);
        b[c] = _mm512_shuffle_i32x4::<0x88>(even, more_even);
        b[4 + c] = _mm512_shuffle_i32x4::<0x88>(odd, more_odd);
        b[8 + c] = _mm512_shuffle_i32x4::<0xdd>(even, more_even);
        b[12 + c] = _mm512_shuffle_i32x4::<0xdd>(odd, more_odd);
    }
    for i in 0..EDGE {
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(at.add(EDGE * i).cast(), b[i]) };
    }
}

/// A matrix as a factor of a product: `outer` rows of a left one, columns of a right one, each of `inner` values.
#[derive(Clone, Copy)]
pub struct Factor<'a> {
    values: &'a [f32],
    at: usize,
    outer: usize,
    inner: usize,
    outer_stride: usize,
    inner_stride: usize,
    side: Side,
}

impl<'a> Factor<'a> {
    /// # Panics
    /// If neither rows nor columns of the matrix lie value by value.
    pub fn new(_: Tiles, matrix: Matrix<'a>, side: Side) -> Self {
        let Matrix { values, at, rows, columns, row_stride, column_stride } = matrix;
        assert!(row_stride == 1 || column_stride == 1, "values of a factor side by side");
        let ((outer, outer_stride), (inner, inner_stride)) = match side {
            Side::Left => ((rows, row_stride), (columns, column_stride)),
            Side::Right => ((columns, column_stride), (rows, row_stride)),
        };
        Self { values, at, outer, inner, outer_stride, inner_stride, side }
    }

    /// Writes tiles for the outer values `first..first + 16` and the inner ones from `from` on, [`PARTS`] for each
    /// [`DEPTH`] of them. Beyond the matrix they are zero.
    pub fn pack(&self, first: usize, from: usize, to: &mut [u32]) {
        // SAFETY: whoever made this had `Tiles`, which there are where AVX-512 is.
        unsafe { self.pack_vectors(first, from, to) }
    }

    #[target_feature(enable = "avx512f")]
    fn pack_vectors(&self, first: usize, from: usize, to: &mut [u32]) {
        let outer = self.outer.saturating_sub(first).min(EDGE);
        let along = self.inner_stride == 1;
        let steps = to.len() / (PARTS * TILE);
        for step in 0..steps {
            let tiles = &mut to[step * PARTS * TILE..][..PARTS * TILE];
            let from = from + step * DEPTH;
            let inner = self.inner.saturating_sub(from).min(DEPTH);
            let at = self.at + first * self.outer_stride + from * self.inner_stride;
            for row in 0..EDGE {
                let (low, high) = if along {
                    let (at, count) = (at + row * self.outer_stride, if row < outer { inner } else { 0 });
                    (self.load(at, count), self.load(at + EDGE, count.saturating_sub(EDGE)))
                } else {
                    let (low, high) =
                        (if row < inner { outer } else { 0 }, if row + EDGE < inner { outer } else { 0 });
                    let at = at + row * self.inner_stride;
                    (self.load(at, low), self.load(at + EDGE * self.inner_stride, high))
                };
                store(split(low, high), tiles, row);
            }
            // What was read is a row of a left factor, or a row of a right one.
            if along != (self.side == Side::Left) {
                let (tile, rest) = tiles.split_at_mut(TILE);
                let (middle, last) = rest.split_at_mut(TILE);
                transpose(tile);
                transpose(middle);
                transpose(last);
            }
        }
    }

    /// At most 16 values from `at` on, zeros behind them; `at` may lie beyond the matrix if there are none.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(&self, at: usize, count: usize) -> __m512 {
        if count == 0 {
            return _mm512_setzero_ps();
        }
        let values = &self.values[at..][..count.min(EDGE)];
        let mask = (1_u32 << values.len()) - 1;
        // SAFETY: the mask keeps the load within the slice.
        unsafe { _mm512_maskz_loadu_ps(mask as __mmask16, values.as_ptr()) }
    }
}
