//! The operation that candle differentiates: it writes a batch's input, and takes its gradient.

use std::sync::{Arc, PoisonError};

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::blocks::copy;
use super::config::Pooling;
use super::gather::gather;
use super::ids::Ids;
use super::table::Lookup;
use super::{Shared, read};
use crate::Error;
use crate::fused::{CHUNK, PARALLEL, buffer, readable, with_values};
use crate::input::{Input, SparseRows};

/// Lookup, pooling and the numeric columns of one batch.
pub(super) struct Assemble {
    shared: Arc<Shared>,
    ids: Arc<[Ids]>,
    numeric: Option<Input>,
    rows: usize,
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
pub(super) fn on_cpu(input: &Input, rows: usize) -> std::result::Result<Input, Error> {
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

impl Assemble {
    pub fn new(
        shared: Arc<Shared>,
        ids: Arc<[Ids]>,
        numeric: Option<Input>,
        rows: usize,
    ) -> std::result::Result<Self, Error> {
        let columns = numeric.as_ref().map(Input::width).transpose()?.unwrap_or(0);
        let stride = shared.width + columns;
        let steps = shared.tables.iter().map(|entry| read(&entry.table).steps).collect();
        Ok(Self { shared, ids, numeric, rows, stride, steps })
    }

    /// Values read or written.
    fn work(&self) -> usize {
        let fields = self.shared.fields.iter().zip(self.ids.iter());
        fields.map(|(entry, ids)| entry.width * ids.rows.len()).sum::<usize>() + self.rows * self.stride
    }

    fn forward(&self, numeric: Numeric) -> Vec<f32> {
        let mut out = buffer(self.rows * self.stride);
        let guards: Vec<_> = self.shared.tables.iter().map(|entry| read(&entry.table)).collect();
        let lookups: Vec<Lookup> = guards.iter().map(|table| table.lookup()).collect();
        let widest = self.shared.fields.iter().map(|entry| entry.width).max().unwrap_or(0);
        let chunk = |(c, out): (usize, &mut [f32])| {
            let mut spare = buffer(widest);
            let first = c * CHUNK;
            for (entry, ids) in self.shared.fields.iter().zip(self.ids.iter()) {
                let place = entry.place(self.stride);
                gather(lookups[entry.table], ids, entry.field.pooling, first, place, &mut spare, out);
            }
            self.write_numeric(numeric, first, out);
        };
        if self.work() < PARALLEL {
            out.chunks_mut(CHUNK * self.stride).enumerate().for_each(chunk);
        } else {
            out.par_chunks_mut(CHUNK * self.stride).enumerate().for_each(chunk);
        }
        out
    }

    fn write_numeric(&self, numeric: Numeric, first: usize, out: &mut [f32]) {
        let (at, columns) = (self.shared.width, self.stride - self.shared.width);
        for (b, out) in out.chunks_exact_mut(self.stride).enumerate() {
            let out = &mut out[at..];
            match numeric {
                Numeric::None => {}
                Numeric::Dense(values) => copy(&values[(first + b) * columns..][..columns], out),
                Numeric::Sparse(rows) => {
                    let (offsets, columns, values) = rows.parts();
                    for e in offsets[first + b] as usize..offsets[first + b + 1] as usize {
                        out[columns[e] as usize] += values[e];
                    }
                }
            }
        }
    }

    /// Adds the gradients of a table's rows.
    fn add_gradients(&self, t: usize, gradient: &[f32]) -> Result<()> {
        let entry = &self.shared.tables[t];
        let mut gradients = entry.gradients.lock().unwrap_or_else(PoisonError::into_inner);
        let table = read(&entry.table);
        for (field, ids) in self.shared.fields.iter().zip(self.ids.iter()).filter(|(f, _)| f.table == t) {
            let pooling = field.field.pooling;
            if pooling == Pooling::Max && table.steps != self.steps[t] {
                bail!("table {:?} was updated between the forward and the backward pass", entry.name)
            }
            let place = field.place(self.stride);
            gradients.add(ids, pooling, gradient, place, table.lookup());
        }
        Ok(())
    }

    fn backward(&self, gradient: &[f32]) -> Result<()> {
        let tables = 0..self.shared.tables.len();
        if self.work() < PARALLEL {
            return tables.into_iter().try_for_each(|t| self.add_gradients(t, gradient));
        }
        // Which thread a table falls to does not matter: all of its sums are taken by one.
        tables.into_par_iter().try_for_each(|t| self.add_gradients(t, gradient))
    }
}

impl CustomOp1 for Assemble {
    fn name(&self) -> &'static str {
        "assemble"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = match &self.numeric {
            None => self.forward(Numeric::None),
            Some(Input::Dense(xs)) => with_values(xs, |values| Ok(self.forward(Numeric::Dense(values))))?,
            Some(Input::Sparse(rows)) => self.forward(Numeric::Sparse(rows)),
        };
        Ok((CpuStorage::F32(out), Shape::from((self.rows, self.stride))))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        with_values(&gradient.contiguous()?, |gradient| self.backward(gradient))?;
        Ok(None)
    }
}
