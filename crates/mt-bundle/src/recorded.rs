//! Rows recorded with a bundle, which must come out the same wherever it is loaded.

use std::path::Path;

use mt_kernels::simd;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::check::Check;
use crate::disk::io;
use crate::error::{Error, Result};
use crate::json::push_json;
use crate::predictor::Predictor;

/// Raw rows and their predictions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    /// The instruction set they were computed with.
    instructions: String,
    rows: Vec<Map<String, Json>>,
    /// Predictions of each row; null for one that is infinite.
    predictions: Vec<Vec<Option<f32>>>,
}

/// What may differ on the CPU, where only the order of sums and fused products does: with another instruction set, or as
/// products are cut by the sizes of the caches. Sums of some hundred terms differ by a few units in the last place, 1e-6;
/// layers and exponentials multiply that by what logits and scales are worth.
const ALLOWED: f64 = 1e-4;

/// On another device, whose products may round factors to 11 bits.
const ALLOWED_ON_DEVICE: f64 = 1e-3;

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
    pub fn check(self, dir: &Path, predictor: &Predictor) -> Result<Check> {
        let fail = |problem: String| Error::File { path: dir.join(Self::FILE), problem };
        let found = predict(&self.rows, predictor).map_err(|error| fail(error.to_string()))?;
        if found.len() != self.predictions.len() {
            return Err(fail(format!("{} predictions of {} rows", self.predictions.len(), found.len())));
        }
        let allowed = if predictor.device().is_cpu() { ALLOWED } else { ALLOWED_ON_DEVICE };
        let scales = scales(&self.predictions, predictor.width());
        let (mut exact, mut largest) = (true, 0.0f64);
        for (row, (found, expected)) in found.iter().zip(&self.predictions).enumerate() {
            let difference = difference(found, expected, &scales).filter(|d| *d <= allowed);
            let Some(difference) = difference else {
                return Err(fail(format!(
                    "row {row} is predicted as {found:?}, recorded are {expected:?}, of which rounding explains \
                     {allowed:.0e}: weights, tables or this build are not those of the bundle"
                )));
            };
            exact &= found == expected;
            largest = largest.max(difference);
        }
        let (difference, recorded, here) = (largest, self.instructions, simd::instructions());
        Ok(if exact { Check::Exact } else { Check::Rounded { difference, allowed, recorded, here } })
    }
}

/// The largest magnitude of each prediction over the rows: what its rounding is measured by, as a value near zero may be
/// the difference of large ones.
fn scales(predictions: &[Vec<Option<f32>>], width: usize) -> Vec<f32> {
    let of = |column: usize| {
        let values = predictions.iter().filter_map(|row| row.get(column).copied().flatten());
        values.fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()))
    };
    (0..width).map(of).collect()
}

/// The largest difference of a row's predictions in `scales`; `None` where one of the two is not finite, or missing.
fn difference(found: &[Option<f32>], expected: &[Option<f32>], scales: &[f32]) -> Option<f64> {
    if found.len() != expected.len() {
        return None;
    }
    found.iter().zip(expected).zip(scales).try_fold(0.0f64, |largest, ((found, expected), scale)| {
        match (found, expected) {
            (Some(a), Some(b)) => {
                Some(largest.max((f64::from(*a) - f64::from(*b)).abs() / f64::from(*scale)))
            }
            (None, None) => Some(largest),
            _ => None,
        }
    })
}

fn predict(rows: &[Map<String, Json>], predictor: &Predictor) -> Result<Vec<Vec<Option<f32>>>> {
    let mut raw = predictor.rows();
    rows.iter().try_for_each(|row| push_json(&mut raw, row))?;
    let predictions = predictor.predict_rows(&raw)?;
    let finite = |p: &f32| p.is_finite().then_some(*p);
    let row = |row: &[f32]| row.iter().map(finite).collect();
    Ok(predictions.values().chunks_exact(predictor.width()).map(row).collect())
}
