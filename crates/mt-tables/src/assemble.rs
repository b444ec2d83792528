//! A batch's input: written from the tables' rows, its gradient added to theirs.

use std::sync::Arc;

use candle_core::{DType, Device, Result, bail};
use mt_kernels::blocks::copy;
use mt_kernels::buffer::{buffer, written};
use mt_kernels::{CHUNK, PARALLEL};
use mt_layers::values::{readable, with_values};
use mt_layers::{Input, SparseRows};
use rayon::prelude::*;

use crate::error::Error;
use crate::field::Pooling;
use crate::gather::{fetch, gather};
use crate::ids::Ids;
use crate::lookup::Lookup;
use crate::placed::Placed;
use crate::shared::Shared;

/// What one batch looked up, for its gradient.
pub(crate) struct LookedUp {
    shared: Arc<Shared>,
    placed: Arc<Placed>,
    ids: Arc<[Ids]>,
    stride: usize,
    /// The tables' update numbers, whose largest rows the backward pass looks for again.
    steps: Vec<u64>,
}

/// Numeric columns as kernels read them.
#[derive(Clone, Copy)]
enum Numeric<'a> {
    None,
    Dense(&'a [f32]),
    Sparse(&'a SparseRows),
}

/// Numeric columns where and as this operation reads them.
pub(crate) fn on_cpu(input: &Input, rows: usize) -> std::result::Result<Input, Error> {
    let found = input.rows()?;
    if found != rows {
        return Err(Error::Count { what: "rows of numeric columns", expected: rows, found });
    }
    Ok(match input {
        Input::Dense(xs) if !readable(xs) => {
            input.to_dense(DType::F32, &Device::Cpu)?.contiguous()?.detach().into()
        }
        as_it_is => as_it_is.clone(),
    })
}

/// Columns of all fields and the numeric ones.
pub(crate) fn stride(placed: &Placed, numeric: Option<&Input>) -> Result<usize> {
    Ok(placed.width + numeric.map(Input::width).transpose()?.unwrap_or(0))
}

/// Values read or written.
fn work(placed: &Placed, ids: &[Ids], rows: usize, stride: usize) -> usize {
    let fields = placed.fields.iter().zip(ids);
    let pooled = fields.filter(|(entry, _)| entry.field.pooling != Pooling::Sequence);
    pooled.map(|(entry, ids)| entry.width * ids.rows.len()).sum::<usize>() + rows * stride
}

/// The pooled rows of each field, then the numeric columns: `rows x stride`.
pub(crate) fn assemble(
    placed: &Placed,
    lookups: &[Lookup],
    ids: &[Ids],
    numeric: Option<&Input>,
    rows: usize,
    stride: usize,
) -> Result<Vec<f32>> {
    let widest = placed.fields.iter().map(|entry| entry.width).max().unwrap_or(0);
    let parallel = work(placed, ids, rows, stride) >= PARALLEL;
    let write = |numeric: Numeric| {
        let chunks = (0..rows.div_ceil(CHUNK)).into_par_iter();
        written(rows * stride, CHUNK * stride, parallel, chunks, |c, out| {
            let mut spare = buffer(widest);
            let first = c * CHUNK;
            let batch = first..first + out.len() / stride;
            let fetch = |f: usize| match (placed.fields.get(f), ids.get(f)) {
                (Some(entry), Some(ids)) if entry.field.pooling != Pooling::Sequence => {
                    fetch(lookups[entry.table], ids, batch.clone(), entry.width)
                }
                _ => 0,
            };
            let mut fetched = fetch(0);
            for (f, (entry, ids)) in placed.fields.iter().zip(ids).enumerate() {
                // Each field's first rows come while those of the one before are gathered.
                let next = fetch(f + 1);
                let (lookup, pooling, place) =
                    (lookups[entry.table], entry.field.pooling, entry.place(stride));
                if pooling != Pooling::Sequence {
                    gather(lookup, ids, pooling, batch.clone(), fetched, place, &mut spare, out);
                }
                fetched = next;
            }
            numeric.write(first, placed.width, stride, out);
        })
    };
    match numeric {
        None => Ok(write(Numeric::None)),
        Some(Input::Dense(xs)) => with_values(xs, |values| Ok(write(Numeric::Dense(values)))),
        Some(Input::Sparse(rows)) => Ok(write(Numeric::Sparse(rows))),
    }
}

impl Numeric<'_> {
    /// Writes the columns of batch rows `first..` behind column `at` of the zeroed rows of `out`.
    fn write(self, first: usize, at: usize, stride: usize, out: &mut [f32]) {
        for (b, out) in out.chunks_exact_mut(stride).enumerate() {
            let out = &mut out[at..];
            match self {
                Numeric::None => {}
                Numeric::Dense(values) => copy(&values[(first + b) * out.len()..][..out.len()], out),
                Numeric::Sparse(rows) => {
                    let (offsets, columns, values) = rows.parts();
                    for e in offsets[first + b] as usize..offsets[first + b + 1] as usize {
                        out[columns[e] as usize] += values[e];
                    }
                }
            }
        }
    }
}

impl LookedUp {
    /// `ids` are rows of the tables as they are now, a row of the input has `stride` columns.
    pub fn new(shared: Arc<Shared>, placed: Arc<Placed>, ids: Arc<[Ids]>, stride: usize) -> Self {
        let steps = shared.tables.iter().map(|entry| entry.held().steps()).collect();
        Self { shared, placed, ids, stride, steps }
    }

    /// Adds the gradients of a table's rows.
    fn add_gradients(&self, t: usize, gradient: &[f32]) -> Result<()> {
        let entry = &self.shared.tables[t];
        let (mut gradients, held) = (entry.gradients(), entry.held());
        for (field, ids) in self.placed.fields.iter().zip(self.ids.iter()).filter(|(f, _)| f.table == t) {
            let pooling = field.field.pooling;
            if pooling == Pooling::Sequence {
                continue;
            }
            if pooling == Pooling::Max && held.steps() != self.steps[t] {
                bail!("table {:?} was updated between the forward and the backward pass", entry.name)
            }
            let place = field.place(self.stride);
            gradients.add(ids, pooling, gradient, place, held.lookup());
        }
        Ok(())
    }

    /// Adds the gradient of the input to those of the rows.
    pub fn add(&self, gradient: &[f32]) -> Result<()> {
        let tables = 0..self.shared.tables.len();
        let rows = gradient.len() / self.stride;
        if work(&self.placed, &self.ids, rows, self.stride) < PARALLEL {
            return tables.into_iter().try_for_each(|t| self.add_gradients(t, gradient));
        }
        // Which thread a table falls to does not matter: all of its sums are taken by one.
        tables.into_par_iter().try_for_each(|t| self.add_gradients(t, gradient))
    }
}
