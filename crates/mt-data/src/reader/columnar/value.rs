//! From a stored value to the number and the text that it would be in a text file.

use std::io::Write;

use ::parquet::data_type::ByteArray;

use crate::expression::is_missing;
use crate::reader::number::{self, narrow};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_numbers_is_a_number() {
        let number = |text: &str, label| ByteArray::from(text).number(label);
        assert_eq!(number(" 1.5\t", false), 1.5);
        assert!(number(" ", false).is_nan() && number("NaN", true).is_nan());
        assert!([number("NaN", false), number("x", true), f32::NAN.number(false)] == [f32::INFINITY; 3]);
        assert_eq!(u64::MAX.number(false), 18_446_744_073_709_551_615_f32);
    }
}
