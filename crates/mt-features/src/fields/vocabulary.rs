//! The known values of a table, stored with a model.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::interner::Interner;

/// Known values by row: value `i` has row `2 + i`.
///
/// Clones share them. Stored as a list of texts; a value that is no UTF-8 as a list of its bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vocabulary {
    values: Arc<Interner>,
}

impl Vocabulary {
    /// Number of known values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no value is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row of a value, 0 where it is not known.
    pub fn row(&self, value: &[u8]) -> u32 {
        self.values.get(value).map_or(super::UNKNOWN, |number| super::KNOWN + number)
    }

    /// The values in order of their rows.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter()
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Vocabulary {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Vocabulary { values: Arc::new(values.into_iter().collect()) }
    }
}

/// One value: its text, or its bytes.
struct Value<'a>(&'a [u8]);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(self.0),
        }
    }
}

impl Serialize for Vocabulary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.values().map(Value))
    }
}

struct OwnedValue(Vec<u8>);

impl<'de> Deserialize<'de> for OwnedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = OwnedValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of bytes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<OwnedValue, E> {
                Ok(OwnedValue(text.as_bytes().to_vec()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OwnedValue, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(OwnedValue(bytes))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Vocabulary;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of different values")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vocabulary, A::Error> {
                let mut values = Interner::default();
                let mut count = 0;
                while let Some(OwnedValue(value)) = seq.next_element()? {
                    values.intern(&value);
                    count += 1;
                    if values.len() < count {
                        let value = String::from_utf8_lossy(&value).into_owned();
                        return Err(de::Error::custom(format!("the value {value:?} is listed twice")));
                    }
                }
                Ok(Vocabulary { values: Arc::new(values) })
            }
        }
        deserializer.deserialize_seq(List)
    }
}
