//! The model section of a configuration: as written, and resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mt_layers::{Initializer, Norm};
use mt_tables::Storage;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::architecture::Architecture;
use crate::error::{Error, Result};
use crate::registry::Registry;
use crate::section::{self, Section};
use crate::stage::Stage;

/// The model section as written: keys of every kind of model, and those of the architecture that `kind` names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelConfig {
    /// The network: one of [`registry`](Self::registry).
    pub kind: String,
    /// Keys of that architecture. [`ModelConfig::resolve`] checks them.
    #[serde(flatten)]
    pub keys: BTreeMap<String, Value>,
    /// Embedding tables of the data's fields. Default: 16 values a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<EmbeddingConfig>,
    /// How lists are read that are pooled with attention. Default: units of 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionConfig>,
    /// How lists are read that are pooled with self-attention. Default: 2 heads, and 64 hidden units behind them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_attention: Option<SelfAttentionConfig>,
    /// What stands between the tables and the network, each of a kind that [`registry`](Self::registry) has, with its keys.
    /// Default: nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<BTreeMap<String, Value>>,
    /// Hidden units of each task's tower. Default `[8]`.
    pub tower: Vec<usize>,
    /// Fields and numeric columns that a task's gate reads, of the first level, by task, where there are gates. Default: all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gate_fields: BTreeMap<String, Vec<String>>,
    /// Fields and numeric columns that a task's tower reads beside its stream, by task. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tower_fields: BTreeMap<String, Vec<String>>,
    /// Start values. Default `xavier`.
    pub init: Initializer,
    /// Normalisation of the hidden layers of bottoms, experts and towers. Default `none`.
    #[serde(skip_serializing_if = "Norm::is_none")]
    pub norm: Norm,
    /// Scale the units of `bottom` or `expert` so that the model has at most this many parameters. Default: as
    /// written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<usize>,
    /// What `kind` may name. Default: the architectures of this crate.
    #[serde(skip)]
    pub registry: Registry,
}

/// By hand: what serde flattens loses the position of every error.
impl<'de> Deserialize<'de> for ModelConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = ModelConfig;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the keys of a model")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<ModelConfig, A::Error> {
                let (mut cfg, mut seen) = (ModelConfig::new(""), BTreeSet::new());
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "kind" => cfg.kind = map.next_value()?,
                        "embedding" => cfg.embedding = map.next_value()?,
                        "attention" => cfg.attention = map.next_value()?,
                        "self_attention" => cfg.self_attention = map.next_value()?,
                        "stages" => {
                            cfg.stages = map.next_value::<Option<Vec<_>>>()?.unwrap_or_default();
                        }
                        "tower" => cfg.tower = map.next_value()?,
                        "gate_fields" => cfg.gate_fields = map.next_value()?,
                        "tower_fields" => cfg.tower_fields = map.next_value()?,
                        "init" => cfg.init = map.next_value()?,
                        "norm" => cfg.norm = map.next_value()?,
                        "budget" => cfg.budget = map.next_value()?,
                        _ => {
                            let value: Option<Value> = map.next_value()?;
                            cfg.keys.extend(value.map(|value| (key.clone(), value)));
                        }
                    }
                    if let Some(key) = seen.replace(key) {
                        return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
                    }
                }
                if !seen.contains("kind") {
                    return Err(A::Error::missing_field("kind"));
                }
                Ok(cfg)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Sizes of embedding tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddingConfig {
    /// Values `K` a row. Default 16.
    pub width: usize,
    /// Values a row of single tables, by name. Default `width`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub widths: BTreeMap<String, usize>,
    /// How values are kept. Default `f32`.
    #[serde(skip_serializing_if = "is_single")]
    pub storage: Storage,
}

/// Sizes of the units that read lists with attention, see [`mt_layers::Attention`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionConfig {
    /// Hidden units `H` of each. Default 32.
    pub hidden: usize,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self { hidden: 32 }
    }
}

/// Sizes of the blocks that read lists with self-attention, see [`mt_layers::SelfAttention`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelfAttentionConfig {
    /// Heads of each, which divide the columns of its lists. Default 2.
    pub heads: usize,
    /// Hidden units of its feed-forward layers. Default 64.
    pub hidden: usize,
}

impl Default for SelfAttentionConfig {
    fn default() -> Self {
        Self { heads: 2, hidden: 64 }
    }
}

fn is_single(storage: &Storage) -> bool {
    *storage == Storage::F32
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self { width: 16, widths: BTreeMap::new(), storage: Storage::F32 }
    }
}

fn default_tower() -> Vec<usize> {
    vec![8]
}

/// Keys of every kind of model with gates; the first is of these alone.
const GATED: [&str; 10] = [
    "gate_fields",
    "embedding",
    "attention",
    "self_attention",
    "stages",
    "tower",
    "tower_fields",
    "init",
    "norm",
    "budget",
];

pub(crate) fn error(key: &str, problem: impl Into<String>) -> Error {
    Error::Config { key: format!("model.{key}"), problem: problem.into() }
}

impl ModelConfig {
    /// A model of this kind with all defaults.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            keys: BTreeMap::new(),
            embedding: None,
            attention: None,
            self_attention: None,
            stages: Vec::new(),
            tower: default_tower(),
            gate_fields: BTreeMap::new(),
            tower_fields: BTreeMap::new(),
            init: Initializer::default(),
            norm: Norm::None,
            budget: None,
            registry: Registry::default(),
        }
    }

    /// The same with a key of its architecture: `ModelConfig::new("mmoe").with("experts", 4)`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.keys.insert(key.to_owned(), value.into());
        self
    }

    /// Fills in defaults and checks every value and that every key applies to this kind of model.
    ///
    /// # Errors
    /// [`Error::Config`], naming the key.
    pub fn resolve(&self) -> Result<Box<dyn Architecture>> {
        positive("tower", &self.tower)?;
        distinct("gate_fields", &self.gate_fields)?;
        distinct("tower_fields", &self.tower_fields)?;
        if let Some(EmbeddingConfig { width, widths, .. }) = &self.embedding {
            positive("embedding.width", &[*width])?;
            for (table, width) in widths {
                positive(&format!("embedding.widths.{table}"), &[*width])?;
            }
        }
        if let Some(AttentionConfig { hidden }) = &self.attention {
            positive("attention.hidden", &[*hidden])?;
        }
        if let Some(SelfAttentionConfig { heads, hidden }) = &self.self_attention {
            positive("self_attention.heads", &[*heads])?;
            positive("self_attention.hidden", &[*hidden])?;
        }
        self.stages()?;
        let mut section = Section::new("model.".to_owned(), &self.kind, &self.keys, self.init, self.norm);
        let architecture = self.registry.read(&mut section)?;
        let gates = !architecture.facts(&["head"]).gates.is_empty();
        let also: &[&str] = if gates { &GATED } else { &GATED[1..] };
        section.end(also)?;
        match gates || self.gate_fields.is_empty() {
            true => Ok(architecture),
            false => Err(section.unknown(GATED[0], also)),
        }
    }
}

impl ModelConfig {
    /// What stands between the tables and the network, in order.
    ///
    /// # Errors
    /// [`Error::Config`], naming the key.
    pub fn stages(&self) -> Result<Vec<Box<dyn Stage>>> {
        let read = |(i, keys): (usize, &BTreeMap<String, Value>)| {
            let Some(kind) = keys.get("kind").and_then(Value::as_str) else {
                let kinds: Vec<&str> = self.registry.stages().collect();
                let problem = format!("expected the kind of a stage, one of: {}", kinds.join(", "));
                return Err(error(&format!("stages[{i}].kind"), problem));
            };
            let at = format!("model.stages[{i}].");
            let mut section = Section::new(at, kind, keys, self.init, self.norm);
            section.get::<String>("kind")?;
            let stage = self.registry.read_stage(&mut section)?;
            section.end(&[])?;
            Ok(stage)
        };
        self.stages.iter().enumerate().map(read).collect()
    }
}

/// At least one name a task, each once.
fn distinct(key: &str, fields: &BTreeMap<String, Vec<String>>) -> Result<()> {
    for (task, names) in fields {
        let problem = match (0..names.len()).find(|&i| names[..i].contains(&names[i])) {
            Some(i) => format!("{:?} is named twice", names[i]),
            None if names.is_empty() => "expected at least one field, found an empty list".to_owned(),
            None => continue,
        };
        return Err(error(&format!("{key}.{task}"), problem));
    }
    Ok(())
}

fn positive(key: &str, units: &[usize]) -> Result<()> {
    section::positive(units).map_err(|problem| error(key, problem))
}
