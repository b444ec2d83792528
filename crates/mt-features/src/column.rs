//! How a configuration says which column it means.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// A column: its name, or its index from 0. Where an expression may stand, a name that no column has is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ColumnRef {
    /// Index, from 0.
    Index(usize),
    /// Name.
    Name(String),
}

impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnRef::Index(index) => index.fmt(f),
            ColumnRef::Name(name) => name.fmt(f),
        }
    }
}

impl Serialize for ColumnRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ColumnRef::Index(index) => index.serialize(serializer),
            ColumnRef::Name(name) => name.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ColumnRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Column;
        impl Visitor<'_> for Column {
            type Value = ColumnRef;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column name, or a column index from 0")
            }
            fn visit_u64<E: de::Error>(self, index: u64) -> Result<ColumnRef, E> {
                let index = usize::try_from(index);
                index.map(ColumnRef::Index).map_err(|_| E::custom("the column index is too large"))
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<ColumnRef, E> {
                Ok(ColumnRef::Name(name.to_owned()))
            }
        }
        deserializer.deserialize_any(Column)
    }
}
