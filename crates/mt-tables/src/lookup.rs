//! Where the values of a table's rows are, as kernels read them.

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use mt_kernels::blocks;

use crate::prefetch::prefetch;
use crate::start::Start;

/// What a lookup reads.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub values: Values<'a>,
    /// Values from one row's place to the next one's.
    pub stride: usize,
    /// A bit for each row that was trained.
    pub seen: &'a [u64],
    /// Trained rows before each word of `seen`, where only those have a place; empty where all rows have.
    pub ranks: &'a [u32],
    pub start: Start,
}

/// The values of all places.
#[derive(Clone, Copy)]
pub(crate) enum Values<'a> {
    F32(&'a [f32]),
    /// Bits of half precision.
    F16(&'a [u16]),
    /// The upper bits of single precision.
    Bf16(&'a [u16]),
    /// `(byte - 128) · scale`, with a scale a place.
    Int8(&'a [u8], &'a [f32]),
}

impl<'a> Lookup<'a> {
    /// Where a row is, if it was trained.
    #[inline(always)]
    fn place(self, id: u32) -> Option<usize> {
        let (word, bit) = (self.seen[id as usize / 64], id % 64);
        if word >> bit & 1 == 0 {
            return None;
        }
        if self.ranks.is_empty() {
            return Some(id as usize);
        }
        let before = (word & ((1 << bit) - 1)).count_ones();
        Some((self.ranks[id as usize / 64] + before) as usize)
    }

    /// Fetches a row that will be read soon.
    #[inline(always)]
    pub fn prefetch(self, id: u32, width: usize) {
        prefetch(&self.seen[id as usize / 64..][..1]);
        let place = if self.ranks.is_empty() { Some(id as usize) } else { self.place(id) };
        let Some(at) = place.map(|place| place * self.stride) else { return };
        match self.values {
            Values::F32(values) => prefetch(&values[at..][..width]),
            Values::F16(values) | Values::Bf16(values) => prefetch(&values[at..][..width]),
            Values::Int8(values, _) => prefetch(&values[at..][..width]),
        }
    }

    /// A row's values: those trained, or in `spare` those it starts from.
    #[inline(always)]
    pub fn row<'b>(self, id: u32, spare: &'b mut [f32]) -> &'b [f32]
    where
        'a: 'b,
    {
        match (self.place(id), self.values) {
            (Some(place), Values::F32(values)) => return &values[place * self.stride..][..spare.len()],
            (Some(place), values) => values.widen(place, self.stride, spare),
            (None, _) => self.start.fill_row(id, spare),
        }
        spare
    }

    /// The same, written to `out`.
    #[inline(always)]
    pub fn read(self, id: u32, out: &mut [f32]) {
        match self.place(id) {
            Some(place) => self.values.widen(place, self.stride, out),
            None => self.start.fill_row(id, out),
        }
    }
}

impl Values<'_> {
    /// Writes the values of a place in single precision.
    #[inline(always)]
    pub fn widen(self, place: usize, stride: usize, out: &mut [f32]) {
        let (at, width) = (place * stride, out.len());
        match self {
            Values::F32(values) => blocks::copy(&values[at..][..width], out),
            Values::F16(bits) => {
                let values: &[f16] = bits[at..][..width].reinterpret_cast();
                values.convert_to_f32_slice(out);
            }
            Values::Bf16(bits) => {
                let bits = &bits[at..][..width];
                for i in 0..width {
                    out[i] = f32::from_bits(u32::from(bits[i]) << 16);
                }
            }
            Values::Int8(bytes, scales) => {
                let (bytes, scale) = (&bytes[at..][..width], scales[place]);
                for i in 0..width {
                    out[i] = (f32::from(bytes[i]) - ZERO) * scale;
                }
            }
        }
    }
}

/// The byte that stands for 0.
pub(crate) const ZERO: f32 = 128.0;
