//! Attention over lists on the CPU, and its backward pass. What happens within chunks of rows is in [`super::reading`].

use candle_core::{Result, Tensor};
use mt_kernels::InputGradient;
use mt_kernels::attention::{Block, Kept, Reading, Rows, ToRows};
use mt_kernels::scratch::Scratch;
use mt_kernels::{PARALLEL, least};
use rayon::prelude::*;

use super::{Parameter, parameters, readable, with_all, with_values};
use crate::detour::Why;
use crate::leaf::Below;
use crate::lists::{AttentionKind, Side, Unit, Values};
use crate::run::Run;

/// Rows that a thread takes at once: few, as their lists are not equally long. Fixed, so that partial sums do not depend on threads.
const ROWS: usize = 32;

/// What [`Attention::fill`](crate::Attention::fill) gives, or `None` where the composition has to run.
pub(crate) fn attended(
    units: &[&Unit],
    xs: &Tensor,
    lists: &[Values],
    run: &mut Run,
) -> Result<Option<Tensor>> {
    // Gradients go back to leaves; nothing of candle's own graph may lie below.
    let readers = units.iter().zip(lists).map(|(unit, list)| {
        let anchor = &unit.parameters[0];
        for xs in [xs, &list.values] {
            let why = match readable(xs) {
                true if !xs.track_op() || run.below(xs).is_leaf() => continue,
                true => Why::Graph,
                false => Why::NotReadable,
            };
            run.left(anchor, why);
            return None;
        }
        let (parameters, below) = (parameters(&unit.parameters, run)?, run.below(&list.values));
        Some(Reader { unit: (*unit).clone(), parameters, list: list.clone(), below })
    });
    let Some(units) = readers.collect::<Option<Vec<_>>>() else { return Ok(None) };
    let (shape, xs) = (xs.dims2()?, xs.clone());
    let out = with_values(&xs, |values| {
        let mut out = values.to_vec();
        units.iter().try_for_each(|unit| unit.forward(values, shape.1, &mut out))?;
        Ok(out)
    })?;
    let below = run.below(&xs);
    run.leaf(out, shape, move |_, gradient| backward(&units, &xs, &below, gradient)).map(Some)
}

/// Hands the gradient of what was filled to whatever it was made of.
fn backward(units: &[Reader], xs: &Tensor, below: &Below, mut gradient: Scratch) -> Result<()> {
    let columns = xs.dim(1)?;
    let mut to_xs = below.take(xs);
    with_values(xs, |values| {
        units.iter().try_for_each(|unit| unit.backward(values, columns, &gradient, to_xs.sums()))
    })?;
    if !xs.track_op() {
        return Ok(());
    }
    // What was there before in the columns that were filled is of no consequence.
    for row in gradient.chunks_exact_mut(columns) {
        units
            .iter()
            .flat_map(|unit| &unit.unit.sides)
            .for_each(|side| row[side.out..][..side.width].fill(0.0));
    }
    to_xs.sums().iter_mut().zip(gradient.iter()).for_each(|(sum, gradient)| *sum += gradient);
    below.give(to_xs, xs).map(|_| ())
}

/// A unit, its parameters and what it reads.
struct Reader {
    unit: Unit,
    parameters: Vec<Parameter>,
    list: Values,
    /// Where the gradient of its values goes.
    below: Below,
}

impl Reader {
    /// Fills the unit's columns of `out`, both with so many `columns`.
    fn forward(&self, xs: &[f32], columns: usize, out: &mut [f32]) -> Result<()> {
        let width = self.unit.width;
        self.read(|values, parameters| match &self.unit.kind {
            AttentionKind::Activation { hidden } => {
                self.fill(&Kept::new(width, *hidden, parameters), values, xs, columns, out);
            }
            AttentionKind::SelfAttention(sizes) => {
                self.fill(&Block::new(width, sizes, parameters), values, xs, columns, out);
            }
        })
    }

    /// Adds the gradients of the parameters, of the lists and, to `to_xs`, of the queries.
    fn backward(&self, xs: &[f32], columns: usize, gradient: &[f32], to_xs: &mut [f32]) -> Result<()> {
        let (width, list) = (self.unit.width, &self.list.values);
        let mut to_values = self.below.take(list);
        let rows = (xs, gradient, to_xs);
        let found = self.read(|values, parameters| match &self.unit.kind {
            AttentionKind::Activation { hidden } => {
                self.collect(&Kept::new(width, *hidden, parameters), values, columns, rows, &mut to_values)
            }
            AttentionKind::SelfAttention(sizes) => {
                self.collect(&Block::new(width, sizes, parameters), values, columns, rows, &mut to_values)
            }
        })?;
        if list.track_op() {
            self.below.give(to_values, list)?;
        }
        for (parameter, found) in self.parameters.iter().zip(found) {
            let Some(slot) = &parameter.gradient else { continue };
            let mut slot = slot.lock();
            slot.touch(None);
            slot.host.iter_mut().zip(found).for_each(|(sum, gradient)| *sum += gradient);
        }
        Ok(())
    }

    /// Runs `f` on the values of the lists and the parameters.
    fn read<R>(&self, f: impl FnOnce(&[f32], &[&[f32]]) -> R) -> Result<R> {
        let tensors: Vec<&Tensor> = [&self.list.values].into_iter().chain(&self.unit.parameters).collect();
        with_all(&tensors, |all| Ok(f(all[0], &all[1..])))
    }

    fn fill<K: Reading>(&self, kernel: &K, values: &[f32], xs: &[f32], columns: usize, out: &mut [f32]) {
        let Self { unit: Unit { sides, width, .. }, list: Values { offsets, .. }, .. } = self;
        let size = ROWS * columns;
        let chunks = xs.par_chunks(size).zip(out.par_chunks_mut(size)).enumerate();
        chunks.with_min_len(self.least(kernel)).for_each(|(c, (xs, out))| {
            let rows = xs.len() / columns;
            let offsets = &offsets[c * ROWS..=c * ROWS + rows];
            let values = &values[offsets[0] as usize * width..offsets[rows] as usize * width];
            let queries = gather(sides, |side| side.query, xs, columns, *width);
            let mut pooled = vec![0.0; rows * width];
            kernel.forward(&Rows { queries: &queries, values, offsets }, &mut pooled);
            for (out, pooled) in out.chunks_exact_mut(columns).zip(pooled.chunks_exact(*width)) {
                each_side(sides, |at, side| {
                    out[side.out..][..side.width].copy_from_slice(&pooled[at..][..side.width]);
                });
            }
        });
    }

    /// Gradients of the parameters, besides what [`backward`](Self::backward) adds to `xs`, `gradient` and `to_xs` being `rows`.
    fn collect<K: Reading>(
        &self,
        kernel: &K,
        values: &[f32],
        columns: usize,
        (xs, gradient, to_xs): (&[f32], &[f32], &mut [f32]),
        to_values: &mut InputGradient,
    ) -> Vec<Vec<f32>> {
        if values.is_empty() && !K::ALONE {
            return Vec::new();
        }
        let Self { unit: Unit { sides, width, .. }, list: Values { offsets, .. }, .. } = self;
        let chunks = xs.len().div_ceil(ROWS * columns);
        let mut sums: Vec<K::Sums> = (0..chunks).map(|_| kernel.sums()).collect();
        let (mut rest, fresh) = to_values.parts();
        let mut parts = Vec::with_capacity(chunks);
        for c in 0..chunks {
            let (first, end) = (c * ROWS, (offsets.len() - 1).min((c + 1) * ROWS));
            let count = (offsets[end] - offsets[first]) as usize;
            let (part, behind) = rest.split_at_mut(count * width);
            parts.push(part);
            rest = behind;
        }
        let size = ROWS * columns;
        let read = xs.par_chunks(size).zip(gradient.par_chunks(size));
        let written = to_xs.par_chunks_mut(size).zip(parts).zip(&mut sums);
        let chunks = read.zip(written).enumerate().with_min_len(self.least(kernel));
        chunks.for_each(|(c, ((xs, gradient), ((to_xs, to_values), sums)))| {
            let rows = xs.len() / columns;
            let offsets = &offsets[c * ROWS..=c * ROWS + rows];
            let values = &values[offsets[0] as usize * width..offsets[rows] as usize * width];
            let queries = gather(sides, |side| side.query, xs, columns, *width);
            let gradient = gather(sides, |side| side.out, gradient, columns, *width);
            let mut to_queries = vec![0.0; rows * width];
            let to = ToRows { queries: &mut to_queries, values: to_values, fresh };
            kernel.backward(&Rows { queries: &queries, values, offsets }, &gradient, to, sums);
            for (to_xs, to_query) in to_xs.chunks_exact_mut(columns).zip(to_queries.chunks_exact(*width)) {
                each_side(sides, |at, side| {
                    let to_query = to_xs[side.query..][..side.width].iter_mut().zip(&to_query[at..]);
                    to_query.for_each(|(sum, gradient)| *sum += gradient);
                });
            }
        });
        kernel.gradients(&sums)
    }

    /// Chunks that a thread takes at least.
    fn least<K: Reading>(&self, kernel: &K) -> usize {
        let Values { values, offsets } = &self.list;
        let values = values.elem_count() / self.unit.width;
        least(kernel.products(offsets.len() - 1, values) >= PARALLEL)
    }
}

/// Calls `f` with each side and its first column among those of all.
fn each_side(sides: &[Side], mut f: impl FnMut(usize, &Side)) {
    let mut at = 0;
    for side in sides {
        f(at, side);
        at += side.width;
    }
}

/// The columns of all sides, `width` of them, of which `from` says where they begin in each row of `xs`.
fn gather(
    sides: &[Side],
    from: impl Fn(&Side) -> usize,
    xs: &[f32],
    columns: usize,
    width: usize,
) -> Vec<f32> {
    let mut gathered = vec![0.0; xs.len() / columns * width];
    for (to, xs) in gathered.chunks_exact_mut(width).zip(xs.chunks_exact(columns)) {
        each_side(sides, |at, side| {
            to[at..][..side.width].copy_from_slice(&xs[from(side)..][..side.width]);
        });
    }
    gathered
}
