//! Losses of rows and their slopes in the logits, a chunk of rows of one task at a time.

use super::PADDLEREC_EPSILON;
use super::kind::LossKind;
use super::ordinal::ordinal_base;
use super::term::LossTerm;
use super::ziln::{HALF_LN_2_PI, LEAST_SIGMA};
use crate::chunks::CHUNK;
use crate::kernel;
use crate::simd::{exp, flushed, ln, ln_1p};

/// A chunk of rows of one task, column by column.
pub struct Rows {
    /// Rows in use, up to `CHUNK`.
    pub count: usize,
    /// Logits `(outputs, CHUNK)`.
    pub z: Vec<f32>,
    /// Labels.
    pub y: [f32; CHUNK],
    /// Weights of the labels.
    pub mask: [f32; CHUNK],
    /// Out: masked losses.
    pub losses: [f32; CHUNK],
    /// Out: the gradient `(outputs, CHUNK)` of the task's weighted mean.
    pub slopes: Vec<f32>,
}

impl Rows {
    pub fn new(outputs: usize) -> Self {
        let [z, slopes] = [vec![0.0; outputs * CHUNK], vec![0.0; outputs * CHUNK]];
        let [y, mask, losses] = [[0.0; CHUNK]; 3];
        Self { count: 0, z, y, mask, losses, slopes }
    }
}

kernel! {
    /// Losses and slopes of the rows, of a task whose masks in all of the batch add up to `total`.
    pub fn losses_and_slopes(_simd: S, task: &LossTerm, total: f32, rows: &mut Rows) {
        let n = rows.count.min(CHUNK);
        let Rows { z, y, mask, losses, slopes, .. } = rows;
        // What is missing could be NaN, which no factor of 0 removes.
        for i in 0..n {
            y[i] = if mask[i] == 0.0 { 0.0 } else { y[i] };
        }
        for z in z.chunks_exact_mut(CHUNK) {
            for i in 0..n {
                z[i] = if mask[i] == 0.0 { 0.0 } else { z[i] };
            }
        }
        if task.kind == LossKind::LogMse {
            for i in 0..n {
                y[i] = task.kind.target(y[i]);
            }
        }
        // Chosen once for all rows; each loop is compiled for its kind.
        macro_rules! each {
            ($row:ident $(, $more:expr)?) => {{
                let (z, slopes) = (&z[..CHUNK], &mut slopes[..CHUNK]);
                for i in 0..n {
                    (losses[i], slopes[i]) = $row(z[i], y[i] $(, $more)?);
                }
            }};
        }
        match task.kind {
            LossKind::CrossEntropy => each!(cross_entropy),
            LossKind::PaddlerecLog => each!(paddlerec_log),
            LossKind::Focal { gamma } => each!(focal, gamma),
            LossKind::Product => product(n, z, y, losses, slopes),
            LossKind::Ziln => ziln(n, z, y, losses, slopes),
            LossKind::Ordinal { .. } => ordinal(n, z, y, losses, slopes),
            LossKind::Multiclass => multiclass(n, z, y, losses, slopes),
            LossKind::Mse | LossKind::LogMse => each!(squared),
            LossKind::Mae => each!(absolute),
            LossKind::Huber { delta } => each!(huber, delta),
            LossKind::Quantile { level } => each!(quantile, level),
            LossKind::WeightedLogistic => each!(weighted_logistic),
        }
        for i in 0..n {
            losses[i] *= mask[i];
        }
        for slopes in slopes.chunks_exact_mut(CHUNK) {
            for i in 0..n {
                slopes[i] = flushed(slopes[i] * mask[i] * task.weight / total);
            }
        }
    }
}

/// `e^-|z|`, which serves both the logarithm and the sigmoid, and the smaller of p and 1 - p, exact near 0.
#[inline(always)]
fn tails(z: f32) -> (f32, f32) {
    let small = exp(-z.abs());
    (small, small / (1.0 + small))
}

#[inline(always)]
fn cross_entropy(z: f32, y: f32) -> (f32, f32) {
    let (small, rest) = tails(z);
    let slope = if z >= 0.0 { (1.0 - y) - rest } else { rest - y };
    (z.max(0.0) - z * y + ln_1p(small), slope)
}

/// Cross-entropy of whether the label is above 0, 1, …, and the mean of these.
#[inline(always)]
fn ordinal(n: usize, z: &[f32], y: &[f32], losses: &mut [f32], slopes: &mut [f32]) {
    let (share, thresholds) = (CHUNK as f32 / z.len() as f32, z.len() / CHUNK);
    losses[..n].fill(0.0);
    for (k, (z, slopes)) in z.chunks_exact(CHUNK).zip(slopes.chunks_exact_mut(CHUNK)).enumerate() {
        let base = ordinal_base(k, thresholds);
        for i in 0..n {
            let (loss, slope) = cross_entropy(z[i] + base, f32::from(u8::from(y[i] > k as f32)));
            losses[i] += loss * share;
            slopes[i] = slope * share;
        }
    }
}

#[inline(always)]
fn paddlerec_log(z: f32, y: f32) -> (f32, f32) {
    let (_, rest) = tails(z);
    let (p, q) = both(z, rest);
    let e = PADDLEREC_EPSILON as f32;
    let (positive, negative) = (p + e, q + e);
    let slope = -y / positive + (1.0 - y) / negative;
    (-y * ln(positive) - (1.0 - y) * ln(negative), slope * p * q)
}

#[inline(always)]
fn focal(z: f32, y: f32, gamma: f32) -> (f32, f32) {
    let (one, other) = (focal_positive(z, gamma), focal_positive(-z, gamma));
    (y * one.0 + (1.0 - y) * other.0, y * one.1 - (1.0 - y) * other.1)
}

/// `-q^γ·ln p` of a positive with `q = 1 - p`, and its slope.
#[inline(always)]
fn focal_positive(z: f32, gamma: f32) -> (f32, f32) {
    let (small, rest) = tails(z);
    let (p, q) = both(z, rest);
    let tail = ln_1p(small);
    // -ln p, and q^γ by -ln q.
    let missed = (-z).max(0.0) + tail;
    let factor = exp(-gamma * (z.max(0.0) + tail));
    (factor * missed, -factor * (gamma * p * missed + q))
}

#[inline(always)]
fn squared(z: f32, y: f32) -> (f32, f32) {
    let error = z - y;
    (error * error, 2.0 * error)
}

#[inline(always)]
fn absolute(z: f32, y: f32) -> (f32, f32) {
    let error = z - y;
    // `signum` has no 0.
    (error.abs(), if error == 0.0 { 0.0 } else { error.signum() })
}

#[inline(always)]
fn huber(z: f32, y: f32, delta: f32) -> (f32, f32) {
    let error = z - y;
    // Its product with e - c/2 is both branches at once.
    let cut = error.max(-delta).min(delta);
    (cut * (error - 0.5 * cut), cut)
}

#[inline(always)]
fn quantile(z: f32, y: f32, level: f32) -> (f32, f32) {
    let error = y - z;
    let below = if error < 0.0 { level - 1.0 } else { 0.0 };
    let cost = if error > 0.0 { level } else { below };
    (error * cost, -cost)
}

#[inline(always)]
fn weighted_logistic(z: f32, y: f32) -> (f32, f32) {
    let (small, rest) = tails(z);
    // For z < 0 the positive's part -y·z, for z > 0 the negative's z: nothing cancels, however long the watch time.
    let linear = if z >= 0.0 { z } else { -y * z };
    let slope = if z >= 0.0 { 1.0 - (1.0 + y) * rest } else { (1.0 + y) * rest - y };
    ((1.0 + y) * ln_1p(small) + linear, slope)
}

/// `p` and `1 - p`.
#[inline(always)]
fn both(z: f32, rest: f32) -> (f32, f32) {
    if z >= 0.0 { (1.0 - rest, rest) } else { (rest, 1.0 - rest) }
}

/// Cross-entropy of a product of probabilities, head by head over all rows.
#[inline(always)]
fn product(n: usize, z: &[f32], y: &[f32; CHUNK], losses: &mut [f32; CHUNK], slopes: &mut [f32]) {
    // -ln p, p, and the least logit.
    let [mut missed, mut p, mut least] = [[0.0; CHUNK], [1.0; CHUNK], [f32::INFINITY; CHUNK]];
    for z in z.chunks_exact(CHUNK) {
        for i in 0..n {
            let (small, rest) = tails(z[i]);
            missed[i] += (-z[i]).max(0.0) + ln_1p(small);
            p[i] *= both(z[i], rest).0;
            least[i] = least[i].min(z[i]);
        }
    }
    // Near p = 1 nothing is left of 1 - p. Of the heads up to k it is (1 - p_k) + p_k·(that of those before), and
    // 1 - p_k = p_k·e^-z_k: positive terms all, which times e^least don't vanish however large the logits.
    let mut other = [0.0; CHUNK];
    for z in z.chunks_exact(CHUNK) {
        for i in 0..n {
            let (own, _) = both(z[i], tails(z[i]).1);
            other[i] = own * (exp(least[i] - z[i]) + other[i]);
        }
    }
    for i in 0..n {
        let negative = if p[i] <= 0.5 { -ln_1p(-p[i]) } else { least[i] - ln(other[i]) };
        losses[i] = y[i] * missed[i] + (1.0 - y[i]) * negative;
    }
    for (z, slopes) in z.chunks_exact(CHUNK).zip(slopes.chunks_exact_mut(CHUNK)) {
        for i in 0..n {
            let (own, miss) = both(z[i], tails(z[i]).1);
            // (1 - p_k) / (1 - p), at most 1.
            let large = exp(least[i] - z[i]) * own / other[i];
            let share = if p[i] <= 0.5 { miss / (1.0 - p[i]) } else { large };
            slopes[i] = (1.0 - y[i]) * p[i] * share - y[i] * miss;
        }
    }
}

/// Cross-entropy of whether a label is above 0, and the log-normal likelihood of those that are.
#[inline(always)]
fn ziln(n: usize, z: &[f32], y: &[f32; CHUNK], losses: &mut [f32; CHUNK], slopes: &mut [f32]) {
    let (z, rest) = z.split_at(CHUNK);
    let (mu, s) = rest.split_at(CHUNK);
    let (of_z, rest) = slopes.split_at_mut(CHUNK);
    let (of_mu, of_s) = rest.split_at_mut(CHUNK);
    for i in 0..n {
        let positive = if y[i] > 0.0 { 1.0 } else { 0.0 };
        let (presence, slope) = cross_entropy(z[i], positive);
        let log = if y[i] > 0.0 { ln(y[i]) } else { 0.0 };
        let (small, rest) = tails(s[i]);
        let sigma = s[i].max(0.0) + ln_1p(small) + LEAST_SIGMA as f32;
        let error = (log - mu[i]) / sigma;
        losses[i] = presence + positive * (0.5 * error * error + ln(sigma) + (log + HALF_LN_2_PI as f32));
        of_z[i] = slope;
        of_mu[i] = -positive * error / sigma;
        of_s[i] = positive * (1.0 - error * error) / sigma * both(s[i], rest).0;
    }
}

/// Softmax cross-entropy, class by class over all rows.
#[inline(always)]
fn multiclass(n: usize, z: &[f32], y: &[f32; CHUNK], losses: &mut [f32; CHUNK], slopes: &mut [f32]) {
    // The largest logit; how many others equal it; and Σ e^(z - top) of the rest: with the 1 of the largest left out,
    // the loss and the slope of a confident row stay exact.
    let [mut top, mut ties, mut rest] = [[f32::NEG_INFINITY; CHUNK], [-1.0; CHUNK], [0.0; CHUNK]];
    for z in z.chunks_exact(CHUNK) {
        for i in 0..n {
            top[i] = top[i].max(z[i]);
        }
    }
    for (z, slopes) in z.chunks_exact(CHUNK).zip(slopes.chunks_exact_mut(CHUNK)) {
        for i in 0..n {
            slopes[i] = exp(z[i] - top[i]);
            let first = z[i] == top[i];
            ties[i] += if first { 1.0 } else { 0.0 };
            rest[i] += if first { 0.0 } else { slopes[i] };
        }
    }
    for i in 0..n {
        rest[i] += ties[i];
        losses[i] = libm::log1p(rest[i].into()) as f32;
    }
    let mut class = 0.0;
    for (z, slopes) in z.chunks_exact(CHUNK).zip(slopes.chunks_exact_mut(CHUNK)) {
        for i in 0..n {
            let (own, total) = (y[i] == class, 1.0 + rest[i]);
            let p = slopes[i] / total;
            // 1 - p of the largest, exact where p is nearly 1.
            let missing = if z[i] == top[i] { rest[i] / total } else { 1.0 - p };
            losses[i] += if own { top[i] - z[i] } else { 0.0 };
            slopes[i] = if own { -missing } else { p };
        }
        class += 1.0;
    }
}
