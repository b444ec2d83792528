//! Rows recorded with a bundle, which must come out the same wherever it is loaded.

use std::path::Path;

use mt_layers::simd;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::disk::io;
use crate::error::{Error, Result};
use crate::json::push_json;
use crate::predictor::Predictor;

/// Raw rows and their predictions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    /// The instruction set: where it is the same, so are the predictions, to the bit.
    instructions: String,
    rows: Vec<Map<String, Json>>,
    /// Predictions of each row; null for one that is infinite.
    predictions: Vec<Vec<Option<f32>>>,
}

/// What may differ on another instruction set or device, where products are added in another order: the networks'
/// float32 sums of some hundred terms differ by a few units in the last place, and device products may round factors to
/// 11 bits.
const TOLERANCE: f32 = 1e-3;

impl Recorded {
    /// Name of the file.
    pub const FILE: &str = "check.json";

    /// Predicts `rows`.
    pub fn new(rows: Vec<Map<String, Json>>, predictor: &Predictor) -> Result<Self> {
        let predictions = predict(&rows, predictor)?;
        Ok(Self { instructions: simd::instructions(), rows, predictions })
    }

    /// Reads those of the bundle in `dir`.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(Self::FILE);
        let text = std::fs::read(&path).map_err(io(&path, "read the recorded rows"))?;
        serde_json::from_slice(&text).map_err(|error| Error::File { path, problem: error.to_string() })
    }

    /// Checks that they come out as they were recorded.
    pub fn check(&self, dir: &Path, predictor: &Predictor) -> Result<()> {
        let fail = |problem: String| Error::File { path: dir.join(Self::FILE), problem };
        let found = predict(&self.rows, predictor).map_err(|error| fail(error.to_string()))?;
        if found.len() != self.predictions.len() {
            return Err(fail(format!("{} predictions of {} rows", self.predictions.len(), found.len())));
        }
        let exact = self.instructions == simd::instructions() && predictor.device().is_cpu();
        let same = |a: &Option<f32>, b: &Option<f32>| match (a, b) {
            (Some(a), Some(b)) if exact => a.to_bits() == b.to_bits(),
            (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * b.abs().max(1.0),
            (a, b) => a.is_none() && b.is_none(),
        };
        for (row, (found, expected)) in found.iter().zip(&self.predictions).enumerate() {
            if found.len() != expected.len() || !found.iter().zip(expected).all(|(a, b)| same(a, b)) {
                return Err(fail(format!(
                    "row {row} is predicted as {found:?}, recorded are {expected:?}: weights, tables or this build \
                     are not those of the bundle"
                )));
            }
        }
        Ok(())
    }
}

fn predict(rows: &[Map<String, Json>], predictor: &Predictor) -> Result<Vec<Vec<Option<f32>>>> {
    let mut raw = predictor.rows();
    rows.iter().try_for_each(|row| push_json(&mut raw, row))?;
    let predictions = predictor.predict_rows(&raw)?;
    let finite = |p: &f32| p.is_finite().then_some(*p);
    let row = |row: &[f32]| row.iter().map(finite).collect();
    Ok(predictions.values().chunks_exact(predictor.width()).map(row).collect())
}
