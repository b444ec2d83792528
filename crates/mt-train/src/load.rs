//! The data of a run, read as the model that is trained on it reads it.

use std::path::Path;

use mt_bundle::Signature;
use mt_data::{Dataset, Progress};
use mt_features::{Fit, Schema};

use crate::checkpoint::read_identity;
use crate::config::Config;
use crate::error::{Differences, Error, Result};
use crate::origin::Origin;
use crate::resume::{Newest, newest};
use crate::run::RunDir;
use crate::warm_start::donor;

/// Reads the data of a configuration for a `run` that begins or goes on.
///
/// A run that goes on takes columns, scaling and encoders from its newest whole checkpoint; nothing is fitted anew. One
/// that begins from another model ([`warm_start`](crate::TrainConfig::warm_start)) keeps that model's scaling of the inputs
/// it knows, unless told otherwise; one with [`data.fitted`](mt_data::DataConfig::fitted) takes all that was fitted for that
/// model. All others fit on their training rows, as [`Dataset::load`] does.
///
/// # Errors
/// [`Error::Fitted`] if a fit is not of these columns, [`Error::OtherData`] if columns are not those the run began with, and whatever is wrong with the data.
pub fn load(cfg: &Config, run: Option<&RunDir>, progress: &(dyn Fn(Progress) + Sync)) -> Result<Dataset> {
    let begun = run.filter(|run| run.begun()).map(newest).transpose()?;
    if let (Some(run), Some(Newest { path: Some(path), foreign, .. })) = (run, begun) {
        let signature = Signature::read(&path)?;
        if !foreign && !run.extends() {
            let Some(identity) = read_identity(&path)? else {
                // Nothing is known of its rows but what was fitted on them: that is done again, to be compared.
                return Ok(Dataset::load(&cfg.data, &cfg.tasks, progress)?);
            };
            let found = Dataset::schema(&cfg.data, &cfg.tasks)?;
            let then = Schema { numeric: identity.columns, ..signature.schema.clone() };
            let differences = then.differences(&found);
            if !differences.is_empty() {
                return Err(Error::OtherData { path, differences: differences.into() });
            }
        }
        return Ok(Dataset::load_with(&cfg.data, &cfg.tasks, Fit::As(signature.fitted()), progress)?);
    }
    if let Some(from) = &cfg.data.fitted {
        let signature = fitted(cfg, from)?;
        return Ok(Dataset::load_with(&cfg.data, &cfg.tasks, Fit::As(signature.fitted()), progress)?);
    }
    let donor = cfg.train.scaled_as().map(donor).transpose()?;
    let fit = donor.as_ref().map_or(Fit::Anew, |signature| Fit::Keep(signature.fitted()));
    Ok(Dataset::load_with(&cfg.data, &cfg.tasks, fit, progress)?)
}

/// Reads the data of a configuration for a run that goes on from another run's checkpoint, whose columns, scaling and encoders stay.
///
/// # Errors
/// As [`load`], and [`Error::From`] if the checkpoint has changed since.
pub fn load_from(cfg: &Config, origin: &Origin, progress: &(dyn Fn(Progress) + Sync)) -> Result<Dataset> {
    let signature = Signature::read(origin.verified()?)?;
    Ok(Dataset::load_with(&cfg.data, &cfg.tasks, Fit::As(signature.fitted()), progress)?)
}

/// The model in the folder `from`, whose columns the data must have, with the tasks of the configuration.
fn fitted(cfg: &Config, from: &Path) -> Result<Signature> {
    let refuse = |problem: String| Error::Fitted { path: from.to_owned(), problem };
    let mut signature = donor(from).map_err(|error| match error {
        Error::WarmStart { problem, .. } => refuse(problem),
        error => error,
    })?;
    signature.schema.tasks = mt_features::tasks(&cfg.tasks)?;
    let mut found = Dataset::schema(&cfg.data, &cfg.tasks)?;
    // Columns are found by name, wherever they stand.
    let place = |name: &String| signature.schema.numeric.iter().position(|own| own == name);
    found.numeric.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
    let differences = signature.schema.differences(&found);
    if !differences.is_empty() {
        return Err(refuse(format!("it was fitted on other columns: {}", Differences::from(differences))));
    }
    let (there, here) = (&signature.missing, cfg.data.missing_policy());
    if *there != here {
        return Err(refuse(format!("missing values were {there:?} there, and are {here:?}")));
    }
    Ok(signature)
}
