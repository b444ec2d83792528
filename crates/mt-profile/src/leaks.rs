//! Inputs that give an answer away: features and fields from which alone a label can be read off.

use std::collections::BTreeMap;

use mt_features::{DenseRows, Numeric, Schema, Table, fields::Ids};
use rayon::prelude::*;

/// Rows looked at: an AUC of 0.99 is then known to about 0.001.
const SAMPLE: usize = 5_000;
/// An honest input alone is far below this AUC.
const SUSPICIOUS: f64 = 0.99;
/// Fewer positives or negatives in the sample say nothing.
const FEWEST: usize = 20;
/// A value seen so often counts half its own mean, half the task's: rare values would look like answers.
const SMOOTHING: f64 = 5.0;

/// An input that seems to hold a task's label.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Leak {
    /// Name of the numeric column or the field.
    pub input: String,
    /// Name of the task.
    pub task: String,
    /// What was found.
    pub evidence: Evidence,
}

/// Why an input is suspected.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Evidence {
    /// It is the label, up to shift and scale, on all rows looked at.
    Equal,
    /// Ordering rows by it alone, up or down, gives this AUC.
    Auc(f64),
}

impl std::fmt::Display for Leak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Leak { input, task, evidence } = self;
        match evidence {
            Evidence::Equal => write!(f, "input \"{input}\" is the label of task \"{task}\""),
            Evidence::Auc(auc) => write!(f, "input \"{input}\" alone gives AUC {auc:.4} on task \"{task}\""),
        }
    }
}

/// Looks for inputs that give a label away, on up to 5,000 evenly spaced rows of `table`.
///
/// A numeric feature does if it equals the label up to shift and scale, or, for a binary task, alone gives an AUC
/// above 0.99. A field does if, for a binary task, the mean label of its values in one half of the rows gives such
/// an AUC in the other half; of a list, the mean over its values. Rows without label are left out, and so are tasks
/// with fewer than 20 positives or negatives among the rows.
pub fn leaks(table: &Table, schema: &Schema) -> Vec<Leak> {
    let step = table.len().div_ceil(SAMPLE).max(1);
    let rows: Vec<u32> = (0..table.len() as u32).step_by(step).collect();
    let sample = table.gather(&rows);
    let tasks = sample.tasks;
    let entries = Entries::of(&sample.numeric);
    let mut leaks = Vec::new();
    for (number, task) in schema.tasks.iter().enumerate().take(tasks) {
        let present: Vec<usize> =
            (0..rows.len()).filter(|row| sample.mask[row * tasks + number] > 0.0).collect();
        let labels: Vec<f32> = present.iter().map(|row| sample.labels[row * tasks + number]).collect();
        let binary = task.kind.is_binary();
        if !is_enough(&labels, binary) {
            continue;
        }
        let mut found = |input: &String, evidence: Option<Evidence>| {
            let leak = |evidence| Leak { input: input.clone(), task: task.name.clone(), evidence };
            leaks.extend(evidence.map(leak));
        };
        let ends = extremes(&labels);
        let of_column = |column: usize| {
            let values = entries.values(column, &present);
            let equal = is_linear(&values, &labels, ends).then_some(Evidence::Equal);
            equal.or_else(|| suspicious(&values, &labels).filter(|_| binary))
        };
        let evidence: Vec<_> = (0..schema.numeric.len()).into_par_iter().map(of_column).collect();
        schema.numeric.iter().zip(evidence).for_each(|(name, evidence)| found(name, evidence));
        for (field, ids) in schema.fields.iter().zip(&sample.fields).filter(|_| binary) {
            found(&field.name, target_encoding(ids, &present, &labels));
        }
    }
    leaks
}

/// As [`leaks`] looks at a numeric column: `values` and `labels` of the same rows.
pub(crate) fn is_leak_of_number(values: &[f32], labels: &[f32], binary: bool) -> Option<Evidence> {
    if !is_enough(labels, binary) {
        return None;
    }
    let equal = is_linear(values, labels, extremes(labels)).then_some(Evidence::Equal);
    equal.or_else(|| suspicious(values, labels).filter(|_| binary))
}

/// As [`leaks`] looks at a field of a binary task: `labels` are those of the rows `rows` of `ids`.
pub(crate) fn is_leak_of_values(ids: &Ids, rows: &[usize], labels: &[f32]) -> Option<Evidence> {
    if is_enough(labels, true) { target_encoding(ids, rows, labels) } else { None }
}

/// Whether so many labels say something.
fn is_enough(labels: &[f32], binary: bool) -> bool {
    let positives = labels.iter().filter(|&&label| label > 0.0).count();
    let few = binary && (positives < FEWEST || labels.len() - positives < FEWEST);
    !few && labels.len() >= 2 * FEWEST
}

/// Numeric values, each column's together: a search for it in each row took a tenth of a second with 499 columns.
enum Entries<'a> {
    Dense(&'a DenseRows),
    /// A column's rows and values, where they are not zero.
    Sparse {
        rows: usize,
        columns: Vec<Vec<(u32, f32)>>,
    },
}

impl<'a> Entries<'a> {
    fn of(numeric: &'a Numeric) -> Self {
        let sparse = match numeric {
            Numeric::Dense(dense) => return Entries::Dense(dense),
            Numeric::Sparse(sparse) => sparse,
        };
        let mut columns = vec![Vec::new(); sparse.width];
        for row in 0..sparse.rows() {
            let (of_row, values) = sparse.row(row);
            let entries = of_row.iter().zip(values);
            entries.for_each(|(&column, &value)| columns[column as usize].push((row as u32, value)));
        }
        Entries::Sparse { rows: sparse.rows(), columns }
    }

    /// A column's values on the rows `rows`.
    fn values(&self, column: usize, rows: &[usize]) -> Vec<f32> {
        match self {
            Entries::Dense(dense) => rows.iter().map(|&row| dense.row(row)[column]).collect(),
            Entries::Sparse { rows: all, columns } => {
                let mut values = vec![0.0; *all];
                columns[column].iter().for_each(|&(row, value)| values[row as usize] = value);
                if rows.len() < *all { rows.iter().map(|&row| values[row]).collect() } else { values }
            }
        }
    }
}

/// The rows with the lowest and the highest label.
fn extremes(labels: &[f32]) -> (usize, usize) {
    let extreme = |better: fn(&f32, &f32) -> bool| {
        labels
            .iter()
            .enumerate()
            .fold(0, |best, (i, label)| if better(label, &labels[best]) { i } else { best })
    };
    (extreme(|a, b| a < b), extreme(|a, b| a > b))
}

/// Whether `values` are `labels` times a factor other than 0 plus a shift, up to rounding; `low` and `high` are the
/// labels' [`extremes`].
fn is_linear(values: &[f32], labels: &[f32], (low, high): (usize, usize)) -> bool {
    let span = f64::from(labels[high]) - f64::from(labels[low]);
    let rise = f64::from(values[high]) - f64::from(values[low]);
    if span == 0.0 || rise == 0.0 {
        return false;
    }
    // Normalisation rounds to `f32` once or twice.
    let tolerance = 1e-5 * rise.abs();
    values.iter().zip(labels).all(|(&value, &label)| {
        let expected = f64::from(values[low]) + rise * (f64::from(label) - f64::from(labels[low])) / span;
        (f64::from(value) - expected).abs() <= tolerance
    })
}

fn suspicious(scores: &[f32], labels: &[f32]) -> Option<Evidence> {
    let auc = mt_metrics::auc(scores, labels, None)?;
    let auc = auc.max(1.0 - auc);
    (auc > SUSPICIOUS).then_some(Evidence::Auc(auc))
}

/// The AUC, on every second row, of the mean label that a field's values have on the others.
fn target_encoding(ids: &Ids, rows: &[usize], labels: &[f32]) -> Option<Evidence> {
    let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    let (mut positive, mut all) = (0.0, 0.0);
    let (learn, check): (Vec<_>, Vec<_>) =
        rows.iter().zip(labels).enumerate().partition(|(number, _)| number % 2 == 0);
    for (_, (&row, &label)) in learn {
        (positive, all) = (positive + f64::from(label), all + 1.0);
        for &id in ids.of(row) {
            let (sum, count) = sums.entry(id).or_default();
            (*sum, *count) = (*sum + f64::from(label), *count + 1.0);
        }
    }
    let mean = positive / f64::max(all, 1.0);
    let of_value = |id: &u32| {
        let (sum, count) = sums.get(id).copied().unwrap_or_default();
        (sum + SMOOTHING * mean) / (count + SMOOTHING)
    };
    let of_row = |row: usize| match ids.of(row) {
        [] => mean,
        ids => ids.iter().map(of_value).sum::<f64>() / ids.len() as f64,
    };
    let scores: Vec<f32> = check.iter().map(|(_, (row, _))| of_row(**row) as f32).collect();
    let labels: Vec<f32> = check.iter().map(|(_, (_, label))| **label).collect();
    let auc = mt_metrics::auc(&scores, &labels, None)?;
    (auc > SUSPICIOUS).then_some(Evidence::Auc(auc))
}
