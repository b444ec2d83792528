//! The loss in candle's own operations: the oracle of the fused one, and the path on other devices.

use candle_core::{DType, Result, Tensor};
use mt_kernels::loss::{HALF_LN_2_PI, LEAST_SIGMA, LossKind, PADDLEREC_EPSILON, ordinal_base};

use super::{Loss, MultiTaskLoss};

impl MultiTaskLoss<'_> {
    pub(crate) fn composed(&self, logits: &Tensor) -> Result<Loss> {
        let (rows, columns) = logits.dims2()?;
        let (device, dtype) = (logits.device(), logits.dtype());
        let tasks = self.tasks.len();
        let (mut targets, mut present) = (vec![0f32; self.labels.len()], Vec::with_capacity(rows * columns));
        for (i, (&label, &mask)) in self.labels.iter().zip(self.mask).enumerate() {
            let task = &self.tasks[i % tasks];
            if mask != 0.0 {
                targets[i] = task.kind.target(label);
            }
            present.extend(std::iter::repeat_n(u8::from(mask != 0.0), task.logits));
        }
        // A factor of 0 isn't enough: 0 times an infinite loss is NaN.
        let present = Tensor::from_vec(present, (rows, columns), device)?;
        let logits = present.where_cond(logits, &logits.zeros_like()?)?;
        let labels = Tensor::from_vec(targets, (rows, tasks), device)?.to_dtype(dtype)?;
        let mask = Tensor::from_slice(self.mask, (rows, tasks), device)?.to_dtype(dtype)?;
        let mut means = Vec::with_capacity(tasks);
        let mut at = 0;
        for (t, (task, count)) in self.tasks.iter().zip(self.counts()).enumerate() {
            let loss = composed(task.kind, &logits.narrow(1, at, task.logits)?, &labels.narrow(1, t, 1)?)?;
            means.push(
                ((loss * mask.narrow(1, t, 1)?)?.sum_all()? / f64::from(count.max(f32::MIN_POSITIVE)))?,
            );
            at += task.logits;
        }
        let means = Tensor::stack(&means, 0)?;
        let weights: Vec<f32> = self.tasks.iter().map(|t| t.weight).collect();
        let total = (&means * Tensor::new(weights, device)?.to_dtype(dtype)?)?.sum_all()?;
        Ok(Loss { total, tasks: means.detach().to_dtype(DType::F32)? })
    }
}

/// The loss `(B, 1)` of logits `(B, n)` and targets `(B, 1)`.
fn composed(kind: LossKind, z: &Tensor, y: &Tensor) -> Result<Tensor> {
    match kind {
        // ln(1 + e^z) - z·y with the larger exponent taken out.
        LossKind::CrossEntropy => {
            let z = binary_logit(z)?;
            (z.relu()? - (&z * y)?)? + ln_1p_exp_neg_abs(&z)?
        }
        LossKind::PaddlerecLog => {
            let p = candle_nn::ops::sigmoid(&binary_logit(z)?)?;
            let positive = (y * (&p + PADDLEREC_EPSILON)?.log()?)?;
            let negative = (y.affine(-1.0, 1.0)? * p.affine(-1.0, 1.0 + PADDLEREC_EPSILON)?.log()?)?;
            (positive + negative)?.neg()
        }
        LossKind::Focal { gamma } => {
            let z = binary_logit(z)?;
            let (tail, positive) = (ln_1p_exp_neg_abs(&z)?, z.relu()?);
            // -ln p and -ln(1 - p).
            let (yes, no) = (((&positive - z)? + &tail)?, (positive + tail)?);
            let row = |own: &Tensor, other: &Tensor| (other * f64::from(-gamma))?.exp()? * own;
            (y * row(&yes, &no)?)? + (y.affine(-1.0, 1.0)? * row(&no, &yes)?)?
        }
        LossKind::Product => product(z, y),
        LossKind::Ziln => ziln(z, y),
        LossKind::Ordinal { .. } => {
            let n = z.dim(1)?;
            let row = |values: Vec<f32>| Tensor::from_vec(values, (1, n), z.device())?.to_dtype(z.dtype());
            let below = row((0..n).map(|k| k as f32).collect())?;
            let z = &z.broadcast_add(&row((0..n).map(|k| ordinal_base(k, n)).collect())?)?;
            let above = y.broadcast_gt(&below)?.to_dtype(z.dtype())?;
            ((z.relu()? - (z * above)?)? + ln_1p_exp_neg_abs(z)?)?.mean_keepdim(1)
        }
        LossKind::Multiclass => {
            candle_nn::ops::log_softmax(z, 1)?.gather(&y.to_dtype(DType::U32)?.contiguous()?, 1)?.neg()
        }
        LossKind::Mse | LossKind::LogMse => (z - y)?.sqr(),
        LossKind::Mae => {
            // The slope of `abs` would be 1 at 0.
            let error = (z - y)?;
            &error * error.sign()?.detach()
        }
        LossKind::Huber { delta } => {
            // c·(e - c/2), with c the error cut to ±delta, is both branches at once.
            let error = (z - y)?;
            let cut = error.clamp(-delta, delta)?;
            &cut * (&error - (&cut * 0.5)?)?
        }
        LossKind::Quantile { level } => {
            let error = (y - z)?;
            let sign = error.sign()?.detach();
            // The level above 0, less 1 below, 0 at 0.
            let cost = ((&sign * 0.5)? + (sign.abs()? * (f64::from(level) - 0.5))?)?;
            error * cost
        }
        // max(z, 0) + y·max(-z, 0) + (1 + y)·ln(1 + e^-|z|): nothing cancels.
        LossKind::WeightedLogistic => {
            let positive = z.relu()?;
            let negative = (&positive - z)?;
            (positive + (y * negative)?)? + ((y + 1.0)? * ln_1p_exp_neg_abs(z)?)?
        }
    }
}

/// Cross-entropy of a product of probabilities.
fn product(z: &Tensor, y: &Tensor) -> Result<Tensor> {
    let missed = ((z.relu()? - z)? + ln_1p_exp_neg_abs(z)?)?.sum_keepdim(1)?;
    let p = missed.neg()?.exp()?;
    // Of the two ways to 1 - p each is taken where it is exact, and kept from infinities where it isn't.
    let small = p.le(0.5)?;
    let of_small = (small.where_cond(&p, &p.zeros_like()?)?.neg()? + 1.0)?.log()?.neg()?;
    let least = z.min_keepdim(1)?.detach();
    let (own, scaled) = (candle_nn::ops::sigmoid(z)?, least.broadcast_sub(z)?.exp()?);
    let mut rest = p.zeros_like()?;
    for h in 0..z.dim(1)? {
        rest = (own.narrow(1, h, 1)? * (scaled.narrow(1, h, 1)? + rest)?)?;
    }
    let of_large = (least - small.where_cond(&p.ones_like()?, &rest)?.log()?)?;
    let other = small.where_cond(&of_small, &of_large)?;
    (y * missed)? + (y.affine(-1.0, 1.0)? * other)?
}

/// Cross-entropy of whether a label is above 0, and the log-normal likelihood of those that are.
fn ziln(z: &Tensor, y: &Tensor) -> Result<Tensor> {
    let [z, mu, s] = [z.narrow(1, 0, 1)?, z.narrow(1, 1, 1)?, z.narrow(1, 2, 1)?];
    let is_positive = y.gt(0.0)?;
    let positive = is_positive.to_dtype(y.dtype())?;
    let presence = ((z.relu()? - (&z * &positive)?)? + ln_1p_exp_neg_abs(&z)?)?;
    let log = is_positive.where_cond(y, &y.ones_like()?)?.log()?;
    let sigma = ((s.relu()? + ln_1p_exp_neg_abs(&s)?)? + LEAST_SIGMA)?;
    let error = ((&log - mu)? / &sigma)?;
    let size = (((error.sqr()? * 0.5)? + sigma.log()?)? + (log + HALF_LN_2_PI)?)?;
    presence + (positive * size)?
}

/// The logit of the positive class, `(B, 1)`.
fn binary_logit(z: &Tensor) -> Result<Tensor> {
    if z.dim(1)? == 1 { Ok(z.clone()) } else { z.narrow(1, 1, 1)? - z.narrow(1, 0, 1)? }
}

fn ln_1p_exp_neg_abs(z: &Tensor) -> Result<Tensor> {
    (z.abs()?.neg()?.exp()? + 1.0)?.log()
}
