//! Configuration values that may be written in more than one way.
//!
//! Each has a visitor of its own rather than serde's `untagged`, which would lose the position of the value and
//! say no more than "data did not match any variant".

use std::fmt;

use mt_features::ColumnRef;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Which columns are features.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Features {
    /// Every column that is nothing else (a label, a field, a key, part of an expression) and not excluded.
    #[default]
    All,
    /// None: only `data.fields` are inputs.
    None,
    /// These, in this order.
    List(Vec<ColumnRef>),
}

/// What happens to a record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BadRecords {
    /// The first one is an error.
    #[default]
    Fail,
    /// Up to so many are left out, counted and reported.
    Skip(u64),
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Features::All => serializer.serialize_str("all"),
            Features::None => serializer.serialize_str("none"),
            Features::List(columns) => columns.serialize(serializer),
        }
    }
}

impl Serialize for BadRecords {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            BadRecords::Fail => serializer.serialize_str("fail"),
            BadRecords::Skip(limit) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("skip", limit)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = Features;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`all`, `none`, or a list of columns")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Features, E> {
                match text {
                    "all" => Ok(Features::All),
                    "none" => Ok(Features::None),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Features, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = seq.next_element()? {
                    columns.push(column);
                }
                Ok(Features::List(columns))
            }
        }
        deserializer.deserialize_any(Choice)
    }
}

impl<'de> Deserialize<'de> for BadRecords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = BadRecords;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`fail`, or `{skip: N}`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<BadRecords, E> {
                match text {
                    "fail" => Ok(BadRecords::Fail),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BadRecords, A::Error> {
                let mut limit = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != "skip" {
                        return Err(de::Error::unknown_field(&key, &["skip"]));
                    }
                    limit = Some(map.next_value()?);
                }
                limit.map(BadRecords::Skip).ok_or_else(|| de::Error::missing_field("skip"))
            }
        }
        deserializer.deserialize_any(Choice)
    }
}
