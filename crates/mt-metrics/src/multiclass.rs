//! All metrics of a task with several classes at once.

use crate::auc;
use serde::Serialize;

/// Metrics of one multiclass task on one set of rows; `None` (`null` in JSON) where undefined.
///
/// All are undefined if there is a NaN among the probabilities, or a label that is no class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MulticlassSummary {
    /// Number of rows.
    pub rows: usize,
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
/// A label is the index of its class, from 0. One class is ranked at a time, so it takes O(n) memory, 16 bytes a row.
///
/// # Panics
/// If `probabilities` does not hold `classes` values for each label.
pub fn multiclass_summary(probabilities: &[f32], labels: &[f32], classes: usize) -> MulticlassSummary {
    assert_eq!(probabilities.len(), labels.len() * classes, "each label needs {classes} probabilities");
    let nan = probabilities.iter().any(|probability| probability.is_nan());
    let rows = labels.len();
    let undefined =
        MulticlassSummary { rows, classes, log_loss: None, accuracy: None, macro_auc: None, auc_classes: 0 };
    let indices: Option<Vec<usize>> = labels.iter().map(|&label| class(label, classes)).collect();
    let Some(indices) = indices.filter(|indices| !nan && !indices.is_empty()) else { return undefined };
    let (mut loss, mut right) = (0.0, 0_usize);
    for (row, &index) in probabilities.chunks_exact(classes).zip(&indices) {
        loss -= f64::from(row[index].clamp(f32::EPSILON, 1.0 - f32::EPSILON)).ln();
        let beaten = |(other, p): (usize, &f32)| *p < row[index] || (*p == row[index] && other >= index);
        right += usize::from(row.iter().enumerate().all(beaten));
    }
    let aucs: Vec<f64> = (0..classes)
        .filter_map(|class| {
            let scores: Vec<f32> = probabilities[class..].iter().step_by(classes).copied().collect();
            let came: Vec<f32> = indices.iter().map(|&index| f32::from(u8::from(index == class))).collect();
            auc(&scores, &came)
        })
        .collect();
    MulticlassSummary {
        log_loss: Some(loss / rows as f64),
        accuracy: Some(right as f64 / rows as f64),
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
