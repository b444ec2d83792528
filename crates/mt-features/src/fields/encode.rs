//! `encode`: how values become rows, as it is written.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::keys::Growing;

/// How the values of a table become its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// One row each value that the training rows hold at least `min_count` times; rarer and new ones share row 0.
    /// Rows go by falling count, equal counts by their bytes. The default, with a count of 1.
    Vocabulary {
        /// The least count, from 1.
        min_count: u64,
    },
    /// Row `2 + h % n` for the XXH3 hash `h` of the value's bytes, seeded with the XXH3 hash of the table's name.
    /// Nothing is fitted, nothing unknown; two values may share a row.
    Hash(u32),
    /// The value is a whole number from 0, and its row that plus 2; from `n` on it is unknown.
    Identity(u32),
    /// The value is a number, and its row that of one of up to `n` buckets with equally many training values.
    Buckets(u32),
    /// A row each value sighted often enough in training, until it is not seen for long. Nothing is fitted: another
    /// day's values are taken in when training goes on.
    Growing(Growing),
}

/// The largest table.
const MOST: u32 = u32::MAX - super::KNOWN;
const EXPECTED: &str = "`vocabulary`, `{vocabulary: {min_count: N}}`, `{hash: N}`, `{identity: N}`, `{buckets: N}` or `{growing: {capacity: N}}`";

impl Encoding {
    /// What is wrong with its number: the key's last part, what would be right, and what is there.
    pub(super) fn problem(self) -> Option<(&'static str, &'static str, u64)> {
        let (key, expected, least, most, found) = match self {
            Encoding::Vocabulary { min_count } => {
                ("vocabulary.min_count", "at least 1", 1, u64::MAX, min_count)
            }
            Encoding::Hash(n) => ("hash", "1 to 4294967293", 1, u64::from(MOST), u64::from(n)),
            Encoding::Identity(n) => ("identity", "1 to 4294967293", 1, u64::from(MOST), u64::from(n)),
            Encoding::Buckets(n) => ("buckets", "2 to 65536", 2, 65_536, u64::from(n)),
            Encoding::Growing(growing) => return growing.problem(),
        };
        (!(least..=most).contains(&found)).then_some((key, expected, found))
    }
}

impl Default for Encoding {
    fn default() -> Self {
        Encoding::Vocabulary { min_count: 1 }
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    min_count: u64,
}

impl Serialize for Encoding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, n) = match *self {
            Encoding::Vocabulary { min_count: 1 } => return serializer.serialize_str("vocabulary"),
            Encoding::Vocabulary { min_count } => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("vocabulary", &Counted { min_count })?;
                return map.end();
            }
            Encoding::Hash(n) => ("hash", n),
            Encoding::Identity(n) => ("identity", n),
            Encoding::Buckets(n) => ("buckets", n),
            Encoding::Growing(growing) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("growing", &growing)?;
                return map.end();
            }
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(key, &n)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = Encoding;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Encoding, E> {
                match text {
                    "vocabulary" => Ok(Encoding::default()),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Encoding, A::Error> {
                let Some(key) = map.next_key::<String>()? else {
                    return Err(de::Error::invalid_length(0, &self));
                };
                let encoding = match key.as_str() {
                    "vocabulary" => {
                        Encoding::Vocabulary { min_count: map.next_value::<Counted>()?.min_count }
                    }
                    "hash" => Encoding::Hash(map.next_value()?),
                    "identity" => Encoding::Identity(map.next_value()?),
                    "buckets" => Encoding::Buckets(map.next_value()?),
                    "growing" => Encoding::Growing(map.next_value()?),
                    key => {
                        let keys = &["vocabulary", "hash", "identity", "buckets", "growing"];
                        return Err(de::Error::unknown_field(key, keys));
                    }
                };
                match map.next_key::<String>()? {
                    None => Ok(encoding),
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                }
            }
        }
        deserializer.deserialize_any(Choice)
    }
}
