//! Which checkpoint a run goes on from.

use std::path::PathBuf;

use mt_data::Encoders;
use mt_models::Signature;

use crate::checkpoint::verify;
use crate::error::{Error, Result};
use crate::run::RunDir;

/// The newest whole checkpoint of a run; those that are newer and damaged are named.
#[derive(Debug)]
pub(crate) struct Newest {
    /// `None` if there is no whole one.
    pub path: Option<PathBuf>,
    /// What is wrong with each that is newer.
    pub damaged: Vec<String>,
}

/// Finds it, for data with these encoders.
///
/// # Errors
/// [`Error::Vocabulary`] if the checkpoint's tables mean other values.
pub(crate) fn newest(run: &RunDir, encoders: &Encoders) -> Result<Newest> {
    let mut damaged = Vec::new();
    for path in run.newest_first()? {
        if let Err(error) = verify(&path) {
            damaged.push(with_cause(&error));
            continue;
        }
        let (checkpoint, data) = (Signature::read(&path)?.encoders.fingerprint(), encoders.fingerprint());
        if checkpoint != data {
            return Err(Error::Vocabulary { path, checkpoint, data });
        }
        return Ok(Newest { path: Some(path), damaged });
    }
    Ok(Newest { path: None, damaged })
}

fn with_cause(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
