//! The loss of a task as it is written.

use std::collections::BTreeMap;
use std::fmt;

use mt_layers::LossKind;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A loss by its name, with the keys that are its own: `mae`, or `{huber: {delta: 1}}`.
#[derive(Debug, Clone, PartialEq)]
pub struct LossConfig {
    /// One of a [`Registry`](crate::Registry).
    pub name: String,
    /// Its keys.
    pub keys: BTreeMap<String, Value>,
}

impl LossConfig {
    /// A loss with all its defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), keys: BTreeMap::new() }
    }

    /// The same with one of its keys: `LossConfig::new("huber").with("delta", 1)`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.keys.insert(key.to_owned(), value.into());
        self
    }
}

impl From<LossKind> for LossConfig {
    /// As it is written; a product of probabilities never is.
    fn from(kind: LossKind) -> Self {
        let written = serde_json::to_value(kind).and_then(serde_json::from_value);
        written.unwrap_or_else(|_| Self::new("product"))
    }
}

impl Serialize for LossConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.keys.is_empty() {
            return serializer.serialize_str(&self.name);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(&self.name, &self.keys)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for LossConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = LossConfig;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the name of a loss, or one name with its keys, as {huber: {delta: 1}}")
            }

            fn visit_str<E>(self, name: &str) -> Result<LossConfig, E> {
                Ok(LossConfig::new(name))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LossConfig, A::Error> {
                let none = || A::Error::invalid_length(0, &Written);
                let name = map.next_key::<String>()?.ok_or_else(none)?;
                let keys = map.next_value::<Option<BTreeMap<String, Value>>>()?.unwrap_or_default();
                match map.next_key::<String>()? {
                    Some(_) => Err(A::Error::invalid_length(2, &Written)),
                    None => Ok(LossConfig { name, keys }),
                }
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_written_as_it_is_read() {
        for text in [r#""mae""#, r#"{"huber":{"delta":1.5}}"#, r#"{"own":{"a":[1,2],"b":"x"}}"#] {
            let read: LossConfig = serde_json::from_str(text).expect("a loss");
            assert_eq!(serde_json::to_string(&read).expect("json"), text);
        }
        for text in ["3", "{}", r#"{"mae":{},"mse":{}}"#, r#"["mae"]"#] {
            let error = serde_json::from_str::<LossConfig>(text).expect_err("no loss").to_string();
            assert!(error.contains("the name of a loss, or one name with its keys"), "{error}");
        }
    }
}
