//! A value of a row in JSON, read without a tree of JSON in between.

use std::borrow::Cow;
use std::fmt;

use mt_features::{Column, RawRows, Value};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// What [`Value`] is, with texts that may have been unescaped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Missing,
    Number(f64),
    Single(f32),
    Unsigned(u64),
    Integer(i64),
    Text(Cow<'a, [u8]>),
    List(Vec<Cell<'a>>),
}

impl Cell<'_> {
    /// The value; of a list, `list`.
    fn value<'v>(&'v self, list: &'v [Value<'v>]) -> Value<'v> {
        match self {
            Cell::Missing => Value::Missing,
            Cell::Number(x) => Value::Number(*x),
            Cell::Single(x) => Value::Single(*x),
            Cell::Unsigned(x) => Value::Unsigned(*x),
            Cell::Integer(x) => Value::Integer(*x),
            Cell::Text(text) => Value::Text(text),
            Cell::List(_) => Value::List(list),
        }
    }
}

/// Adds a row.
pub(crate) fn push(rows: &mut RawRows, cells: &[(Column, Cell<'_>)]) -> mt_features::Result<()> {
    if !cells.iter().any(|(_, cell)| matches!(cell, Cell::List(_))) {
        return rows.push_columns(cells.iter().map(|(column, cell)| (*column, cell.value(&[]))));
    }
    let lists: Vec<Vec<Value<'_>>> = cells
        .iter()
        .map(|(_, cell)| match cell {
            Cell::List(values) => values.iter().map(|value| value.value(&[])).collect(),
            _ => Vec::new(),
        })
        .collect();
    rows.push_columns(cells.iter().zip(&lists).map(|((column, cell), list)| (*column, cell.value(list))))
}

impl Cell<'_> {
    /// Whether it may have been written as a whole number that 64 bits do not hold, and is then another one.
    pub fn may_be_rounded(&self) -> bool {
        /// 2^63: from there on, and its negative on, an `i64` or a `u64` may not do.
        const WIDE: f64 = 9_223_372_036_854_775_808.0;
        match self {
            Cell::Number(x) => x.abs() >= WIDE,
            Cell::List(values) => values.iter().any(Self::may_be_rounded),
            _ => false,
        }
    }
}

/// Reads a single value, or a list where one may stand.
struct CellVisitor {
    lists: bool,
}

/// A value inside a list.
struct Single<'a>(Cell<'a>);

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.lists {
            "a number, a text, true, false, a list of these or null"
        } else {
            "a number, a text, true, false or null in a list"
        })
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Cell::Missing)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Cell::Unsigned(truth.into()))
    }

    fn visit_f64<E: de::Error>(self, x: f64) -> Result<Self::Value, E> {
        Ok(Cell::Number(x))
    }

    fn visit_u64<E: de::Error>(self, x: u64) -> Result<Self::Value, E> {
        Ok(Cell::Unsigned(x))
    }

    fn visit_i64<E: de::Error>(self, x: i64) -> Result<Self::Value, E> {
        Ok(Cell::Integer(x))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cell::Text(Cow::Borrowed(text.as_bytes())))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cell::Text(Cow::Owned(text.as_bytes().to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        if !self.lists {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        let mut list = Vec::new();
        while let Some(Single(value)) = values.next_element()? {
            list.push(value);
        }
        Ok(Cell::List(list))
    }
}

impl<'de> Deserialize<'de> for Cell<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(CellVisitor { lists: true })
    }
}

impl<'de> Deserialize<'de> for Single<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(CellVisitor { lists: false }).map(Single)
    }
}
