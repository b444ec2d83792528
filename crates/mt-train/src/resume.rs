//! Which checkpoint a run goes on from, and whether the data is still its own.

use std::path::{Path, PathBuf};

use mt_bundle::Signature;
use mt_data::Dataset;

use crate::checkpoint::{State, read_identity, verify};
use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::run::RunDir;

/// The newest whole checkpoint of a run; those that are newer and damaged are named.
#[derive(Debug)]
pub(crate) struct Newest {
    /// `None` if there is no whole one.
    pub path: Option<PathBuf>,
    /// Whether it is that of another run, which this one goes on from.
    pub foreign: bool,
    /// What is wrong with each that is newer.
    pub damaged: Vec<String>,
}

/// Finds it; before the run has one of its own, that of the run it goes on from.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn newest(run: &RunDir) -> Result<Newest> {
    let mut damaged = Vec::new();
    for path in run.newest_first()? {
        match verify(&path) {
            Ok(()) => return Ok(Newest { path: Some(path), foreign: false, damaged }),
            Err(error) => damaged.push(with_cause(&error)),
        }
    }
    let origin = Origin::find(run.path())?;
    let path = origin.as_ref().map(|origin| origin.verified().map(Path::to_owned)).transpose()?;
    Ok(Newest { foreign: path.is_some(), path, damaged })
}

/// What a checkpoint is about to go on with.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// In what the rows differ from those before, where the run may be extended.
    pub changed: Vec<String>,
    /// Whether the checkpoint does not say what its rows were.
    pub unknown: bool,
    /// Whether those to train on, and those to choose the best epoch on, may be others.
    train: bool,
    valid: bool,
}

impl Rows {
    /// Compares the data with what the checkpoint in `path`, with this signature, was trained on. Columns, scaling and
    /// encoders must be the same in any case; the rows, too, unless the run `extends`.
    ///
    /// # Errors
    /// [`Error::OtherData`] with all that differs.
    pub fn compare(path: &Path, signature: &Signature, data: &Dataset, extends: bool) -> Result<Self> {
        let Signature { schema, normalizer, encoders, .. } = signature;
        let mut differences = schema.differences(&data.schema);
        let mut found = Self::default();
        // Of other columns, the rest would only repeat that.
        if differences.is_empty() {
            match read_identity(path)? {
                Some(then) => {
                    found.changed = then.differences(&data.identity, schema);
                    (found.train, found.valid) =
                        (then.train != data.identity.train, then.valid != data.identity.valid);
                }
                None => (found.unknown, found.train, found.valid) = (true, true, true),
            }
            if !extends {
                differences.append(&mut found.changed);
            }
            if differences.is_empty() {
                differences = normalizer.differences(&data.normalizer, &schema.numeric);
                differences.extend(encoders.differences(&data.encoders));
            }
        }
        match differences.is_empty() {
            true => Ok(found),
            false => Err(Error::OtherData { path: path.to_owned(), differences: differences.into() }),
        }
    }

    /// Makes `state`, of another run, the beginning of one on these rows.
    pub fn begin(state: State) -> State {
        State { epoch: 0, rows: 0, selected: Vec::new(), retired: 0, before: state.step, ..state }
    }

    /// Makes `state` one to go on from with these rows: what was begun or judged on others does not count. Says what that is.
    pub fn take_over(&self, state: &mut State, extends: bool) -> Vec<String> {
        let mut said = self.changed.clone();
        if self.train && extends && state.rows > 0 {
            state.rows = 0;
            said.push(format!("epoch {} begins anew, on other training rows", state.epoch + 1));
        }
        if self.valid && extends && state.epoch > 0 {
            state.retired = state.selected.len();
            said.push(format!(
                "epochs up to {} were judged on other validation rows: the best is sought from here on",
                state.epoch
            ));
        }
        said
    }
}

fn with_cause(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
