//! One value of a raw row.

use std::io::Write;

/// A value as a caller has it.
///
/// A field compares values by their text, as in a training file: an integer by its digits, another number by its
/// shortest decimal form, so that `7`, `"7"` and `7.0` are one value and `"7.0"` is another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// None, as an empty cell.
    Missing,
    /// A number. NaN is missing.
    Number(f64),
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

impl Value<'_> {
    /// The text of a number, in `buffer`.
    pub(super) fn write(self, buffer: &mut Vec<u8>) {
        buffer.clear();
        // Writing to memory does not fail.
        let _ = match self {
            Value::Number(x) => write!(buffer, "{x}"),
            Value::Unsigned(x) => write!(buffer, "{x}"),
            Value::Integer(x) => write!(buffer, "{x}"),
            Value::Missing | Value::Text(_) | Value::List(_) => Ok(()),
        };
    }

    /// As a message shows it.
    pub(super) fn shown(self) -> String {
        match self {
            Value::Missing => "nothing".to_owned(),
            Value::Text(text) => {
                crate::message::Found(String::from_utf8_lossy(text).into_owned()).to_string()
            }
            Value::List(values) => format!("a list of {}", values.len()),
            Value::Number(x) => x.to_string(),
            Value::Unsigned(x) => x.to_string(),
            Value::Integer(x) => x.to_string(),
        }
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
from_number!(Number: f64, f32);
