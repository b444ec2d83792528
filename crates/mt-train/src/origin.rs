//! The checkpoint of another run that a run goes on from, so that each day of a log is a run of its own.

use std::path::{Path, PathBuf};

use mt_bundle::{Checksums, Contents, Signature, read_json, write_json};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{read_state, verify};
use crate::error::{Error, Result};

/// Where a run begins: weights, tables, optimizer, balance, scaling, encoders and the number of steps are those of this checkpoint.
///
/// The checkpoints of a run that begins so follow from it, the rows and the configuration alone, to the bit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Origin {
    /// The folder of the checkpoint.
    pub checkpoint: PathBuf,
    /// Steps done there.
    pub step: u64,
    /// SHA-256 of its list of checksums, which names all that is in it.
    pub sha256: String,
}

impl Origin {
    /// Name of the file in a run's folder that says what it went on from.
    pub(crate) const FILE: &str = "from.json";

    /// The whole checkpoint in this folder.
    ///
    /// # Errors
    /// If there is none, or a damaged one.
    pub(crate) fn at(checkpoint: PathBuf) -> Result<Self> {
        verify(&checkpoint)?;
        let (step, sha256) = (read_state(&checkpoint)?.step, digest(&checkpoint)?);
        Ok(Self { checkpoint, step, sha256 })
    }

    /// What the run in the folder `run` went on from, if from anything.
    pub(crate) fn find(run: &Path) -> Result<Option<Self>> {
        let path = run.join(Self::FILE);
        Ok(path.exists().then(|| read_json(&path)).transpose()?)
    }

    pub(crate) fn keep(&self, run: &Path) -> Result<()> {
        Ok(write_json(&run.join(Self::FILE), self)?)
    }

    /// The folder, found to be as it was.
    ///
    /// # Errors
    /// [`Error::From`] if it is gone or another one.
    pub(crate) fn verified(&self) -> Result<&Path> {
        let checkpoint = &self.checkpoint;
        if !checkpoint.join(Signature::FILE).exists() {
            return Err(self.refuse("is gone, and the run has no whole checkpoint of its own yet"));
        }
        verify(checkpoint)?;
        match digest(checkpoint)? == self.sha256 {
            true => Ok(checkpoint),
            false => Err(self.refuse("is another one than the run went on from")),
        }
    }

    fn refuse(&self, problem: &str) -> Error {
        Error::From { path: self.checkpoint.clone(), problem: problem.to_owned() }
    }
}

fn digest(checkpoint: &Path) -> Result<String> {
    Ok(Contents::of(&checkpoint.join(Checksums::FILE))?.sha256)
}
