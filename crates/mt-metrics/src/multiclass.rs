//! All metrics of a task with several classes at once.

use crate::auc;
use crate::weights::{Present, count, mean, total};
use serde::Serialize;

/// Metrics of one multiclass task on one set of rows; `None` (`null` in JSON) where undefined.
///
/// All are undefined if there is a NaN among the probabilities, a label that is no class, or a weight that is negative or not
/// finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MulticlassSummary {
    /// Number of rows, without those of weight 0.
    pub rows: usize,
    /// The sum of their weights, where these differ; rows then count by weight in all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Number of classes.
    pub classes: usize,
    /// Mean of -ln(probability of the class that came), in nats, probabilities cut to `[ε, 1 - ε]` as in
    /// [`log_loss`](crate::log_loss).
    pub log_loss: Option<f64>,
    /// The share of rows whose most probable class (of equal ones the first) came.
    pub accuracy: Option<f64>,
    /// The mean of the classes' one-against-the-rest [`auc`](crate::auc()), all classes alike, over the `auc_classes`
    /// that have one.
    pub macro_auc: Option<f64>,
    /// Classes with an AUC: those that came, unless only one did.
    pub auc_classes: usize,
}

/// Computes every field of [`MulticlassSummary`], of `probabilities` `(n, classes)`, row-major, and `n` labels.
///
/// A label is the index of its class, from 0. One class is ranked at a time, so it takes O(n) memory, 16 bytes a row, 24 with
/// weights.
///
/// # Panics
/// If `probabilities` does not hold `classes` values for each label, or there is not one weight for each.
pub fn multiclass_summary(
    probabilities: &[f32],
    labels: &[f32],
    classes: usize,
    weights: Option<&[f32]>,
) -> MulticlassSummary {
    assert_eq!(probabilities.len(), labels.len() * classes, "each label needs {classes} probabilities");
    let undefined = MulticlassSummary {
        rows: labels.len(),
        classes,
        weight: None,
        log_loss: None,
        accuracy: None,
        macro_auc: None,
        auc_classes: 0,
    };
    let Some(present) = Present::new(weights, labels.len()) else { return undefined };
    let (probabilities, labels) = (present.of_wide(probabilities, classes), present.of(labels));
    let weights = present.weights();
    let undefined = MulticlassSummary { rows: labels.len(), weight: total(weights), ..undefined };
    let nan = probabilities.iter().any(|probability| probability.is_nan());
    let indices: Option<Vec<usize>> = labels.iter().map(|&label| class(label, classes)).collect();
    let Some(indices) = indices.filter(|indices| !nan && !indices.is_empty()) else { return undefined };
    let rows = || probabilities.chunks_exact(classes).zip(&indices);
    let loss =
        rows().map(|(row, &index)| -f64::from(row[index].clamp(f32::EPSILON, 1.0 - f32::EPSILON)).ln());
    let right = rows().map(|(row, &index)| {
        let beaten = |(other, p): (usize, &f32)| *p < row[index] || (*p == row[index] && other >= index);
        row.iter().enumerate().all(beaten)
    });
    let aucs: Vec<f64> = (0..classes)
        .filter_map(|class| {
            let scores: Vec<f32> = probabilities[class..].iter().step_by(classes).copied().collect();
            let came: Vec<f32> = indices.iter().map(|&index| f32::from(u8::from(index == class))).collect();
            auc(&scores, &came, weights)
        })
        .collect();
    MulticlassSummary {
        log_loss: mean(loss, weights),
        accuracy: Some(count(right, weights) / undefined.weight.unwrap_or(labels.len() as f64)),
        macro_auc: (!aucs.is_empty()).then(|| aucs.iter().sum::<f64>() / aucs.len() as f64),
        auc_classes: aucs.len(),
        ..undefined
    }
}

/// The class a label names; `None` if it is none.
pub(crate) fn class(label: f32, classes: usize) -> Option<usize> {
    let index = label as usize;
    (index < classes && index as f32 == label).then_some(index)
}
