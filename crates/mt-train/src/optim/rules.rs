//! The update rules: one pass over parameter, gradient and state on the CPU, a kernel on a card, tensor operations elsewhere.

use std::ops::Range;

use candle_core::{Result, Tensor, Var};
use mt_kernels::simd::{above, below, flushed};
use mt_kernels::{kernel, pulp::Simd};
use mt_layers::Gradient;
use rayon::prelude::*;

use super::config::{OptimizerConfig, OptimizerKind};
#[cfg(any(feature = "cuda", test))]
use super::cuda::Kernel;
use super::values::Values;

/// Values of a parameter from which on a second thread pays.
const PARALLEL: usize = 1 << 16;

/// The same if the second thread need not be woken.
const PARALLEL_AWAKE: usize = 1 << 15;

/// One step's constants, so that kernels hold only arithmetic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    kind: OptimizerKind,
    /// Learning rate; for Adam divided by the correction of the mean's bias.
    rate: f32,
    /// Added to the gradient for each unit of the parameter.
    decay: f32,
    /// The parameter keeps this share (decoupled weight decay).
    keep: f32,
    beta1: f32,
    beta2: f32,
    /// `1 - β₁` and `1 - β₂`, taken in float64: `1 - 0.999f32` is off by 1.3e-5.
    gain1: f32,
    gain2: f32,
    /// `1 / √(1 - β₂ᵗ)`: the correction of the square's bias.
    correction: f32,
    epsilon: f32,
    least: Least,
}

/// What is smaller counts as zero where it is multiplied, as its product would be denormal: moments that decay come by
/// there, and stay, and many processors take ten times as long for such numbers. The results are those of a processor that
/// flushes them, as a card does, for slopes from 2⁻¹²² on; here it is not told to, as that would change other code's
/// arithmetic.
#[derive(Debug, Clone, Copy)]
struct Least {
    /// In `(1 - β₂) · slope²`.
    squared: f32,
    /// In `rate · mean`, or `rate · momentum`.
    moved: f32,
}

impl Rule {
    pub fn new(cfg: &OptimizerConfig, rate: f64, steps: u64) -> Self {
        let decay = cfg.weight_decay.unwrap_or(0.0);
        let decoupled = cfg.kind == OptimizerKind::AdamW;
        let momentum = cfg.momentum.unwrap_or(0.0);
        let adam = matches!(cfg.kind, OptimizerKind::Adam | OptimizerKind::AdamW);
        let beta1 = if adam { cfg.beta1.unwrap_or(0.9) } else { momentum };
        let beta2 = cfg.beta2.unwrap_or(0.999);
        let t = i32::try_from(steps).unwrap_or(i32::MAX);
        let corrected = if adam { rate / (1.0 - beta1.powi(t)) } else { rate };
        let normal = f64::from(f32::MIN_POSITIVE);
        Self {
            kind: cfg.kind,
            least: Least {
                squared: (normal / (1.0 - beta2)).sqrt() as f32,
                moved: (normal / corrected) as f32,
            },
            rate: corrected as f32,
            decay: if decoupled { 0.0 } else { decay as f32 },
            keep: if decoupled { (1.0 - rate * decay) as f32 } else { 1.0 },
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            gain1: (1.0 - beta1) as f32,
            gain2: (1.0 - beta2) as f32,
            correction: (1.0 / (1.0 - beta2.powi(t)).sqrt()) as f32,
            epsilon: cfg.epsilon.unwrap_or(if adam { 1e-8 } else { 1e-10 }) as f32,
        }
    }

    /// Updates `values`, whose first axis has `rows` places, and leaves `gradient` zeroed for the next step, while it
    /// is in the cache.
    pub fn on_host(self, values: &mut [f32], rows: usize, gradient: &mut Gradient, state: &mut [Values]) {
        let Gradient { host, rows: occupied, shared, .. } = gradient;
        match (self.kind, state) {
            (OptimizerKind::Adam | OptimizerKind::AdamW, [Values::Host(mean), Values::Host(square)]) => {
                let everywhere = 0..rows as u32;
                let occupied = occupied.as_deref().unwrap_or(std::slice::from_ref(&everywhere));
                if values.len() < if *shared { PARALLEL_AWAKE } else { PARALLEL } {
                    return adam(self, values, rows, host, occupied, mean, square);
                }
                let (row, share) = (values.len() / rows, rows.div_ceil(rayon::current_num_threads()));
                let state = mean.par_chunks_mut(share * row).zip(square.par_chunks_mut(share * row));
                let parts = values.par_chunks_mut(share * row).zip(host.par_chunks_mut(share * row));
                parts.zip(state).enumerate().for_each(|(i, ((values, host), (mean, square)))| {
                    let first = (i * share) as u32;
                    let rows = (values.len() / row) as u32;
                    let within = |at: u32| at.clamp(first, first + rows) - first;
                    let occupied: Vec<_> =
                        occupied.iter().map(|run| within(run.start)..within(run.end)).collect();
                    adam(self, values, rows as usize, host, &occupied, mean, square);
                });
            }
            (OptimizerKind::Sgd, [Values::Host(momentum)]) => sgd(self, values, host, momentum),
            (OptimizerKind::Adagrad, [Values::Host(sum)]) => adagrad(self, values, host, sum),
            _ => unreachable!("the state was made for this kind on the host"),
        }
    }

    /// One vector of `[value, mean, square]` a step on; `None` for a gradient, and a decay, of 0.
    #[inline(always)]
    fn adam<S: Simd>(self, simd: S, gradient: Option<S::f32s>, state: [S::f32s; 3]) -> [S::f32s; 3] {
        let [value, mean, square] = state;
        let all = |x: f32| simd.splat_f32s(x);
        let zero = all(0.0);
        let (gained, squared) = match gradient {
            None => (zero, zero),
            Some(gradient) => {
                let slope = simd.mul_add_f32s(all(self.decay), value, gradient);
                let scaled = simd.mul_f32s(all(self.gain2), slope);
                let scaled = simd.select_f32s(below(simd, slope, self.least.squared), zero, scaled);
                (simd.mul_f32s(all(self.gain1), slope), simd.mul_f32s(scaled, slope))
            }
        };
        let mean = simd.mul_add_f32s(all(self.beta1), mean, gained);
        let sign = simd.and_f32s(mean, all(-0.0));
        let flushed = simd.select_f32s(below(simd, mean, f32::MIN_POSITIVE), sign, mean);
        let square = simd.mul_add_f32s(all(self.beta2), square, squared);
        let square = simd.select_f32s(simd.less_than_f32s(square, all(f32::MIN_POSITIVE)), zero, square);
        let denominator = simd.mul_add_f32s(simd.sqrt_f32s(square), all(self.correction), all(self.epsilon));
        let moved = simd.mul_f32s(all(self.rate), flushed);
        let moved = simd.select_f32s(below(simd, mean, self.least.moved), zero, moved);
        let step = simd.div_f32s(moved, denominator);
        [simd.sub_f32s(simd.mul_f32s(all(self.keep), value), step), flushed, square]
    }

    /// The kernel for a card that does the same.
    #[cfg(any(feature = "cuda", test))]
    pub fn kernel(self) -> Kernel {
        let Self { rate, decay, keep, beta1, beta2, gain1, gain2, correction, epsilon, .. } = self;
        match self.kind {
            OptimizerKind::Adam | OptimizerKind::AdamW => {
                let constants = vec![rate, decay, keep, beta1, beta2, gain1, gain2, correction, epsilon];
                Kernel { name: "adam", constants }
            }
            OptimizerKind::Sgd => Kernel { name: "sgd", constants: vec![rate, decay, beta1] },
            OptimizerKind::Adagrad => Kernel { name: "adagrad", constants: vec![rate, decay, epsilon] },
        }
    }

    /// The same where the parameter is: by a kernel on a card, in tensor operations elsewhere.
    pub fn on_device(self, var: &Var, gradient: &Tensor, state: &mut [Values]) -> Result<()> {
        #[cfg(feature = "cuda")]
        if super::cuda::fits(var)
            && let Some(state) = state.iter().map(Values::on_device).collect::<Option<Vec<_>>>()
        {
            return super::cuda::run(&self.kernel(), var, gradient, &state);
        }
        self.composed(var, gradient, state)
    }

    /// The same in tensor operations.
    fn composed(self, var: &Var, gradient: &Tensor, state: &mut [Values]) -> Result<()> {
        let gradient = (gradient + var.as_detached_tensor().affine(f64::from(self.decay), 0.0)?)?;
        let scaled = |x: &Tensor, factor: f32| x.affine(f64::from(factor), 0.0);
        let step = match (self.kind, state) {
            (OptimizerKind::Adam | OptimizerKind::AdamW, [Values::Device(mean), Values::Device(square)]) => {
                *mean = (scaled(mean, self.beta1)? + scaled(&gradient, self.gain1)?)?;
                *square = (scaled(square, self.beta2)? + scaled(&gradient.sqr()?, self.gain2)?)?;
                let denominator =
                    square.sqrt()?.affine(f64::from(self.correction), f64::from(self.epsilon))?;
                mean.div(&denominator)?
            }
            (OptimizerKind::Sgd, [Values::Device(momentum)]) => {
                *momentum = (scaled(momentum, self.beta1)? + gradient)?;
                momentum.clone()
            }
            (OptimizerKind::Adagrad, [Values::Device(sum)]) => {
                *sum = (&*sum + gradient.sqr()?)?;
                gradient.div(&sum.sqrt()?.affine(1.0, f64::from(self.epsilon))?)?
            }
            _ => unreachable!("the state was made for this kind on the device"),
        };
        var.set(&(scaled(&var.as_detached_tensor(), self.keep)? - scaled(&step, self.rate)?)?)
    }
}

kernel! {
    /// Reads and zeroes the gradient only where it is `occupied`: a quarter of the memory traffic of a small batch,
    /// which is what the pass costs.
    fn adam(
        simd: S,
        rule: Rule,
        values: &mut [f32],
        rows: usize,
        gradient: &mut [f32],
        occupied: &[Range<u32>],
        mean: &mut [f32],
        square: &mut [f32],
    ) {
        let row = values.len() / rows;
        let mut at = 0;
        for run in occupied {
            let (start, end) = (run.start as usize * row, run.end as usize * row);
            let (still, moved) = (at..start, start..end);
            adam_span(simd, rule, &mut values[still.clone()], &mut [], &mut mean[still.clone()], &mut square[still]);
            let gradient = &mut gradient[moved.clone()];
            adam_span(simd, rule, &mut values[moved.clone()], gradient, &mut mean[moved.clone()], &mut square[moved]);
            at = end;
        }
        adam_span(simd, rule, &mut values[at..], &mut [], &mut mean[at..], &mut square[at..]);
    }
}

/// Without a `gradient` it counts as zero. Explicit vectors: the plain loop was compiled to half of their width.
#[inline(always)]
fn adam_span<S: Simd>(
    simd: S,
    rule: Rule,
    values: &mut [f32],
    gradient: &mut [f32],
    mean: &mut [f32],
    square: &mut [f32],
) {
    let zero = simd.splat_f32s(0.0);
    let (values, values_tail) = S::as_mut_simd_f32s(values);
    let (mean, mean_tail) = S::as_mut_simd_f32s(mean);
    let (square, square_tail) = S::as_mut_simd_f32s(square);
    let (gradient, gradient_tail) = S::as_mut_simd_f32s(gradient);
    let n = values.len();
    let (mean, square) = (&mut mean[..n], &mut square[..n]);
    if gradient.is_empty() && rule.decay == 0.0 {
        for i in 0..n {
            [values[i], mean[i], square[i]] = rule.adam(simd, None, [values[i], mean[i], square[i]]);
        }
    } else if gradient.is_empty() {
        for i in 0..n {
            [values[i], mean[i], square[i]] = rule.adam(simd, Some(zero), [values[i], mean[i], square[i]]);
        }
    } else {
        let gradient = &mut gradient[..n];
        for i in 0..n {
            [values[i], mean[i], square[i]] =
                rule.adam(simd, Some(gradient[i]), [values[i], mean[i], square[i]]);
            gradient[i] = zero;
        }
    }
    if !values_tail.is_empty() {
        let slope = simd.partial_load_f32s(gradient_tail);
        let tail = [&*values_tail, mean_tail, square_tail].map(|tail| simd.partial_load_f32s(tail));
        let [value, average, variance] = rule.adam(simd, Some(slope), tail);
        simd.partial_store_f32s(values_tail, value);
        simd.partial_store_f32s(mean_tail, average);
        simd.partial_store_f32s(square_tail, variance);
        gradient_tail.fill(0.0);
    }
}

kernel! {
    fn sgd(_simd: S, rule: Rule, values: &mut [f32], gradient: &mut [f32], momentum: &mut [f32]) {
        let n = values.len();
        let (gradient, momentum) = (&mut gradient[..n], &mut momentum[..n]);
        for i in 0..n {
            momentum[i] = flushed(rule.beta1.mul_add(momentum[i], rule.decay.mul_add(values[i], gradient[i])));
            values[i] -= rule.rate * above(momentum[i], rule.least.moved);
            gradient[i] = 0.0;
        }
    }
}

kernel! {
    fn adagrad(_simd: S, rule: Rule, values: &mut [f32], gradient: &mut [f32], sum: &mut [f32]) {
        let n = values.len();
        let (gradient, sum) = (&mut gradient[..n], &mut sum[..n]);
        for i in 0..n {
            let slope = rule.decay.mul_add(values[i], gradient[i]);
            sum[i] = flushed(slope.mul_add(slope, sum[i]));
            values[i] -= rule.rate * slope / (sum[i].sqrt() + rule.epsilon);
            gradient[i] = 0.0;
        }
    }
}

#[cfg(test)]
mod tests;
