//! A model that is served.

use std::sync::{Mutex, OnceLock, PoisonError};

use candle_core::Device;
use mt_bundle::{Contents, Manifest, Predictions, Predictor};
use mt_features::{Formula, RawRows, TaskKind};
use mt_models::{Registry, Task};
use prometheus_client::metrics::counter::Counter;
use serde_json::Value as Json;

use super::source::{Found, state};
use crate::error::{Error, Result};

/// One version of a model.
#[derive(Debug)]
pub(crate) struct Model {
    pub found: Found,
    pub version: String,
    pub predictor: Predictor,
    /// What it predicts, in order: the tasks, and the heads without a label.
    pub predicted: Vec<Task>,
    /// What its predictions are called, in order: a task's name, of a multiclass one with `.CLASS` behind it.
    pub names: Vec<String>,
    /// By task, what stands before its predictions in JSON, and where they are in a row.
    pub keys: Vec<(Vec<u8>, std::ops::Range<usize>)>,
    /// The final score of requests that give none.
    pub score: Option<Formula>,
    /// Counters of its fields, once there was a request.
    pub fields: OnceLock<Vec<[Counter; 3]>>,
    /// Buffers that no request uses.
    spare: Mutex<Vec<Buffers>>,
}

/// What a request is computed in.
#[derive(Debug)]
pub(crate) struct Buffers {
    pub rows: RawRows,
    pub predictions: Predictions,
}

impl Model {
    pub fn load(found: Found, score: Option<&str>, registry: &Registry) -> Result<Self> {
        let fail = |source| Error::Model { name: found.name.clone(), source: Box::new(source) };
        let damaged = |problem: &str| {
            fail(mt_bundle::Error::File { path: found.dir.clone(), problem: problem.to_owned() })
        };
        let manifest = found.dir.join(Manifest::FILE);
        let Some(files) = Manifest::find(&found.dir).map_err(fail)? else {
            return Err(damaged("is no bundle; `mt export` makes one of a run"));
        };
        // The tables, too: of a file that was changed in place, size and recorded rows may be the same.
        files.verify(&found.dir).map_err(fail)?;
        let version = match found.version {
            Some(version) => version.to_string(),
            // Every other file's hash is in the manifest, so it names the content. 48 bits tell versions apart.
            None => Contents::of(&manifest).map_err(fail)?.sha256[..12].to_owned(),
        };
        let predictor = Predictor::load_with(&found.dir, &Device::Cpu, registry).map_err(fail)?;
        if state(&found.dir).ok().as_ref() != Some(&found.state) {
            return Err(damaged("was changed while it was loaded"));
        }
        let (mut names, mut keys) = (Vec::new(), Vec::new());
        let predicted = predictor.signature().schema.predicted();
        for Task { name, kind, .. } in &predicted {
            let start = names.len();
            match kind {
                TaskKind::Multiclass { classes } => {
                    names.extend((0..*classes).map(|c| format!("{name}.{c}")))
                }
                _ => names.push(name.clone()),
            }
            let before = if start == 0 { '{' } else { ',' };
            keys.push((format!("{before}{}:", Json::from(name.as_str())).into_bytes(), start..names.len()));
        }
        let score = score.map(|text| Formula::parse(text, &names)).transpose();
        let score = score.map_err(|source| Error::Score { name: found.name.clone(), source })?;
        Ok(Self {
            found,
            version,
            predictor,
            predicted,
            names,
            keys,
            score,
            fields: OnceLock::new(),
            spare: Mutex::default(),
        })
    }

    pub fn name(&self) -> &str {
        &self.found.name
    }

    /// Lends buffers without rows.
    pub fn with_buffers<T>(&self, work: impl FnOnce(&mut Buffers) -> T) -> T {
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = spare().pop();
        let new = || Buffers { rows: self.predictor.rows(), predictions: Predictions::default() };
        let mut buffers = taken.unwrap_or_else(new);
        let done = work(&mut buffers);
        buffers.rows.clear();
        spare().push(buffers);
        done
    }
}
