//! The folder of a run.
//!
//! ```text
//! config.yaml            the configuration with all overrides
//! metrics.jsonl          one JSON object a line: training progress and epochs
//! checkpoints/epoch-003  one folder an epoch, the last few and the best
//! best.json              which epoch is best so far, and by what
//! summary.json           written at the end
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use mt_models::{write_file, write_json};
use serde::{Deserialize, Serialize};

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
        if run.config_path().exists() || run.checkpoints().exists() {
            return Err(Error::RunExists { path: path.to_owned() });
        }
        let checkpoints = run.checkpoints();
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

    /// The checkpoint that an interruption leaves, in the middle of an epoch.
    pub fn interrupted(&self) -> PathBuf {
        self.checkpoints().join("interrupted")
    }

    /// Epochs whose checkpoints exist, ascending.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn epochs(&self) -> Result<Vec<usize>> {
        let dir = self.checkpoints();
        let mut epochs = Vec::new();
        for entry in fs::read_dir(&dir).map_err(io(&dir, "list the checkpoints"))? {
            let name = entry.map_err(io(&dir, "list the checkpoints"))?.file_name();
            epochs.extend(
                name.to_str().and_then(|n| n.strip_prefix("epoch-")).and_then(|n| n.parse::<usize>().ok()),
            );
        }
        epochs.sort_unstable();
        Ok(epochs)
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
        let text = fs::read(&path).map_err(io(&path, "read the best epoch"))?;
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| Error::File { path, problem: error.to_string() })
    }

    pub(crate) fn set_best(&self, best: Best) -> Result<()> {
        Ok(write_json(&self.path.join("best.json"), &best)?)
    }

    /// Removes all checkpoints but the last `keep` and the best.
    pub(crate) fn prune(&self, keep: usize, best: Option<Best>) -> Result<()> {
        let epochs = self.epochs()?;
        for &epoch in epochs.iter().rev().skip(keep) {
            if best.is_none_or(|best| best.epoch != epoch) {
                let path = self.checkpoint(epoch);
                fs::remove_dir_all(&path).map_err(io(&path, "remove an old checkpoint"))?;
            }
        }
        Ok(())
    }

    /// Writes a file of results into the folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_summary(&self, summary: &impl Serialize) -> Result<()> {
        Ok(write_json(&self.path.join("summary.json"), summary)?)
    }

    pub(crate) fn log(&self) -> Result<Log> {
        let path = self.path.join("metrics.jsonl");
        let file =
            OpenOptions::new().create(true).append(true).open(&path).map_err(io(&path, "open the log"))?;
        Ok(Log { path, file })
    }
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
