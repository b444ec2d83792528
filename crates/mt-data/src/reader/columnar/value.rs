//! From a stored value to the number and the text that it would be in a text file.

use std::io::Write;

use ::parquet::data_type::ByteArray;

use crate::expression::is_missing;
use crate::reader::number;

/// A stored value.
pub(super) trait Value: Send + Sync {
    /// NaN where it says that it is missing, infinite where it is no finite number. With `label`, NaN is missing.
    fn number(&self, label: bool) -> f32;
    /// Whether both have the same text.
    fn same(&self, other: &Self) -> bool;
    /// Appends its text.
    fn write(&self, text: &mut Vec<u8>);
}

/// Whole numbers: the digits, and the nearest `f32`, as which the digits would be read.
macro_rules! whole {
    ($($number:ty)*) => {$(
        impl Value for $number {
            fn number(&self, _: bool) -> f32 {
                *self as f32
            }

            fn same(&self, other: &Self) -> bool {
                self == other
            }

            fn write(&self, text: &mut Vec<u8>) {
                // Writing to memory does not fail.
                let _ = write!(text, "{self}");
            }
        }
    )*};
}

whole! { u8 i32 u32 i64 u64 }

impl Value for f32 {
    fn number(&self, label: bool) -> f32 {
        if self.is_nan() && !label { f32::INFINITY } else { *self }
    }

    fn same(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }

    fn write(&self, text: &mut Vec<u8>) {
        let _ = write!(text, "{self}");
    }
}

impl Value for f64 {
    fn number(&self, label: bool) -> f32 {
        narrow(*self).number(label)
    }

    fn same(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }

    fn write(&self, text: &mut Vec<u8>) {
        let _ = write!(text, "{self}");
    }
}

impl Value for ByteArray {
    fn number(&self, label: bool) -> f32 {
        let text = self.data().trim_ascii();
        let missing = if label { is_missing(text) } else { text.is_empty() };
        if missing { f32::NAN } else { number::whole(text).unwrap_or(f32::INFINITY) }
    }

    fn same(&self, other: &Self) -> bool {
        self.data() == other.data()
    }

    fn write(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(self.data().trim_ascii());
    }
}

/// The `f32` nearest to the shortest text of `x`, which is how a text file would have it.
///
/// That is the one nearest to `x` itself, unless `x` lies exactly between two: the text need not lie there as well.
fn narrow(x: f64) -> f32 {
    /// Of the 29 bits that an `f32` lacks, the highest one: half a unit of its last place.
    const HALF: u64 = 1 << 28;
    let halfway = x.to_bits() & (2 * HALF - 1) == HALF;
    // Below the least normal `f32` the unit is another one.
    let tiny = x != 0.0 && x.abs() < f64::from(f32::MIN_POSITIVE);
    if x.is_finite() && (halfway || tiny) {
        return number::whole(x.to_string().as_bytes()).unwrap_or(f32::INFINITY);
    }
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halfway_between_two_numbers_the_shortest_text_decides() {
        let mut apart = 0;
        for bits in (0x0000_0001..0x7F7F_FFFF_u32).step_by(65_537) {
            let (low, high) = (f32::from_bits(bits), f32::from_bits(bits + 1));
            let middle = (f64::from(low) + f64::from(high)) / 2.0;
            for x in [middle, -middle, middle.next_up(), middle.next_down(), f64::from(low)] {
                let read: f32 = x.to_string().parse().unwrap();
                assert_eq!(narrow(x).to_bits(), read.to_bits(), "{x}");
                apart += u32::from(read != x as f32);
            }
        }
        assert!(apart > 0);
        assert_eq!(narrow(1e39), f32::INFINITY);
        assert_eq!(narrow(f64::from(f32::MAX)), f32::MAX);
        assert!(narrow(f64::NAN).is_nan());
    }

    #[test]
    fn nothing_but_numbers_is_a_number() {
        let number = |text: &str, label| ByteArray::from(text).number(label);
        assert_eq!(number(" 1.5\t", false), 1.5);
        assert!(number(" ", false).is_nan() && number("NaN", true).is_nan());
        assert!([number("NaN", false), number("x", true), f32::NAN.number(false)] == [f32::INFINITY; 3]);
        assert_eq!(u64::MAX.number(false), 18_446_744_073_709_551_615_f32);
    }
}
