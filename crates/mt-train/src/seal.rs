//! Small files of a run's folder that end with a checksum of their own, so that they change in one piece with it.

use std::path::Path;

use mt_bundle::Contents;
use serde::{Deserialize, Serialize};

use crate::best::Best;
use crate::error::{Error, Result};

/// What the last line of a sealed text begins with.
const SEAL: &str = "# sha256 of the lines above: ";

/// The text with its checksum as a comment behind it.
pub(crate) fn sealed(text: &str) -> String {
    format!("{text}{SEAL}{}\n", Contents::of_bytes(text.as_bytes()).sha256)
}

/// Checks the text of the file `path` against the checksum at its end. One without, as earlier versions wrote it, passes.
///
/// # Errors
/// [`Error::File`] if it differs, with what to do about it.
pub(crate) fn check_seal(path: &Path, text: &str) -> Result<()> {
    let Some(at) = text.rfind(SEAL) else { return Ok(()) };
    if text == sealed(&text[..at]) {
        return Ok(());
    }
    let problem = "differs from the checksum at its end: it is damaged, or was edited after the run began. To go on with \
                   other settings, mt train --resume RUN --extend --set KEY=VALUE; to use it as it is, remove its last line";
    Err(Error::File { path: path.to_owned(), problem: problem.to_owned() })
}

/// `best.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedBest {
    epoch: usize,
    value: Option<f64>,
    /// SHA-256 of the two; earlier versions wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl From<Best> for SealedBest {
    fn from(best: Best) -> Self {
        Self { epoch: best.epoch, value: best.value, sha256: Some(checksum(best)) }
    }
}

impl SealedBest {
    /// What it says.
    ///
    /// # Errors
    /// [`Error::File`] if that differs from its checksum.
    pub fn open(self, path: &Path) -> Result<Best> {
        let best = Best { epoch: self.epoch, value: self.value };
        match self.sha256 {
            Some(sha256) if sha256 != checksum(best) => {
                let problem = "is damaged: it differs from its checksum".to_owned();
                Err(Error::File { path: path.to_owned(), problem })
            }
            _ => Ok(best),
        }
    }
}

fn checksum(best: Best) -> String {
    let bits = best.value.map_or(0, f64::to_bits);
    let text = format!("epoch {} value {} {bits:016x}", best.epoch, best.value.is_some());
    Contents::of_bytes(text.as_bytes()).sha256
}
