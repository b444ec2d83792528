//! Configurations: as written in YAML (or JSON), with overrides, and checked.

mod depth;
mod joint_losses;
mod locate;
mod losses;
mod propensity;
mod select;
mod selection;
mod text;
mod train;
mod warm_start;

use std::path::Path;

use mt_data::DataConfig;
use mt_features::{Head, TaskConfig};
use mt_layers::Norm;
use mt_models::{Facts, Inputs, ModelConfig, Registry, fit_budget};
use serde::{Deserialize, Serialize};

use self::locate::Origin;
pub use self::propensity::PropensityConfig;
pub use self::select::{Select, SelectMetric};
pub use self::selection::Selection;
use self::train::known;
pub use self::train::{CheckpointConfig, TrainConfig};
pub use self::warm_start::{WarmScaling, WarmStart};
use crate::error::{Error, Result};

/// A whole run: what to read, what to predict, which network, how to train it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of this format: 1.
    pub version: u32,
    /// Name of the run in tables and folders. Default: the file's name.
    #[serde(default)]
    pub name: String,
    /// Where the rows come from.
    pub data: DataConfig,
    /// What is predicted.
    pub tasks: Vec<TaskConfig>,
    /// The network.
    pub model: ModelConfig,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainConfig,
}

/// Who reads a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Trainer,
    Predictor,
}

impl Config {
    /// Reads a configuration and applies `overrides` of the form `train.batch_size=64`.
    ///
    /// # Errors
    /// [`Error::ConfigFile`], or [`Error::Config`] with file, line, column and key, or with the override at fault.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        Self::read_with(path, overrides, &Registry::default())
    }

    /// As [`Config::read`], where networks, stages and losses may be those of `registry`.
    ///
    /// # Errors
    /// See [`Config::read`].
    pub fn read_with(path: &Path, overrides: &[String], registry: &Registry) -> Result<Self> {
        Self::read_for(Reader::Trainer, path, overrides, registry)
    }

    /// The configuration that a run or a bundle keeps, to predict: no loss need be one of `registry`.
    ///
    /// # Errors
    /// See [`Config::read`].
    pub fn read_kept(path: &Path, registry: &Registry) -> Result<Self> {
        Self::read_for(Reader::Predictor, path, &[], registry)
    }

    fn read_for(reader: Reader, path: &Path, overrides: &[String], registry: &Registry) -> Result<Self> {
        let unreadable = |source| Error::ConfigFile { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut cfg = Self::parse_for(reader, &text, &path.display().to_string(), overrides, registry)?;
        if cfg.name.is_empty() {
            cfg.name =
                path.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned());
        }
        Ok(cfg)
    }

    /// Reads a configuration from text; `origin` names it in errors.
    ///
    /// # Errors
    /// See [`Config::read`].
    pub fn parse(text: &str, origin: &str, overrides: &[String]) -> Result<Self> {
        Self::parse_with(text, origin, overrides, &Registry::default())
    }

    /// As [`Config::parse`], where networks, stages and losses may be those of `registry`.
    ///
    /// # Errors
    /// See [`Config::read`].
    pub fn parse_with(text: &str, origin: &str, overrides: &[String], registry: &Registry) -> Result<Self> {
        Self::parse_for(Reader::Trainer, text, origin, overrides, registry)
    }

    fn parse_for(
        reader: Reader,
        text: &str,
        origin: &str,
        overrides: &[String],
        registry: &Registry,
    ) -> Result<Self> {
        // A byte order mark, as some editors write, is no part of the first key.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut cfg: Self = text::parse(text, origin, overrides)?;
        cfg.model.registry = registry.clone();
        cfg.set_kinds();
        cfg.set_imputed();
        let origin = Origin { text, name: origin, overrides };
        cfg.check_at(&|key| origin.place(key), true)?;
        if reader == Reader::Trainer {
            cfg.check_losses(&|key| origin.place(key), true)?;
        }
        cfg.set_labels();
        Ok(cfg)
    }

    /// Checks what [`Config::read`] checks: ranges, and that the sections fit each other. Whoever takes a configuration
    /// does so, as it may have been made in Rust.
    ///
    /// # Errors
    /// [`Error::Config`], naming the key.
    pub fn check(&self) -> Result<()> {
        let place = |_: &str| "configuration".to_owned();
        self.check_at(&place, true)?;
        self.check_losses(&place, true)
    }

    /// The same for rows that are there already: where they come from need not be said.
    pub(crate) fn check_for_rows(&self) -> Result<()> {
        let DataConfig { csv, parquet, synth, .. } = &self.data;
        let sourced = csv.is_some() || parquet.is_some() || synth.is_some();
        let place = |_: &str| "configuration".to_owned();
        self.check_at(&place, sourced)?;
        self.check_losses(&place, sourced)
    }

    /// The same, where `place` says where a key was set, and `sourced` whether rows are to be read.
    fn check_at(&self, place: &dyn Fn(&str) -> String, sourced: bool) -> Result<()> {
        let cfg = self;
        let refuse = |key: &str, problem: String| Error::Config { at: place(key), problem };
        let check = |key: &str, good: bool, problem: String| match good {
            true => Ok(()),
            false => Err(refuse(key, format!("{key}: {problem}"))),
        };
        check("version", cfg.version == 1, format!("expected 1, found {}", cfg.version))?;
        // It names a folder, which must not be one outside.
        let folder = !cfg.name.contains(['/', '\\']) && !matches!(cfg.name.as_str(), "." | "..");
        check(
            "name",
            folder,
            format!("expected the name of a folder, without slashes, found {:?}", cfg.name),
        )?;
        cfg.train.check(&cfg.tasks, &check)?;
        for (key, good, problem) in cfg.train.balance.problems(&cfg.model, |name| known(&cfg.tasks, name)) {
            check(&format!("train.balance.{key}"), good, problem)?;
        }
        let model = |error: mt_models::Error| Error::Model(error).placed(place);
        let network = cfg.model.resolve().map_err(model)?;
        let alone = cfg.model.norm == Norm::Batch && cfg.train.batch_size == cfg.train.shards;
        let problem = "expected at least 2 rows a shard with model.norm: batch, found 1".to_owned();
        check("train.batch_size", !alone, problem)?;
        check_balance(cfg, network.facts(&[]), &check)?;
        let data = |error: mt_data::Error| match cfg.key(&error) {
            Some(key) => refuse(&key, error.to_string()),
            None => Error::Data(error),
        };
        let heads = mt_features::heads(&mt_features::tasks(&cfg.tasks).map_err(|error| data(error.into()))?);
        let names: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
        for (key, fields) in
            [("gate_fields", &cfg.model.gate_fields), ("tower_fields", &cfg.model.tower_fields)]
        {
            for head in fields.keys() {
                let problem = format!("there is no head {head:?}; the heads are {}", names.join(", "));
                check(&format!("model.{key}.{head}"), names.contains(&head.as_str()), problem)?;
            }
        }
        network.check(&names).map_err(model)?;
        if !sourced {
            return Ok(());
        }
        let embedded = cfg.model.embedding.is_none() || !cfg.data.fields.is_empty();
        check("model.embedding", embedded, "the data has no fields (data.fields)".into())?;
        cfg.data.check().map_err(data)
    }

    /// The key that an error of the data's or the tasks' checks is about; several joined by ` + `.
    fn key(&self, error: &mt_data::Error) -> Option<String> {
        use mt_data::Error as Data;
        use mt_features::Error as Feature;
        // Of two tasks with one name, the second is the mistake.
        let task = |name: &str| {
            let position = self.tasks.iter().rposition(|task| task.name == name);
            position.map(|i| format!("tasks[{i}].name"))
        };
        match error {
            Data::Setting { key, .. } | Data::Generator(mt_datasets::Error::Setting { key, .. }) => {
                Some((*key).to_owned())
            }
            Data::Source { .. } => Some("data.synth + data.parquet + data.csv".to_owned()),
            Data::Features(
                Feature::Entry { key, .. }
                | Feature::Prediction { key, .. }
                | Feature::TableEncodings { key, .. },
            ) => Some(key.clone()),
            Data::Features(Feature::NoTasks) => Some("tasks".to_owned()),
            Data::Features(Feature::DuplicateTask { name } | Feature::TaskName { name, .. }) => task(name),
            _ => None,
        }
    }

    /// The model section with the widths that its budget allows for this data.
    ///
    /// # Errors
    /// If the smallest such model is larger than the budget.
    pub fn sized_model(&self, inputs: impl Into<Inputs>, heads: &[Head]) -> Result<ModelConfig> {
        Ok(fit_budget(&self.model, inputs, heads)?)
    }

    /// The configuration as YAML; without the feature `yaml`, as JSON, which YAML contains.
    ///
    /// # Errors
    /// If a value has no YAML form, which cannot happen for one that was read.
    pub fn to_yaml(&self) -> Result<String> {
        text::write(self)
    }
}

/// Whether the tasks can be balanced so, and gates held to use their experts evenly.
fn check_balance(
    cfg: &Config,
    network: Facts,
    check: &dyn Fn(&str, bool, String) -> Result<()>,
) -> Result<()> {
    let (share, kind) = (cfg.train.load_balance, cfg.train.balance.kind);
    let good = share.is_finite() && share >= 0.0;
    check("train.load_balance", good, format!("expected a number from 0, found {share}"))?;
    let has_gates = !network.levels.is_empty();
    let problem = format!("{} has no experts", cfg.model.kind);
    check("train.load_balance", has_gates || share == 0.0, problem)?;
    let problem =
        format!("{kind} weighs gradients of the tasks' losses alone, which train.load_balance is not in");
    check("train.balance.kind", !kind.of_gradients() || share == 0.0, problem)
}
