//! `train.propensities`: by what a task's rows are weighed.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// By what the rows of a task are weighed: `click`, or `{of: click, imputed: cvr_error}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropensityConfig {
    /// The binary task whose probability a row's weight is the inverse of.
    pub of: String,
    /// A head that estimates the task's loss where it has no label, under a name of its own; with it the mean is over all rows
    /// that `of` has a label in. Default none: over those of the task.
    pub imputed: Option<String>,
}

impl From<&str> for PropensityConfig {
    fn from(of: &str) -> Self {
        Self { of: of.to_owned(), imputed: None }
    }
}

/// The longer form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    of: String,
    #[serde(default)]
    imputed: Option<String>,
}

impl Serialize for PropensityConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.clone() {
            Self { of, imputed: None } => serializer.serialize_str(&of),
            Self { of, imputed } => Keys { of, imputed }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PropensityConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = PropensityConfig;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the name of a task, or {of: click, imputed: cvr_error}")
            }

            fn visit_str<E>(self, of: &str) -> std::result::Result<PropensityConfig, E> {
                Ok(of.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<PropensityConfig, A::Error> {
                let Keys { of, imputed } = Keys::deserialize(MapAccessDeserializer::new(map))?;
                Ok(PropensityConfig { of, imputed })
            }
        }
        deserializer.deserialize_any(Written)
    }
}
