//! One value of a column, wherever it comes from: the cell of a file, what a request holds, what a caller in Rust or C hands over.
//! What it means as a number, as an identifier and as nothing is said here and in [`Missing`], once for all of them.

use std::io::Write;

use crate::missing::Missing;
use crate::number;

/// A value as a file or a caller has it.
///
/// A field compares values by their text, as in a training file: an integer by its digits, another number by its
/// shortest decimal form, so that `7`, `"7"` and `7.0` are one value and `"7.0"` is another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// None, as an empty cell.
    Missing,
    /// A number. NaN is missing.
    Number(f64),
    /// A number in single precision, whose shortest decimal form is another one. NaN is missing.
    Single(f32),
    /// A whole number from 0: no identifier is rounded.
    Unsigned(u64),
    /// A whole number.
    Integer(i64),
    /// The text of a cell: blanks around it do not count, and one that the policy lists is missing. For a field of
    /// several values, they are separated as in a file.
    Text(&'a [u8]),
    /// The values of a field that holds several.
    List(&'a [Value<'a>]),
}

impl<'a> Value<'a> {
    /// Without blanks around it, if it is a text.
    #[inline]
    pub(crate) fn trimmed(self) -> Self {
        match self {
            Value::Text(text) => Value::Text(text.trim_ascii()),
            other => other,
        }
    }

    /// Whether it is missing, as `missing` says.
    #[inline]
    pub fn is_missing(self, missing: &Missing) -> bool {
        match self {
            Value::Missing => true,
            Value::List(_) => false,
            Value::Text(text) => missing.contains(text),
            Value::Number(x) => x.is_nan() || missing.contains_number(x),
            Value::Single(x) => x.is_nan() || missing.contains_single(x),
            Value::Unsigned(x) => missing.contains_whole(x.into()),
            Value::Integer(x) => missing.contains_whole(x.into()),
        }
    }

    /// The nearest `f32`, NaN where it is missing; an error says what it should have been.
    #[inline]
    pub fn number(self, missing: &Missing) -> Result<f32, &'static str> {
        match self {
            // What most are, without a call.
            Value::Number(x) if missing.is_empty() && (x as f32).is_finite() => Ok(number::narrow(x)),
            value => value.unusual_number(missing),
        }
    }

    /// The nearest `f32` to what is left of the number when `base` is taken off in double precision; else as
    /// [`number`](Self::number).
    #[inline]
    pub fn number_less(self, base: f64, missing: &Missing) -> Result<f32, &'static str> {
        if base == 0.0 {
            return self.number(missing);
        }
        let number = (self.precise(missing)? - base) as f32;
        if number.is_infinite() { Err("a finite number") } else { Ok(number) }
    }

    /// The number in double precision, NaN where it is missing; an error says what it should have been. Of a number in single
    /// precision what its text would be.
    pub fn precise(self, missing: &Missing) -> Result<f64, &'static str> {
        let number = match self {
            _ if self.is_missing(missing) => return Ok(f64::NAN),
            Value::Missing => return Ok(f64::NAN),
            Value::List(_) => return Err("one number"),
            Value::Text(text) => return number::whole_f64(text).ok_or("a number"),
            Value::Number(x) => x,
            Value::Single(x) => number::widen(x),
            Value::Unsigned(x) => x as f64,
            Value::Integer(x) => x as f64,
        };
        if number.is_finite() { Ok(number) } else { Err("a finite number") }
    }

    fn unusual_number(self, missing: &Missing) -> Result<f32, &'static str> {
        if self.is_missing(missing) {
            return Ok(f32::NAN);
        }
        let number = match self {
            Value::Missing => f32::NAN,
            Value::List(_) => return Err("one number"),
            Value::Text(text) => return number::whole(text).ok_or("a number"),
            Value::Number(x) => number::narrow(x),
            Value::Single(x) => x,
            Value::Unsigned(x) => x as f32,
            Value::Integer(x) => x as f32,
        };
        if number.is_finite() { Ok(number) } else { Err("a finite number") }
    }

    /// Appends its text: nothing of a missing value and of a list.
    pub fn write(self, to: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = match self {
            Value::Number(x) => write!(to, "{x}"),
            Value::Single(x) => write!(to, "{x}"),
            Value::Unsigned(x) => to.write_all(itoa::Buffer::new().format(x).as_bytes()),
            Value::Integer(x) => to.write_all(itoa::Buffer::new().format(x).as_bytes()),
            Value::Text(text) => to.write_all(text),
            Value::Missing | Value::List(_) => Ok(()),
        };
    }

    /// Its text; that of a number is written into `buffer`.
    #[inline]
    pub fn text<'b>(self, buffer: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if let Value::Text(text) = self {
            return text;
        }
        buffer.clear();
        self.write(buffer);
        buffer
    }

    /// As a message shows it.
    pub(crate) fn shown(self) -> String {
        match self {
            Value::Missing => "nothing".to_owned(),
            Value::Text(text) => {
                crate::message::Found(String::from_utf8_lossy(text).into_owned()).to_string()
            }
            Value::List(values) => format!("a list of {}", values.len()),
            number => number.cell(),
        }
    }

    /// As a cell of a text file would show it.
    pub fn cell(self) -> String {
        let mut text = Vec::new();
        self.write(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(text: &'a [u8]) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a [Value<'a>]> for Value<'a> {
    fn from(values: &'a [Value<'a>]) -> Self {
        Value::List(values)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Missing, Into::into)
    }
}

macro_rules! from_number {
    ($variant:ident: $($number:ty),*) => {
        $(impl From<$number> for Value<'_> {
            fn from(x: $number) -> Self {
                Value::$variant(x.into())
            }
        })*
    };
}

from_number!(Unsigned: u64, u32);
from_number!(Integer: i64, i32);
from_number!(Number: f64);
from_number!(Single: f32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_missing_where_its_text_would_be() {
        let missing = Missing::new(&["-124", "0.1", "7.0", "x", "inf"].map(str::to_owned));
        let held = [
            Value::Missing,
            Value::Text(b""),
            Value::Text(b"x"),
            Value::Integer(-124),
            Value::Number(-124.0),
            Value::Number(0.1),
            Value::Single(0.1),
            Value::Number(f64::NAN),
            Value::Number(f64::INFINITY),
        ];
        assert!(held.into_iter().all(|value| value.is_missing(&missing)));
        // The text of 7 is "7", and that of 0.1 in single precision is another one in double precision.
        let others =
            [Value::Integer(7), Value::Number(7.0), Value::Number(0.1_f32.into()), Value::Text(b"y")];
        assert!(!others.into_iter().any(|value| value.is_missing(&missing)));
    }
}
