//! Which weights of another model a run starts from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where weights are taken from, and which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WarmStart {
    /// The folder of a run, whose best checkpoint is meant, of a checkpoint, or of a bundle.
    pub from: PathBuf,
    /// Patterns of the names that are taken, with `*` for any text; tables are `tables.NAME`. Default all.
    #[serde(default = "all")]
    pub take: Vec<String>,
    /// Beginnings of names here, and what they are there, such as `towers.share.` and `towers.like.`. Default none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// Take the optimizer's state over too. Default false: it starts anew.
    #[serde(default)]
    pub optimizer: bool,
    /// Fail if a name or an input that is to be taken is missing there or has another shape. Default false: it starts fresh.
    #[serde(default)]
    pub strict: bool,
    /// How inputs that the other model knows are scaled. Default `keep`.
    #[serde(default, skip_serializing_if = "WarmScaling::keeps")]
    pub scaling: WarmScaling,
}

/// How a run that begins from another model scales the inputs which that model knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WarmScaling {
    /// As there: its weights are for such numbers. The edges of buckets, too, stay those of there. The default.
    #[default]
    Keep,
    /// Anew, on the training rows, as without a warm start.
    Fit,
}

impl WarmScaling {
    /// Whether it stays that of the other model.
    pub(crate) fn keeps(&self) -> bool {
        *self == Self::Keep
    }
}

impl WarmStart {
    /// All that another run or bundle has, scaled as there; what is missing starts fresh.
    pub fn new(from: impl Into<PathBuf>) -> Self {
        Self {
            from: from.into(),
            take: all(),
            rename: BTreeMap::new(),
            optimizer: false,
            strict: false,
            scaling: WarmScaling::Keep,
        }
    }

    /// What `name` is called there.
    pub(crate) fn there(&self, name: &str) -> String {
        let renamed = self.rename.iter().filter(|(here, _)| name.starts_with(here.as_str()));
        match renamed.max_by_key(|(here, _)| here.len()) {
            Some((here, there)) => format!("{there}{}", &name[here.len()..]),
            None => name.to_owned(),
        }
    }
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}
