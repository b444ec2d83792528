//! The arithmetic of the row optimizers, a block at a time.

use mt_kernels::blocks::{Block, LANES, dot, load, store};
use mt_kernels::simd::{above, flushed};
use mt_kernels::{each_block, kernel};

use crate::prefetch::ahead;
use crate::records::Records;

/// Rows to update and their gradients, `ids.len() x width`.
#[derive(Clone, Copy)]
pub(crate) struct Update<'a> {
    pub width: usize,
    /// The table's update number, from 1.
    pub step: u64,
    pub ids: &'a [u32],
    pub gradients: &'a [f32],
}

/// What a rule does with a row whose record has `PARTS` parts of the row's width: the values and its state.
trait RowRule<const PARTS: usize>: Copy {
    /// Sets the state of a row that was never updated, which is zero.
    #[inline(always)]
    fn begin(self, _values: &[f32], _state: &mut [f32]) {}

    /// The rule for one row, whose accumulator is `sum` if the rule has one.
    #[inline(always)]
    fn of_row(self, _gradient: &[f32], _sum: Option<&mut f32>) -> Self {
        self
    }

    /// The new parts of a block of the record.
    fn block(self, gradient: Block, parts: [Block; PARTS]) -> [Block; PARTS];
}

#[inline(always)]
fn update_rows<const PARTS: usize>(rule: impl RowRule<PARTS>, mut records: Records, update: Update) {
    let k = update.width;
    let (mut spare, mut fetched) = (vec![0.0; k], 0);
    for u in 0..update.ids.len() {
        for u in ahead(&mut fetched, u, update.ids.len()) {
            records.prefetch(update.ids[u]);
        }
        let gradient = &update.gradients[u * k..][..k];
        let mut row = records.row(update.ids[u], k);
        // One place for both kinds of storage: a closure for each would be compiled without the kernel's instructions.
        let (values, state, sum) = row.open(&mut spare);
        rule.begin(values, state);
        let rule = rule.of_row(gradient, sum);
        each_block!(k, |at, n| {
            let mut parts = [[0.0; LANES]; PARTS];
            parts[0] = load(values, at, n);
            for p in 1..PARTS {
                parts[p] = load(state, (p - 1) * k + at, n);
            }
            let parts = rule.block(load(gradient, at, n), parts);
            store(parts[0], values, at, n);
            for p in 1..PARTS {
                store(parts[p], state, (p - 1) * k + at, n);
            }
        });
        row.close(update.step, &spare);
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Sgd {
    pub rate: f32,
}

impl RowRule<1> for Sgd {
    #[inline(always)]
    fn block(self, gradient: Block, [mut values]: [Block; 1]) -> [Block; 1] {
        for i in 0..LANES {
            values[i] -= self.rate * gradient[i];
        }
        [values]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct RowAdagrad {
    pub rate: f32,
    pub epsilon: f32,
}

impl RowRule<1> for RowAdagrad {
    #[inline(always)]
    fn of_row(self, gradient: &[f32], sum: Option<&mut f32>) -> Self {
        let Some(sum) = sum else { return self };
        *sum = flushed(*sum + dot(gradient, gradient) / gradient.len() as f32);
        Self { rate: self.rate / (sum.sqrt() + self.epsilon), ..self }
    }

    #[inline(always)]
    fn block(self, gradient: Block, values: [Block; 1]) -> [Block; 1] {
        Sgd { rate: self.rate }.block(gradient, values)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Adam {
    /// `rate · √(1 - β₂ᵗ) / (1 - β₁ᵗ)`.
    pub step: f32,
    pub beta1: f32,
    pub beta2: f32,
    /// `1 - β₁` and `1 - β₂`, taken in float64: `1 - 0.999f32` is off by 1.3e-5.
    pub gain1: f32,
    pub gain2: f32,
    /// The smallest gradient whose square, times `gain2`, is no denormal number.
    pub least: f32,
    pub epsilon: f32,
}

impl RowRule<3> for Adam {
    #[inline(always)]
    fn block(self, g: Block, [mut values, mut mean, mut square]: [Block; 3]) -> [Block; 3] {
        for i in 0..LANES {
            let root = above(g[i], self.least);
            mean[i] = flushed(self.beta1 * mean[i] + self.gain1 * g[i]);
            square[i] = flushed(self.beta2 * square[i] + self.gain2 * root * root);
            values[i] -= self.step * mean[i] / (square[i].sqrt() + self.epsilon);
        }
        [values, mean, square]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Ftrl {
    /// `1 / α`.
    pub inverse: f32,
    /// `β / α + λ₂`.
    pub base: f32,
    pub l1: f32,
}

impl RowRule<3> for Ftrl {
    /// `z` such that the row's start value is the solution before the first gradient. After it, not all of the state is
    /// zero any more.
    #[inline(always)]
    fn begin(self, values: &[f32], state: &mut [f32]) {
        if state.iter().any(|x| *x != 0.0) {
            return;
        }
        for (z, &value) in state.iter_mut().zip(values) {
            *z = -value * self.base - if value == 0.0 { 0.0 } else { self.l1.copysign(value) };
        }
    }

    #[inline(always)]
    fn block(self, g: Block, [mut values, mut z, mut n]: [Block; 3]) -> [Block; 3] {
        for i in 0..LANES {
            let more = flushed(n[i] + g[i] * g[i]);
            let sigma = (more.sqrt() - n[i].sqrt()) * self.inverse;
            z[i] += g[i] - sigma * values[i];
            n[i] = more;
            let beyond = z[i].abs() - self.l1;
            let value = -beyond.copysign(z[i]) / (more.sqrt() * self.inverse + self.base);
            values[i] = if beyond > 0.0 { value } else { 0.0 };
        }
        [values, z, n]
    }
}

kernel! {
    pub(crate) fn sgd(_simd: S, rule: Sgd, records: Records<'_>, update: Update<'_>) {
        update_rows(rule, records, update);
    }
}

kernel! {
    pub(crate) fn row_adagrad(_simd: S, rule: RowAdagrad, records: Records<'_>, update: Update<'_>) {
        update_rows(rule, records, update);
    }
}

kernel! {
    pub(crate) fn adam(_simd: S, rule: Adam, records: Records<'_>, update: Update<'_>) {
        update_rows(rule, records, update);
    }
}

kernel! {
    pub(crate) fn ftrl(_simd: S, rule: Ftrl, records: Records<'_>, update: Update<'_>) {
        update_rows(rule, records, update);
    }
}
