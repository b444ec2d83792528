//! Losses of a batch and their gradient in one pass over the logits.

use super::rows::{Rows, losses_and_slopes};
use super::term::LossTerm;
use crate::chunks::CHUNK;

/// Sums of the masked losses of all tasks; adds the gradient of their weighted means to the zeros of `gradient`, which is as the
/// `logits` `(B, L)`. `labels` and `mask` are `(B, T)`, `counts` the sums of the mask of each task: one without a label has a loss
/// and a gradient of 0.
pub fn losses_and_gradient(
    terms: &[LossTerm],
    labels: &[f32],
    mask: &[f32],
    counts: &[f32],
    logits: &[f32],
    gradient: &mut [f32],
) -> Vec<f64> {
    let columns = terms.iter().map(|term| term.logits).sum();
    let (mut sums, mut at) = (vec![0f64; terms.len()], 0);
    for (t, (sum, &count)) in sums.iter_mut().zip(counts).enumerate() {
        // Without a label the gradient stays 0.
        if count > 0.0 {
            *sum = task((terms, t), (labels, mask), count, (logits, gradient), (at, columns));
        }
        at += terms[t].logits;
    }
    sums
}

/// Sum of the masked losses of task `t`, whose logits start at column `at`; writes its columns of the gradient.
///
/// A chunk of rows at a time is laid out column by column, so that loops over rows vectorise.
fn task(
    (terms, t): (&[LossTerm], usize),
    (labels, mask): (&[f32], &[f32]),
    count: f32,
    (logits, gradient): (&[f32], &mut [f32]),
    (at, columns): (usize, usize),
) -> f64 {
    let (task, tasks) = (&terms[t], terms.len());
    let binary_pair = task.logits == 2 && task.kind.takes(1);
    // Of two logits of a binary task only the difference matters.
    let mut rows = Rows::new(if binary_pair { 1 } else { task.logits });
    let mut sum = 0.0;
    let (mut labels, mut masks) = (labels.chunks(CHUNK * tasks), mask.chunks(CHUNK * tasks));
    for (z, gradient) in logits.chunks(CHUNK * columns).zip(gradient.chunks_mut(CHUNK * columns)) {
        rows.count = z.len() / columns;
        column(labels.next().unwrap_or_default(), t, tasks, &mut rows.y);
        column(masks.next().unwrap_or_default(), t, tasks, &mut rows.mask);
        if binary_pair {
            for (to, row) in rows.z.iter_mut().zip(z.chunks_exact(columns)) {
                *to = row[at + 1] - row[at];
            }
        } else {
            for (c, to) in rows.z.chunks_exact_mut(CHUNK).enumerate() {
                column(z, at + c, columns, to);
            }
        }
        losses_and_slopes(task, count, &mut rows);
        for loss in &rows.losses[..rows.count] {
            sum += f64::from(*loss);
        }
        if binary_pair {
            for (row, slope) in gradient.chunks_exact_mut(columns).zip(&rows.slopes) {
                (row[at], row[at + 1]) = (-slope, *slope);
            }
        } else {
            for (c, slopes) in rows.slopes.chunks_exact(CHUNK).enumerate() {
                for (row, slope) in gradient.chunks_exact_mut(columns).zip(slopes) {
                    row[at + c] = *slope;
                }
            }
        }
    }
    sum
}

/// Column `at` of rows of so many `columns`.
fn column(rows: &[f32], at: usize, columns: usize, to: &mut [f32]) {
    for (to, row) in to.iter_mut().zip(rows.chunks_exact(columns)) {
        *to = row[at];
    }
}
