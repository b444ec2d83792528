//! Attention over lists on the CPU, and its backward pass. What happens within one list is in [`super::list`].

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::{Parameter, parameters, readable, with_all, with_values};
use crate::detour::Why;
use crate::leaf::Below;
use crate::lists::{Side, Unit, Values};
use crate::run::Run;
use mt_kernels::attention::{Kept, Room, Sums, backward_list, forward_list};
use mt_kernels::scratch::Scratch;
use mt_kernels::{PARALLEL, least};

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
    /// Chunks that a thread takes at least.
    fn least(&self) -> usize {
        least(self.list.values.elem_count() * self.unit.hidden >= PARALLEL)
    }

    /// Runs `f` on the values of the lists and what is kept of the parameters.
    fn read<R>(&self, f: impl FnOnce(&[f32], &Kept) -> R) -> Result<R> {
        let tensors: Vec<&Tensor> = [&self.list.values].into_iter().chain(&self.unit.parameters).collect();
        with_all(&tensors, |all| Ok(f(all[0], &Kept::new(self.unit.width, self.unit.hidden, &all[1..]))))
    }

    /// Fills the unit's columns of `out`, both with so many `columns`.
    fn forward(&self, xs: &[f32], columns: usize, out: &mut [f32]) -> Result<()> {
        let Self { unit: Unit { sides, width, hidden, .. }, list: Values { offsets, .. }, .. } = self;
        self.read(|values, kept| {
            let size = ROWS * columns;
            let chunks = xs.par_chunks(size).zip(out.par_chunks_mut(size)).enumerate();
            chunks.with_min_len(self.least()).for_each(|(c, (xs, out))| {
                let mut room = Room::new(*width, *hidden);
                let rows = xs.chunks_exact(columns).zip(out.chunks_exact_mut(columns));
                for (ends, (xs, out)) in offsets[c * ROWS..].windows(2).zip(rows) {
                    if ends[0] == ends[1] {
                        continue;
                    }
                    gather(sides, |side| side.query, xs, &mut room.query);
                    forward_list(
                        kept,
                        &values[ends[0] as usize * width..ends[1] as usize * width],
                        &mut room,
                    );
                    let mut at = 0;
                    for side in sides {
                        out[side.out..][..side.width].copy_from_slice(&room.pooled[at..][..side.width]);
                        at += side.width;
                    }
                }
            });
        })
    }

    /// Adds the gradients of the parameters, of the lists and, to `to_xs`, of the queries.
    fn backward(&self, xs: &[f32], columns: usize, gradient: &[f32], to_xs: &mut [f32]) -> Result<()> {
        if self.list.values.elem_count() == 0 {
            return Ok(());
        }
        let Self { unit: Unit { sides, width, hidden, .. }, list: Values { values, offsets }, .. } = self;
        let mut to_values = self.below.take(values);
        let chunks = xs.len().div_ceil(ROWS * columns);
        let mut sums: Vec<Sums> = (0..chunks).map(|_| Sums::new(*width, *hidden)).collect();
        self.read(|values, kept| {
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
            let chunks = read.zip(written).enumerate().with_min_len(self.least());
            chunks.for_each(|(c, ((xs, gradient), ((to_xs, to_values), sums)))| {
                let (mut room, offsets) = (Room::new(*width, *hidden), &offsets[c * ROWS..]);
                let rows = xs.chunks_exact(columns).zip(gradient.chunks_exact(columns));
                let rows = rows.zip(to_xs.chunks_exact_mut(columns));
                for (ends, ((xs, gradient), to_xs)) in offsets.windows(2).zip(rows) {
                    if ends[0] == ends[1] {
                        continue;
                    }
                    gather(sides, |side| side.query, xs, &mut room.query);
                    gather(sides, |side| side.out, gradient, &mut room.pooled);
                    let of =
                        |first: u32| (ends[0] - first) as usize * width..(ends[1] - first) as usize * width;
                    let to_values = &mut to_values[of(offsets[0])];
                    backward_list(kept, &values[of(0)], to_values, fresh, &mut room, sums);
                    let mut at = 0;
                    for side in sides {
                        let to_query = to_xs[side.query..][..side.width].iter_mut();
                        to_query.zip(&room.to_query[at..]).for_each(|(sum, gradient)| *sum += gradient);
                        at += side.width;
                    }
                }
            });
        })?;
        if values.track_op() {
            self.below.give(to_values, values)?;
        }
        self.add(&sums);
        Ok(())
    }

    /// Adds the sums of all chunks, one after the other, to the gradients of the parameters.
    fn add(&self, chunks: &[Sums]) {
        let mut found = Sums::new(self.unit.width, self.unit.hidden);
        chunks.iter().for_each(|sums| found.add(sums));
        for (parameter, found) in self.parameters.iter().zip(found.gradients()) {
            let Some(slot) = &parameter.gradient else { continue };
            let mut slot = slot.lock();
            slot.touch(None);
            slot.host.iter_mut().zip(found).for_each(|(sum, gradient)| *sum += gradient);
        }
    }
}

/// The columns of all sides, of which `from` says where they begin in `xs`.
fn gather(sides: &[Side], from: impl Fn(&Side) -> usize, xs: &[f32], to: &mut [f32]) {
    let mut at = 0;
    for side in sides {
        to[at..][..side.width].copy_from_slice(&xs[from(side)..][..side.width]);
        at += side.width;
    }
}
