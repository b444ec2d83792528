//! Backward: the gradients of a table's rows, one sum for each row that a batch looked up.

use mt_kernels::blocks::{add_scaled, copy, scale};
use mt_kernels::kernel;

use crate::distinct::Distinct;
use crate::field::Pooling;
use crate::gather::{Place, arg_max};
use crate::ids::Ids;
use crate::lookup::Lookup;

/// Summed gradients of distinct rows, kept until an update consumes them. Buffers keep their memory.
///
/// Sums are taken in the order of calls, batch rows and ids, by one thread, so they are the same for any number of
/// threads.
#[derive(Debug, Default)]
pub(crate) struct RowGradients {
    width: usize,
    rows: Distinct,
    /// One gradient for each of `rows`, and whatever earlier batches left behind them.
    values: Vec<f32>,
    spare: Vec<f32>,
    best: Vec<f32>,
    winners: Vec<u32>,
}

/// A row's place among the sums.
struct Sum<'a> {
    values: &'a mut [f32],
    /// Whether nothing was added yet: `values` holds something else.
    fresh: bool,
}

impl RowGradients {
    pub fn new(width: usize) -> Self {
        let (spare, best, winners) = (vec![0.0; width], vec![0.0; width], vec![0; width]);
        Self { width, spare, best, winners, ..Self::default() }
    }

    /// Distinct rows in the order of their first use.
    pub fn ids(&self) -> &[u32] {
        self.rows.ids()
    }

    /// The sums, in the order of [`RowGradients::ids`].
    pub fn values(&self) -> &[f32] {
        &self.values[..self.ids().len() * self.width]
    }

    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// Adds sums of later rows of the batch, each to that of its row. What is only in one of the two stays as it is, to the sign of
    /// its zeros.
    pub fn merge(&mut self, other: &Self) {
        self.add_sums(other.ids(), other.values());
    }

    /// As [`merge`](Self::merge), of sums of distinct rows.
    pub fn add_sums(&mut self, ids: &[u32], values: &[f32]) {
        self.reserve(ids.len());
        for (&id, more) in ids.iter().zip(values.chunks_exact(self.width)) {
            let sum = self.sum(id);
            if sum.fresh {
                copy(more, sum.values);
            } else {
                add_scaled(1.0, more, sum.values);
            }
        }
    }

    /// Adds the gradient of a field's pooled rows, its columns of `gradient`. `lookup` reads the rows' values.
    pub fn add(&mut self, ids: &Ids, pooling: Pooling, gradient: &[f32], place: Place, lookup: Lookup) {
        self.reserve(ids.rows.len());
        if pooling == Pooling::Max {
            self.add_max(ids, gradient, place, lookup);
        } else {
            add_lists(self, ids, pooling, gradient, place);
        }
    }

    fn add_max(&mut self, ids: &Ids, gradient: &[f32], place: Place, lookup: Lookup) {
        let mut winners = std::mem::take(&mut self.winners);
        for b in 0..ids.len() {
            let gradient = &gradient[b * place.stride + place.at..][..place.width];
            let list = &ids.rows[ids.list(b)];
            arg_max(lookup, list, &mut self.spare, &mut self.best, &mut winners);
            for (e, &id) in list.iter().enumerate() {
                let won = |winner: &u32| *winner as usize == e;
                if !winners.iter().any(won) {
                    continue;
                }
                let sum = self.sum(id);
                if sum.fresh {
                    sum.values.fill(0.0);
                }
                let coordinates = sum.values.iter_mut().zip(gradient).zip(&winners);
                coordinates.filter(|(_, winner)| won(winner)).for_each(|((sum, g), _)| *sum += g);
            }
        }
        self.winners = winners;
    }

    /// Makes room for so many more distinct rows.
    fn reserve(&mut self, more: usize) {
        let rows = self.ids().len() + more;
        self.rows.reserve(more);
        if self.values.len() < rows * self.width {
            self.values.resize(rows * self.width, 0.0);
        }
    }

    #[inline(always)]
    fn sum(&mut self, id: u32) -> Sum<'_> {
        let (place, fresh) = self.rows.place(id);
        Sum { values: &mut self.values[place as usize * self.width..][..self.width], fresh }
    }
}

kernel! {
    fn add_lists(
        _simd: S,
        sums: &mut RowGradients,
        ids: &Ids,
        pooling: Pooling,
        gradient: &[f32],
        place: Place,
    ) {
        for b in 0..ids.len() {
            let gradient = &gradient[b * place.stride + place.at..][..place.width];
            let list = ids.list(b);
            let share = if pooling == Pooling::Mean { 1.0 / list.len() as f32 } else { 1.0 };
            for e in list {
                let factor = match &ids.weights {
                    Some(weights) => weights[e],
                    None => share,
                };
                let sum = sums.sum(ids.rows[e]);
                if sum.fresh {
                    scale(factor, gradient, sum.values);
                } else {
                    add_scaled(factor, gradient, sum.values);
                }
            }
        }
    }
}
