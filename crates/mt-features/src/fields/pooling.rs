//! How the embeddings of the values of a list become one.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::attention::Attention;

/// How the embeddings of several values become one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Pooling {
    /// Their mean. The default.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// The largest of each component.
    Max,
    /// Their sum, each weighed by what the candidate makes of it.
    Attention(Attention),
    /// What self-attention over the values, in their order, and the candidate behind them makes of the candidate.
    SelfAttention(Attention),
}

const EXPECTED: &str = "mean, sum, max, {attention: {query: FIELD}} or {self_attention: {query: FIELD}}";

impl Pooling {
    /// Set where values are read one by one, with an eye on a candidate.
    pub fn attention(&self) -> Option<&Attention> {
        match self {
            Self::Attention(attention) | Self::SelfAttention(attention) => Some(attention),
            _ => None,
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Max => "max",
            Self::Attention(_) => "attention",
            Self::SelfAttention(_) => "self_attention",
        }
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Pooling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(attention) = self.attention() else { return serializer.collect_str(self) };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.name(), attention)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Pooling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = Pooling;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Pooling, E> {
                let plain = [Pooling::Mean, Pooling::Sum, Pooling::Max];
                let found = plain.into_iter().find(|pooling| pooling.to_string() == text);
                found.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pooling, A::Error> {
                let pooling = match map.next_key::<String>()?.as_deref() {
                    Some("attention") => Pooling::Attention(map.next_value()?),
                    Some("self_attention") => Pooling::SelfAttention(map.next_value()?),
                    Some(key) => return Err(de::Error::unknown_field(key, &["attention", "self_attention"])),
                    None => return Err(de::Error::invalid_length(0, &self)),
                };
                match map.next_key::<String>()? {
                    None => Ok(pooling),
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                }
            }
        }
        deserializer.deserialize_any(Choice)
    }
}
