//! The folder of a run.
//!
//! ```text
//! config.yaml            the configuration with all overrides, and its checksum
//! metrics.jsonl          one JSON object a line: training progress and epochs
//! checkpoints/epoch-003  one folder an epoch, the last few and the best
//! checkpoints/step-1200  in the middle of an epoch: the last two, until the epoch is over
//! best.json              which epoch is best so far, and by what, and the checksum of that
//! summary.json           written at the end
//! from.json              the checkpoint of another run that it goes on from, if it does
//! .lock                  locked by the process that trains, see [`Owner`]
//! ```

use std::cmp::Reverse;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mt_bundle::{read_json, remove_partial, write_file, write_json};
use mt_models::Registry;
use serde::Serialize;

use crate::best::Best;
use crate::checkpoint::{read_state, verify};
use crate::config::Config;
use crate::error::{Error, Result, io};
use crate::extend;
use crate::log::Log;
use crate::origin::Origin;
use crate::owner::Owner;
use crate::seal::{SealedBest, check_seal, sealed};

/// A run's folder. One that was made or is [resumed](RunDir::resume) belongs to this process until all clones are dropped.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
    owner: Option<Arc<Owner>>,
    extends: bool,
}

impl RunDir {
    /// Starts a run in a new or empty folder, and owns it.
    ///
    /// # Errors
    /// [`Error::RunExists`] if it holds a run, [`Error::Owned`] if another process is about to begin one there, [`Error::Io`]
    /// if it cannot be written.
    pub fn create(path: &Path, cfg: &Config) -> Result<Self> {
        Self::make(path, cfg, None)
    }

    fn make(path: &Path, cfg: &Config, origin: Option<&Origin>) -> Result<Self> {
        let mut run = Self { path: path.to_owned(), owner: None, extends: false };
        run.check_free()?;
        let checkpoints = run.checkpoints();
        fs::create_dir_all(&checkpoints).map_err(io(&checkpoints, "create the run's folder"))?;
        run.owner = Some(Arc::new(Owner::take(path)?));
        // Another process may have begun one, and ended, meanwhile.
        run.check_free()?;
        // What another process may have left that was killed before there was a run.
        remove(&path.join(Origin::FILE))?;
        if let Some(origin) = origin {
            origin.keep(path)?;
        }
        run.write_config(cfg)?;
        Ok(run)
    }

    /// As [`RunDir::create`], of a run that goes on from the checkpoint of another; [`load_from`](crate::load_from) reads its rows.
    /// That checkpoint is needed until the run has one of its own.
    ///
    /// # Errors
    /// As [`RunDir::create`].
    pub fn create_from(path: &Path, cfg: &Config, origin: &Origin) -> Result<Self> {
        Self::make(path, cfg, Some(origin))
    }

    /// As [`RunDir::create`], or with an origin [`RunDir::create_from`], in the first of `base`, `base-2`, `base-3`, … in which there is nothing.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn create_next(base: &Path, cfg: &Config, origin: Option<&Origin>) -> Result<Self> {
        loop {
            match Self::make(&Self::next_free(base), cfg, origin) {
                // Another process was quicker: its folder is there now.
                Err(Error::RunExists { .. } | Error::Owned { .. }) => {}
                other => return other,
            }
        }
    }

    fn check_free(&self) -> Result<()> {
        // An empty folder of checkpoints is what a run leaves that is killed before it has written anything.
        let begun = fs::read_dir(self.checkpoints()).is_ok_and(|mut entries| entries.next().is_some());
        if self.config_path().exists() || begun {
            return Err(Error::RunExists { path: self.path.clone() });
        }
        Ok(())
    }

    /// Opens the folder of an earlier run, to look at it, and reads its configuration.
    ///
    /// # Errors
    /// [`Error::NoRun`] if it holds none, and whatever is wrong with its configuration.
    pub fn open(path: &Path) -> Result<(Self, Config)> {
        Self::open_with(path, &Registry::default())
    }

    /// As [`RunDir::open`], of a run whose network is one of `registry`; its losses need not be, as predictions need none.
    ///
    /// # Errors
    /// As [`RunDir::open`].
    pub fn open_with(path: &Path, registry: &Registry) -> Result<(Self, Config)> {
        let run = Self::find(path)?;
        let config = Config::read_kept(&run.config_path(), registry)?;
        Ok((run, config))
    }

    /// The folder of an earlier run, to look for its checkpoints, whatever network it is of.
    ///
    /// # Errors
    /// [`Error::NoRun`] if it holds none, and [`Error::ConfigFile`] for a configuration that is not as it was written.
    pub fn find(path: &Path) -> Result<Self> {
        let run = Self { path: path.to_owned(), owner: None, extends: false };
        let config = run.config_path();
        if !config.exists() {
            return Err(Error::NoRun { path: path.to_owned() });
        }
        let text = fs::read(&config).map_err(|source| Error::ConfigFile { path: config.clone(), source })?;
        check_seal(&config, &String::from_utf8_lossy(&text))?;
        Ok(run)
    }

    /// As [`RunDir::open`], to go on with the run: this process owns the folder.
    ///
    /// # Errors
    /// As [`RunDir::open`], and [`Error::Owned`] if another process trains there.
    pub fn resume(path: &Path) -> Result<(Self, Config)> {
        Self::resume_with(path, &Registry::default())
    }

    /// As [`RunDir::resume`], of a run whose network, stages and losses are those of `registry`.
    ///
    /// # Errors
    /// As [`RunDir::resume`].
    pub fn resume_with(path: &Path, registry: &Registry) -> Result<(Self, Config)> {
        let kept = || {
            let run = Self::find(path)?;
            let cfg = Config::read_with(&run.config_path(), &[], registry)?;
            Ok::<_, Error>((run, cfg))
        };
        let owner = Some(kept()?.0.own()?);
        // What it says now that nobody else can change it.
        let (run, cfg) = kept()?;
        Ok((Self { owner, ..run }, cfg))
    }

    /// As [`RunDir::resume`], to go on for longer or with other rows: `overrides` of its configuration are kept there once
    /// training has begun. Columns, scaling and encoders stay those of its newest checkpoint.
    ///
    /// # Errors
    /// As [`RunDir::resume`], and [`Error::Extend`] for an override that a run cannot change.
    pub fn extend(path: &Path, overrides: &[String]) -> Result<(Self, Config)> {
        Self::extend_with(path, overrides, &Registry::default())
    }

    /// As [`RunDir::extend`], of a run whose network, stages and losses are those of `registry`.
    ///
    /// # Errors
    /// As [`RunDir::extend`].
    pub fn extend_with(path: &Path, overrides: &[String], registry: &Registry) -> Result<(Self, Config)> {
        let (run, then) = Self::resume_with(path, registry)?;
        let now = Config::read_with(&run.config_path(), overrides, registry)?;
        extend::check(&then, &now)?;
        Ok((Self { extends: true, ..run }, now))
    }

    /// As [`RunDir::resume_with`], or with overrides [`RunDir::extend_with`], for one of several ranks that is not the first: it owns
    /// nothing, and writes nothing.
    ///
    /// # Errors
    /// As there, but for [`Error::Owned`].
    pub fn follow(
        path: &Path,
        overrides: Option<&Vec<String>>,
        registry: &Registry,
    ) -> Result<(Self, Config)> {
        let run = Self::find(path)?;
        let none = Vec::new();
        let cfg = Config::read_with(&run.config_path(), overrides.unwrap_or(&none), registry)?;
        Ok((Self { extends: overrides.is_some(), ..run }, cfg))
    }

    /// Whether the run may go on with other rows.
    pub(crate) fn extends(&self) -> bool {
        self.extends
    }

    /// Keeps the configuration of a run that is extended, in place of the one before.
    pub(crate) fn keep_extended(&self, cfg: &Config) -> Result<()> {
        match self.extends {
            true => self.write_config(cfg),
            false => Ok(()),
        }
    }

    fn write_config(&self, cfg: &Config) -> Result<()> {
        Ok(write_file(&self.config_path(), sealed(&cfg.to_yaml()?).as_bytes())?)
    }

    /// Makes this process the owner for as long as what comes out is kept, unless it is already.
    ///
    /// # Errors
    /// [`Error::Owned`] if another process trains there.
    pub(crate) fn own(&self) -> Result<Arc<Owner>> {
        match &self.owner {
            Some(owner) => Ok(owner.clone()),
            None => Owner::take(&self.path).map(Arc::new),
        }
    }

    /// Why the folder could not be locked, where its file system knows no locks: then two processes may write into it.
    pub fn unlocked(&self) -> Option<&str> {
        self.owner.as_deref().and_then(Owner::problem)
    }

    /// The first of `base`, `base-2`, `base-3`, … that does not exist.
    pub fn next_free(base: &Path) -> PathBuf {
        let name = base.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let numbered = (2..).map(|n| base.with_file_name(format!("{name}-{n}")));
        std::iter::once(base.to_owned())
            .chain(numbered)
            .find(|path| !path.exists())
            .unwrap_or_else(|| base.to_owned())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn config_path(&self) -> PathBuf {
        self.path.join("config.yaml")
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The checkpoint of an epoch.
    pub fn checkpoint(&self, epoch: usize) -> PathBuf {
        self.checkpoints().join(format!("epoch-{epoch:03}"))
    }

    /// The checkpoint of a step in the middle of an epoch.
    pub fn step(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step}"))
    }

    /// Epochs whose checkpoints exist, ascending.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn epochs(&self) -> Result<Vec<usize>> {
        Ok(self.numbered("epoch-")?.into_iter().map(|epoch| epoch as usize).collect())
    }

    /// Steps in the middle of an epoch whose checkpoints exist, ascending. A run that ended by itself has none.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>> {
        self.numbered("step-")
    }

    /// Numbers of the checkpoints whose names begin like this, ascending.
    fn numbered(&self, prefix: &str) -> Result<Vec<u64>> {
        let dir = self.checkpoints();
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&dir).map_err(io(&dir, "list the checkpoints"))? {
            let name = entry.map_err(io(&dir, "list the checkpoints"))?.file_name();
            numbers.extend(
                name.to_str().and_then(|n| n.strip_prefix(prefix)).and_then(|n| n.parse::<u64>().ok()),
            );
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// All checkpoints, the newest first: by the step they hold, before them those whose state is damaged.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn newest_first(&self) -> Result<Vec<PathBuf>> {
        let steps = self.steps()?.into_iter().map(|step| self.step(step));
        let epochs = self.epochs()?.into_iter().map(|epoch| self.checkpoint(epoch));
        let mut all: Vec<PathBuf> = epochs.chain(steps).collect();
        all.sort_by_cached_key(|path| {
            let step = read_state(path).ok().map(|state| state.step);
            (step.is_some(), Reverse(step))
        });
        Ok(all)
    }

    /// The best epoch so far, if one was evaluated.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn best(&self) -> Result<Option<Best>> {
        let path = self.path.join("best.json");
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(read_json::<SealedBest>(&path)?.open(&path)?))
    }

    /// Names of the checkpoints that are as they were written, the newest first. Reads all of them through.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn whole(&self) -> Result<Vec<String>> {
        let whole = self.newest_first()?.into_iter().filter(|path| verify(path).is_ok());
        Ok(whole.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    pub(crate) fn set_best(&self, best: Option<Best>) -> Result<()> {
        match best {
            Some(best) if self.best().ok().flatten() != Some(best) => {
                Ok(write_json(&self.path.join("best.json"), &SealedBest::from(best))?)
            }
            _ => Ok(()),
        }
    }

    /// Whether there is something to go on from: training has written anything, or another run's checkpoint is.
    pub(crate) fn begun(&self) -> bool {
        ["metrics.jsonl", Origin::FILE].iter().any(|file| self.path.join(file).exists())
    }

    /// Removes all checkpoints of epochs but the last `keep` and the best, and all within an epoch but the last
    /// `keep_steps`.
    pub(crate) fn prune(&self, keep: usize, best: Option<Best>, keep_steps: usize) -> Result<()> {
        // Of an extended run, until one of its epochs is better, what was the best before.
        let best = best.or(self.best().ok().flatten());
        let epochs = self.epochs()?.into_iter().rev().skip(keep);
        let epochs = epochs.filter(|epoch| best.is_none_or(|best| best.epoch != *epoch));
        let steps = self.steps()?.into_iter().rev().skip(keep_steps);
        for path in epochs.map(|epoch| self.checkpoint(epoch)).chain(steps.map(|step| self.step(step))) {
            fs::remove_dir_all(&path).map_err(io(&path, "remove an old checkpoint"))?;
        }
        Ok(())
    }

    /// Removes what is left of files and folders that were being written when a run was killed.
    pub(crate) fn remove_partial(&self) -> Result<()> {
        remove_partial(&self.path)?;
        Ok(remove_partial(&self.checkpoints())?)
    }

    /// Writes a file of results into the folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_summary(&self, summary: &impl Serialize) -> Result<()> {
        Ok(write_json(&self.path.join("summary.json"), summary)?)
    }

    /// The log, without what was written about steps after `step`: a run that goes on from there writes it again.
    pub(crate) fn log(&self, step: u64) -> Result<Log> {
        Log::open(self.path.join("metrics.jsonl"), step)
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io(path, "remove")(error)),
        _ => Ok(()),
    }
}
