//! The model section of a configuration: as written, and resolved.

use std::collections::BTreeMap;
use std::fmt;

use mt_layers::{Initializer, Norm, Storage};
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::{CgcConfig, MmoeConfig, PleConfig, SharedBottomConfig, SingleTaskConfig};

/// The model section as written. Which keys apply depends on `kind`; [`ModelConfig::resolve`] checks that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The network.
    pub kind: ModelKind,
    /// Units of each layer of the bottom (`shared-bottom`, `single-task`). Default `[128]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bottom: Option<Vec<usize>>,
    /// Number of experts (`mmoe`). Default 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts: Option<usize>,
    /// Experts of each task (`cgc`, `ple`). Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts_per_task: Option<usize>,
    /// Experts shared by all tasks (`cgc`, `ple`). Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_experts: Option<usize>,
    /// Units of each layer of an expert (`mmoe`, `cgc`, `ple`). Default `[16]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expert: Option<Vec<usize>>,
    /// Hidden units of each gate (`mmoe`, `cgc`, `ple`). Default `[]`, a linear gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Vec<usize>>,
    /// Divides the gates' logits (`mmoe`, `cgc`, `ple`). Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Levels (`ple`): their number, or one entry a level that overrides the sizes above. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Levels>,
    /// Embedding tables of the data's fields. Default: 16 values a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<EmbeddingConfig>,
    /// Hidden units of each task's tower. Default `[8]`.
    #[serde(default = "default_tower")]
    pub tower: Vec<usize>,
    /// Fields and numeric columns that a task's gate reads, of the first level, by task (`mmoe`, `cgc`, `ple`). Default: all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gate_fields: BTreeMap<String, Vec<String>>,
    /// Fields and numeric columns that a task's tower reads beside its stream, by task. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tower_fields: BTreeMap<String, Vec<String>>,
    /// Start values. Default `xavier`.
    #[serde(default)]
    pub init: Initializer,
    /// Normalisation of the hidden layers of bottoms, experts and towers. Default `none`.
    #[serde(default, skip_serializing_if = "Norm::is_none")]
    pub norm: Norm,
    /// Scale the units of `bottom` or `expert` so that the model has at most this many parameters. Default: as
    /// written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<usize>,
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

/// The networks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ModelKind {
    /// [`SharedBottom`](crate::SharedBottom).
    SharedBottom,
    /// [`SingleTask`](crate::SingleTask).
    SingleTask,
    /// [`Mmoe`](crate::Mmoe).
    Mmoe,
    /// [`Cgc`](crate::Cgc).
    Cgc,
    /// [`Ple`](crate::Ple).
    Ple,
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharedBottom => "shared-bottom",
            Self::SingleTask => "single-task",
            Self::Mmoe => "mmoe",
            Self::Cgc => "cgc",
            Self::Ple => "ple",
        })
    }
}

/// The levels of a PLE, as written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Levels {
    /// So many equal levels.
    Equal(usize),
    /// One entry a level, from the input up.
    Each(Vec<LevelConfig>),
}

impl Levels {
    fn count(&self) -> usize {
        match self {
            Self::Equal(n) => *n,
            Self::Each(levels) => levels.len(),
        }
    }
}

/// One level of a PLE; what it leaves out is taken from the model section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelConfig {
    /// Experts of each task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts_per_task: Option<usize>,
    /// Experts shared by all tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_experts: Option<usize>,
    /// Units of each layer of an expert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expert: Option<Vec<usize>>,
    /// Hidden units of each gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Vec<usize>>,
}

impl<'de> Deserialize<'de> for Levels {
    // By hand: serde's untagged enums lose the position and the reason of an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Levels;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number of levels or a list of levels")
            }

            fn visit_u64<E>(self, n: u64) -> std::result::Result<Levels, E> {
                Ok(Levels::Equal(n as usize))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> std::result::Result<Levels, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Levels::Each)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A network with all its sizes.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// One bottom for all tasks.
    SharedBottom(SharedBottomConfig),
    /// One bottom a task.
    SingleTask(SingleTaskConfig),
    /// Shared experts, one gate a task.
    Mmoe(MmoeConfig),
    /// Task and shared experts, one gate a task.
    Cgc(CgcConfig),
    /// Stacked levels of task and shared experts.
    Ple(PleConfig),
}

pub(crate) fn error(key: &str, problem: impl Into<String>) -> Error {
    Error::Config { key: format!("model.{key}"), problem: problem.into() }
}

impl ModelConfig {
    /// A model of this kind with all defaults.
    pub fn new(kind: ModelKind) -> Self {
        Self {
            kind,
            bottom: None,
            experts: None,
            experts_per_task: None,
            shared_experts: None,
            expert: None,
            gate: None,
            temperature: None,
            levels: None,
            embedding: None,
            tower: default_tower(),
            gate_fields: BTreeMap::new(),
            tower_fields: BTreeMap::new(),
            init: Initializer::default(),
            norm: Norm::None,
            budget: None,
        }
    }

    /// Fills in defaults and checks every value and that every key applies to this kind of model.
    ///
    /// # Errors
    /// [`Error::Config`], naming the key.
    pub fn resolve(&self) -> Result<Architecture> {
        self.check_keys()?;
        positive("tower", &self.tower)?;
        distinct("gate_fields", &self.gate_fields)?;
        distinct("tower_fields", &self.tower_fields)?;
        if let Some(EmbeddingConfig { width, widths, .. }) = &self.embedding {
            positive("embedding.width", &[*width])?;
            for (table, width) in widths {
                positive(&format!("embedding.widths.{table}"), &[*width])?;
            }
        }
        let bottom = self.bottom.clone().unwrap_or_else(|| vec![128]);
        layers("bottom", &bottom)?;
        let (gate, init, norm) = (self.gate.clone().unwrap_or_default(), self.init, self.norm);
        positive("gate", &gate)?;
        let temperature = self.temperature.unwrap_or(1.0);
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(error("temperature", format!("expected a number above 0, found {temperature}")));
        }
        let expert = self.expert.clone().unwrap_or_else(|| vec![16]);
        layers("expert", &expert)?;
        within("experts_per_task", 0, self.experts_per_task.unwrap_or(2))?;
        within("shared_experts", 0, self.shared_experts.unwrap_or(2))?;
        Ok(match self.kind {
            ModelKind::SharedBottom => Architecture::SharedBottom(SharedBottomConfig { bottom, init, norm }),
            ModelKind::SingleTask => Architecture::SingleTask(SingleTaskConfig { bottom, init, norm }),
            ModelKind::Mmoe => {
                let experts = self.experts.unwrap_or(8);
                within("experts", 1, experts)?;
                Architecture::Mmoe(MmoeConfig { experts, expert, gate, temperature, init, norm })
            }
            ModelKind::Cgc => Architecture::Cgc(self.level(&LevelConfig::default(), "")?),
            ModelKind::Ple => {
                let levels = self.levels.clone().unwrap_or(Levels::Equal(2));
                within("levels", 1, levels.count())?;
                let levels = match levels {
                    Levels::Equal(n) => vec![LevelConfig::default(); n],
                    Levels::Each(levels) => levels,
                };
                let level = |(l, level)| self.level(level, &format!("levels[{l}]."));
                Architecture::Ple(PleConfig {
                    levels: levels.iter().enumerate().map(level).collect::<Result<_>>()?,
                })
            }
        })
    }

    fn level(&self, level: &LevelConfig, at: &str) -> Result<CgcConfig> {
        let cfg = CgcConfig {
            experts_per_task: level.experts_per_task.or(self.experts_per_task).unwrap_or(2),
            shared_experts: level.shared_experts.or(self.shared_experts).unwrap_or(2),
            expert: level.expert.clone().or(self.expert.clone()).unwrap_or_else(|| vec![16]),
            gate: level.gate.clone().or(self.gate.clone()).unwrap_or_default(),
            temperature: self.temperature.unwrap_or(1.0),
            init: self.init,
            norm: self.norm,
        };
        layers(&format!("{at}expert"), &cfg.expert)?;
        positive(&format!("{at}gate"), &cfg.gate)?;
        within(&format!("{at}experts_per_task"), 0, cfg.experts_per_task)?;
        within(&format!("{at}shared_experts"), 0, cfg.shared_experts)?;
        if cfg.experts_per_task + cfg.shared_experts == 0 {
            return Err(error(
                &format!("{at}experts_per_task"),
                "expected at least one expert of a task or shared",
            ));
        }
        Ok(cfg)
    }

    /// Refuses keys that this kind of model would silently ignore.
    fn check_keys(&self) -> Result<()> {
        use ModelKind::{Cgc, Mmoe, Ple, SharedBottom, SingleTask};
        let bottoms: &[ModelKind] = &[SharedBottom, SingleTask];
        let experts: &[ModelKind] = &[Mmoe, Cgc, Ple];
        let keys = [
            ("bottom", self.bottom.is_some(), bottoms),
            ("experts", self.experts.is_some(), &[Mmoe]),
            ("experts_per_task", self.experts_per_task.is_some(), &[Cgc, Ple]),
            ("shared_experts", self.shared_experts.is_some(), &[Cgc, Ple]),
            ("expert", self.expert.is_some(), experts),
            ("gate", self.gate.is_some(), experts),
            ("temperature", self.temperature.is_some(), experts),
            ("levels", self.levels.is_some(), &[Ple]),
            ("gate_fields", !self.gate_fields.is_empty(), experts),
        ];
        let applies = |kinds: &[ModelKind]| kinds.contains(&self.kind);
        for (key, present, kinds) in keys {
            if present && !applies(kinds) {
                let own: Vec<_> =
                    keys.iter().filter(|(_, _, kinds)| applies(kinds)).map(|(key, ..)| *key).collect();
                let own = own.join(", ");
                return Err(error(
                    key,
                    format!(
                        "{} has no such key; it takes {own}, embedding, tower, tower_fields, init, norm, budget",
                        self.kind
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn within(key: &str, least: usize, found: usize) -> Result<()> {
    if (least..=MAX_COUNT).contains(&found) {
        return Ok(());
    }
    Err(error(key, format!("expected {least} to {MAX_COUNT}, found {found}")))
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
    match units.iter().position(|&u| u == 0 || u > MAX_UNITS) {
        Some(i) => Err(error(key, format!("expected 1 to {MAX_UNITS} units, found {}", units[i]))),
        None => Ok(()),
    }
}

fn layers(key: &str, units: &[usize]) -> Result<()> {
    if units.is_empty() {
        return Err(error(key, "expected at least one layer, found an empty list"));
    }
    positive(key, units)
}

/// More units in a layer than this is a typing mistake, and would exhaust memory before anything is said.
const MAX_UNITS: usize = 65_536;

/// Likewise for experts and levels: published models have tens of the first and two or three of the second.
const MAX_COUNT: usize = 1024;
