//! Small numbers as pages of Parquet files hold them: runs of one number, and numbers of as few bits as they need.
//!
//! Source: "RLE / Bit-Packing Hybrid" in the format's description of its encodings. The decoder of the `parquet` crate
//! makes a number of each, which costs more than reading the text `0,`; here a run stays one, so that what makes rows of
//! it passes over the values that are 0.

use ::parquet::errors::{ParquetError, Result};
use bytes::Bytes;

/// Bits that are in a word whatever the first one's place in its byte.
const BITS: usize = 57;
/// For each width, 1 as each of the numbers that are in so many bits: runs are short where ones are scattered among
/// zeros, so that a loop for each would take longer than the run.
const ONES: [u64; 33] = {
    let mut ones = [0; 33];
    let mut width = 1;
    while width < ones.len() {
        let mut at = 0;
        while at + width <= BITS {
            ones[width] |= 1 << at;
            at += width;
        }
        width += 1;
    }
    ones
};

/// The rest of a page's numbers of one width.
pub(super) struct Hybrid {
    bytes: Bytes,
    /// Bits of a number, 0 to 32.
    width: u32,
    /// Behind the current run.
    at: usize,
    run: Run,
}

/// What is left of a run.
enum Run {
    Same { number: u32, left: usize },
    Packed { start: usize, first: usize, left: usize },
}

/// Numbers that belong together.
pub(super) enum Piece<'a> {
    Same { number: u32, count: usize },
    Packed(Packed<'a>),
}

/// Numbers, one after the other without a gap, the lowest bits first.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a> {
    bytes: &'a [u8],
    width: u32,
    /// The first one, counted from the start of the bytes.
    first: usize,
    pub count: usize,
}

impl Hybrid {
    /// Runs of numbers of `width` bits.
    pub fn new(bytes: Bytes, width: u32) -> Result<Self> {
        let run = match width {
            // No bits, so no bytes need be there.
            0 => Run::Same { number: 0, left: usize::MAX },
            1..=32 => Run::Same { number: 0, left: 0 },
            _ => return Err(ParquetError::General(format!("numbers of {width} bits"))),
        };
        Ok(Hybrid { bytes, width, at: 0, run })
    }

    /// One run of packed bits.
    pub fn bits(bytes: Bytes) -> Self {
        let run = Run::Packed { start: 0, first: 0, left: 8 * bytes.len() };
        Hybrid { at: bytes.len(), bytes, width: 1, run }
    }

    /// The next numbers, up to `most` of them, which is not 0.
    #[inline]
    pub fn next(&mut self, most: usize) -> Result<Piece<'_>> {
        while matches!(self.run, Run::Same { left: 0, .. } | Run::Packed { left: 0, .. }) {
            self.run = self.next_run()?;
        }
        match &mut self.run {
            Run::Same { number, left } => {
                let count = most.min(*left);
                *left -= count;
                Ok(Piece::Same { number: *number, count })
            }
            Run::Packed { start, first, left } => {
                let count = most.min(*left);
                let packed =
                    Packed { bytes: &self.bytes[*start..self.at], width: self.width, first: *first, count };
                (*first, *left) = (*first + count, *left - count);
                Ok(Piece::Packed(packed))
            }
        }
    }

    fn next_run(&mut self) -> Result<Run> {
        let width = self.width as usize;
        let header = self.header()?;
        let count = usize::try_from(header >> 1).unwrap_or(usize::MAX);
        let start = self.at;
        let rest = self.bytes.len() - start;
        if header & 1 == 0 {
            let length = width.div_ceil(8);
            let number = self.bytes.get(start..start + length).ok_or_else(ended)?;
            let number = number.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte));
            self.at += length;
            return Ok(Run::Same { number, left: count });
        }
        // Groups of eight numbers, of which some writers leave the last one's padding out.
        let length = rest.min(count.saturating_mul(width));
        self.at += length;
        let left = count.saturating_mul(8).min(8 * length / width);
        if left == 0 { Err(ended()) } else { Ok(Run::Packed { start, first: 0, left }) }
    }

    /// A number of seven bits a byte, the lowest ones first; a byte's highest bit says that there are more.
    fn header(&mut self) -> Result<u64> {
        let mut header = 0;
        for shift in (0..63).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or_else(ended)?;
            self.at += 1;
            header |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(header);
            }
        }
        Err(ParquetError::General("a run of too many numbers".to_owned()))
    }
}

fn ended() -> ParquetError {
    ParquetError::EOF("a page ends before its numbers do".to_owned())
}

impl Packed<'_> {
    fn mask(self) -> u64 {
        (1 << self.width) - 1
    }

    /// The bits from `bit` on, at least [`BITS`] of them; 0 behind the end.
    #[inline(always)]
    fn bits(self, bit: usize) -> u64 {
        let rest = &self.bytes[(bit / 8).min(self.bytes.len())..];
        let word = match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        word >> (bit % 8)
    }

    /// All numbers in order.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        let width = self.width as usize;
        (self.first..self.first + self.count).map(move |i| (self.bits(i * width) & self.mask()) as u32)
    }

    /// Calls `found` with the position and the value of each number that is not `usual`.
    #[inline(always)]
    pub fn others(self, usual: u32, found: impl FnMut(usize, u32)) {
        // Of a width that the compiler knows, without a division for each number: columns of 0 and 1.
        match self.width {
            1 => self.others_of(1, usual, found),
            width => self.others_of(width as usize, usual, found),
        }
    }

    #[inline(always)]
    fn others_of(self, width: usize, usual: u32, mut found: impl FnMut(usize, u32)) {
        let mask = (1 << width) - 1;
        if u64::from(usual) > mask {
            return self.numbers().enumerate().for_each(|(at, number)| found(at, number));
        }
        let together = BITS / width;
        let pattern = u64::from(usual) * ONES[width];
        let (mut at, end) = (0, self.count);
        while at < end {
            let count = together.min(end - at);
            let word = self.bits((self.first + at) * width);
            let mut different = (word ^ pattern) & ((1 << (count * width)) - 1);
            while different != 0 {
                let field = different.trailing_zeros() / width as u32;
                let start = field * width as u32;
                found(at + field as usize, (word >> start & mask) as u32);
                different &= !(mask << start);
            }
            at += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs numbers, and puts the header of their run before them.
    fn packed(numbers: &[u32], width: u32) -> Vec<u8> {
        let mut bytes = vec![(numbers.len().div_ceil(8) << 1 | 1) as u8];
        bytes.resize(1 + numbers.len().div_ceil(8) * width as usize, 0);
        for (i, &number) in numbers.iter().enumerate() {
            for bit in 0..width as usize {
                let at = i * width as usize + bit;
                bytes[1 + at / 8] |= ((number >> bit & 1) as u8) << (at % 8);
            }
        }
        bytes
    }

    #[test]
    fn numbers_come_out_as_they_went_in_whatever_their_width_and_however_many_are_asked_for() {
        for width in 1..=32_u32 {
            let most = u64::MAX >> (64 - width);
            let number = |i: u64| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16 & most) as u32;
            let numbers: Vec<u32> = (0..40).map(|i| if i % 3 == 0 { 1 } else { number(i) }).collect();
            let same = [vec![5 << 1], 1u32.to_le_bytes()[..width.div_ceil(8) as usize].to_vec()].concat();
            let bytes = Bytes::from([packed(&numbers, width), same].concat());
            for step in [1, 3, 7, 45] {
                let mut hybrid = Hybrid::new(bytes.clone(), width).unwrap();
                let (mut read, mut others) = (Vec::new(), Vec::new());
                while read.len() < 45 {
                    let start = read.len();
                    match hybrid.next(step).unwrap() {
                        Piece::Same { number, count } => read.extend(vec![number; count]),
                        Piece::Packed(packed) => {
                            read.extend(packed.numbers());
                            packed.others(1, |at, number| others.push((start + at, number)));
                        }
                    }
                }
                assert_eq!(read, [&numbers[..], &[1; 5]].concat(), "{width} bits");
                let expected = numbers.iter().copied().enumerate().filter(|&(_, number)| number != 1);
                assert_eq!(others, expected.collect::<Vec<_>>(), "{width} bits");
                assert!(hybrid.next(1).is_err());
            }
        }
    }

    #[test]
    fn numbers_without_bits_are_zero_and_what_cannot_be_is_refused() {
        let mut none = Hybrid::new(Bytes::new(), 0).unwrap();
        assert!(matches!(none.next(9), Ok(Piece::Same { number: 0, count: 9 })));
        assert!(Hybrid::new(Bytes::new(), 33).is_err());
        for bytes in [&[][..], &[0x80], &[0xFF; 12], &[2], &[3]] {
            let mut hybrid = Hybrid::new(Bytes::copy_from_slice(bytes), 9).unwrap();
            assert!(hybrid.next(1).is_err(), "{bytes:?}");
        }
    }
}
