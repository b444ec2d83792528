//! Which checkpoint of another run one goes on from.

use std::path::{Path, PathBuf};

use mt_bundle::Signature;
use mt_models::Registry;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::extend;
use crate::origin::Origin;
use crate::run::RunDir;

impl Origin {
    /// The checkpoint that `from` means, for a run of the configuration `cfg`: the best epoch of a run in that folder, the last one
    /// without validation rows; or the checkpoint in that folder.
    ///
    /// # Errors
    /// [`Error::From`] if there is none, or the run is within an epoch, or a key differs that the model rests on; and for a damaged one.
    pub fn of(from: &Path, cfg: &Config, registry: &Registry) -> Result<Self> {
        let checkpoint = checkpoint(from)?;
        // RUN/checkpoints/NAME: its configuration says more of the model than the checkpoint does.
        let run = checkpoint.parent().and_then(Path::parent).unwrap_or(from);
        let (_, then) = RunDir::open_with(run, registry)?;
        extend::check_next(&then, cfg)?;
        Self::at(checkpoint)
    }
}

/// The folder of the checkpoint that `from` means.
fn checkpoint(from: &Path) -> Result<PathBuf> {
    if from.join(Signature::FILE).exists() {
        return Ok(from.to_owned());
    }
    let run = RunDir::find(from)?;
    let refuse = |problem: String| Err(Error::From { path: from.to_owned(), problem });
    if let Some(step) = run.steps()?.last() {
        let named = run.step(*step);
        return refuse(format!(
            "the run is within an epoch: end it with mt train --resume, or name a checkpoint, such as {}",
            named.display()
        ));
    }
    let epoch = match run.best()? {
        Some(best) => Some(best.epoch),
        None => run.epochs()?.last().copied(),
    };
    match epoch {
        Some(epoch) => Ok(run.checkpoint(epoch)),
        None => refuse("the run has no checkpoint yet".to_owned()),
    }
}
