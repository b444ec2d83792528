//! The folder of a run.
//!
//! ```text
//! config.yaml            the configuration with all overrides
//! metrics.jsonl          one JSON object a line: training progress and epochs
//! checkpoints/epoch-003  one folder an epoch, the last few and the best
//! checkpoints/step-1200  in the middle of an epoch: the last two, until the epoch is over
//! best.json              which epoch is best so far, and by what
//! summary.json           written at the end
//! ```

use std::cmp::Reverse;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use mt_models::{read_json, remove_partial, write_file, write_json};
use serde::{Deserialize, Serialize};

use crate::checkpoint::read_state;
use crate::config::Config;
use crate::error::{Error, Result, io};

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch.
    pub epoch: usize,
    /// Its value of the chosen metric on the validation rows; `None` without validation rows.
    pub value: Option<f64>,
}

impl RunDir {
    /// Starts a run in a new or empty folder.
    ///
    /// # Errors
    /// [`Error::RunExists`] if it holds a run, [`Error::Io`] if it cannot be written.
    pub fn create(path: &Path, cfg: &Config) -> Result<Self> {
        let run = Self { path: path.to_owned() };
        let checkpoints = run.checkpoints();
        // An empty folder of checkpoints is what a run leaves that is killed before it has written anything.
        let begun = fs::read_dir(&checkpoints).is_ok_and(|mut entries| entries.next().is_some());
        if run.config_path().exists() || begun {
            return Err(Error::RunExists { path: path.to_owned() });
        }
        fs::create_dir_all(&checkpoints).map_err(io(&checkpoints, "create the run's folder"))?;
        write_file(&run.config_path(), cfg.to_yaml()?.as_bytes())?;
        Ok(run)
    }

    /// Opens the folder of an earlier run and reads its configuration.
    ///
    /// # Errors
    /// [`Error::NoRun`] if it holds none, and whatever is wrong with its configuration.
    pub fn open(path: &Path) -> Result<(Self, Config)> {
        let run = Self { path: path.to_owned() };
        if !run.config_path().exists() {
            return Err(Error::NoRun { path: path.to_owned() });
        }
        let cfg = Config::read(&run.config_path(), &[])?;
        Ok((run, cfg))
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

    /// All checkpoints, the newest first: by the step they hold, before them those that do not say it.
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
        Ok(Some(read_json(&path)?))
    }

    pub(crate) fn set_best(&self, best: Option<Best>) -> Result<()> {
        match best {
            Some(best) if self.best().ok().flatten() != Some(best) => {
                Ok(write_json(&self.path.join("best.json"), &best)?)
            }
            _ => Ok(()),
        }
    }

    /// Whether training has written anything.
    pub(crate) fn begun(&self) -> bool {
        self.path.join("metrics.jsonl").exists()
    }

    /// Removes all checkpoints of epochs but the last `keep` and the best, and all within an epoch but the last
    /// `keep_steps`.
    pub(crate) fn prune(&self, keep: usize, best: Option<Best>, keep_steps: usize) -> Result<()> {
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
        let path = self.path.join("metrics.jsonl");
        if path.exists() {
            let text = fs::read_to_string(&path).map_err(io(&path, "read the log"))?;
            let kept: String = text.split_inclusive('\n').filter(|line| is_before(line, step)).collect();
            if kept.len() != text.len() {
                write_file(&path, kept.as_bytes())?;
            }
        }
        let file =
            OpenOptions::new().create(true).append(true).open(&path).map_err(io(&path, "open the log"))?;
        Ok(Log { path, file })
    }
}

/// Whether a line of the log is whole and not about a step after `step`.
fn is_before(line: &str, step: u64) -> bool {
    /// The one thing that matters here.
    #[derive(Deserialize)]
    struct Line {
        step: Option<u64>,
    }
    serde_json::from_str(line).is_ok_and(|line: Line| line.step.is_none_or(|at| at <= step))
}

/// `metrics.jsonl`, one whole line a write.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    pub fn write(&mut self, event: &impl Serialize) -> Result<()> {
        let fail = |problem: String| Error::File { path: self.path.clone(), problem };
        let mut line = serde_json::to_vec(event).map_err(|error| fail(error.to_string()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(io(&self.path, "write the log"))
    }
}
