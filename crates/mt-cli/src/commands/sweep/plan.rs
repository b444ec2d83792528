//! What a sweep is to do, and its folder.
//!
//! ```text
//! config.yaml        the configuration that is varied, with all overrides
//! sweep.json         what is varied, and how
//! data.json          what its rows are
//! trials.jsonl       one finished trial a line
//! trials/007         the run of a trial, as of mt train
//! best.yaml, report.html, report.json
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mt_bundle::read_json;
use mt_data::Dataset;
use mt_features::Identity;
use mt_models::Registry;
use mt_train::{Config, Differences, Owner, RunDir, write_file, write_json};
use serde::{Deserialize, Serialize};

use super::draw::{combinations, overrides};
use super::record::Record;
use super::space::Dimension;
use crate::args::{MethodArg, SweepArgs, Usage};

/// Trials unless said otherwise.
const TRIALS: usize = 30;

/// `sweep.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    #[serde(skip)]
    pub folder: PathBuf,
    /// The configuration that is varied, as YAML.
    #[serde(skip)]
    base: String,
    /// What networks there are.
    #[serde(skip)]
    registry: Registry,
    pub over: Vec<Dimension>,
    pub method: MethodArg,
    /// Besides trial 0.
    pub trials: usize,
    pub seed: u64,
    pub grace: usize,
}

impl Plan {
    /// From the command line. Every value is checked: those of a list, both ends of a range, one key at a time.
    pub fn new(args: &SweepArgs, registry: &Registry) -> Result<Self> {
        let Some(config) = &args.config else { return Err(Usage("name a configuration".into()).into()) };
        let mut set = args.overrides.set.clone();
        set.extend(args.budget.map(|budget| format!("model.budget={budget}")));
        let base = Config::read_with(config, &set, registry)?;
        let over = &args.over;
        if let Some(i) = (1..over.len()).find(|&i| over[..i].iter().any(|other| other.key == over[i].key)) {
            return Err(Usage(format!("--over {} is given twice", over[i].key)).into());
        }
        let all = combinations(over);
        let trials = match (args.method, all, args.trials) {
            (MethodArg::Grid, None, _) => {
                return Err(
                    Usage("--method grid: a range of fractions has no end; give a list".into()).into()
                );
            }
            (MethodArg::Grid, _, Some(_)) => {
                return Err(Usage("--method grid tries all combinations, without --trials".into()).into());
            }
            (MethodArg::Grid, Some(all), None) => all,
            // There are no more to draw.
            (_, all, trials) => trials.map_or(TRIALS, usize::from).min(all.unwrap_or(usize::MAX)),
        };
        let folder =
            args.out.clone().unwrap_or_else(|| RunDir::next_free(&Path::new("sweeps").join(&base.name)));
        let plan = Self {
            folder,
            base: base.to_yaml()?,
            registry: registry.clone(),
            over: over.clone(),
            method: args.method,
            trials,
            seed: args.seed,
            grace: args.grace,
        };
        for dimension in over {
            for place in dimension.domain.ends() {
                // From the file, for its line and column.
                let with = [&set[..], &[dimension.set(place)]].concat();
                Config::read_with(config, &with, registry)
                    .with_context(|| format!("--over {}", String::from(dimension.clone())))?;
            }
        }
        if plan.sweep_path().exists() {
            let (found, asked) = (Self::open(&plan.folder, None, registry)?, plan.folder.display());
            if found != plan {
                return Err(Usage(format!("{asked}: holds another sweep; choose another --out")).into());
            }
        } else if plan.folder.join("config.yaml").exists() {
            return Err(Usage(format!("{}: holds a run; choose another --out", plan.folder.display())).into());
        }
        Ok(plan)
    }

    /// An earlier one, with another number of trials if that is said.
    pub fn open(folder: &Path, trials: Option<std::num::NonZeroUsize>, registry: &Registry) -> Result<Self> {
        let empty = Self {
            folder: folder.to_owned(),
            base: String::new(),
            registry: registry.clone(),
            over: Vec::new(),
            method: MethodArg::Grid,
            trials: 0,
            seed: 0,
            grace: 0,
        };
        if !empty.sweep_path().exists() {
            return Err(Usage(format!("{}: holds no sweep (no sweep.json)", folder.display())).into());
        }
        let read = |path: PathBuf| {
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let text = read(empty.sweep_path())?;
        let plan: Self =
            serde_json::from_str(&text).with_context(|| format!("{}", empty.sweep_path().display()))?;
        let base = read(empty.config_path())?;
        let trials = match (trials, plan.method) {
            (None, _) => plan.trials,
            (Some(_), MethodArg::Grid) => {
                return Err(Usage("--method grid tries all combinations, without --trials".into()).into());
            }
            (Some(trials), _) => trials.get().min(combinations(&plan.over).unwrap_or(usize::MAX)),
        };
        Ok(Self { folder: empty.folder, base, registry: empty.registry, trials, ..plan })
    }

    fn sweep_path(&self) -> PathBuf {
        self.folder.join("sweep.json")
    }

    fn config_path(&self) -> PathBuf {
        self.folder.join("config.yaml")
    }

    pub fn records_path(&self) -> PathBuf {
        self.folder.join("trials.jsonl")
    }

    /// Folder of a trial.
    pub fn trial_path(&self, trial: usize) -> PathBuf {
        self.folder.join("trials").join(format!("{trial:03}"))
    }

    /// Makes the folder, which then belongs to this process; the plan last, as it says that the rest is there.
    pub fn write(&self) -> Result<Owner> {
        std::fs::create_dir_all(self.folder.join("trials"))
            .with_context(|| format!("cannot create {}", self.folder.display()))?;
        let owner = Owner::take(&self.folder)?;
        write_file(&self.config_path(), self.base.as_bytes())?;
        write_json(&self.sweep_path(), self)?;
        Ok(owner)
    }

    /// Refuses other rows than those of the trials that are done; notes what they are before there are any.
    pub fn check_rows(&self, data: &Dataset) -> Result<()> {
        let path = self.folder.join("data.json");
        if !path.exists() {
            return Ok(write_json(&path, &data.identity)?);
        }
        let then: Identity = read_json(&path)?;
        let differences = Differences::from(then.differences(&data.identity, &data.schema));
        if differences.is_empty() {
            return Ok(());
        }
        let folder = self.folder.display();
        Err(Usage(format!(
            "{folder}: its trials were trained on other data: {differences}; choose another --out"
        ))
        .into())
    }

    /// What trial number `trial` sets, after those that are done; trial 0 nothing.
    pub fn overrides(&self, trial: usize, done: &[&Record]) -> Vec<String> {
        if trial == 0 {
            return Vec::new();
        }
        let sets: Vec<&[String]> = done.iter().map(|record| &record.set[..]).collect();
        overrides(&self.over, self.method, self.seed, trial, &sets)
    }

    /// The configuration with overrides.
    pub fn config(&self, set: &[String]) -> Result<Config> {
        Ok(Config::parse_with(&self.base, &self.config_path().display().to_string(), set, &self.registry)?)
    }

    /// Every value of a list and both ends of a range, one key at a time.
    pub fn each(&self, check: impl Fn(&Config) -> Result<()>) -> Result<()> {
        check(&self.config(&[])?)?;
        for dimension in &self.over {
            for place in dimension.domain.ends() {
                let set = dimension.set(place);
                self.config(std::slice::from_ref(&set)).and_then(|cfg| check(&cfg)).context(set)?;
            }
        }
        Ok(())
    }
}
