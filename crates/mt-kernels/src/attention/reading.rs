//! What reads lists, as far as a chunk of rows is concerned.

use std::ops::Range;

use super::activation::{Kept, Room, Sums, backward_list, forward_list};

/// Rows with their lists.
pub struct Rows<'a> {
    /// The candidate of each, `(B, S)`.
    pub queries: &'a [f32],
    /// The values of their lists, one list after the other, `(N, S)`.
    pub values: &'a [f32],
    /// Where each list begins, and the last one ends, `B + 1` of them; the first need not be 0.
    pub offsets: &'a [u32],
}

impl Rows<'_> {
    /// How many rows `B`.
    pub fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The values of row `b`.
    pub fn list(&self, b: usize) -> Range<usize> {
        let at = |b: usize| (self.offsets[b] - self.offsets[0]) as usize;
        at(b)..at(b + 1)
    }
}

/// Where gradients of rows go.
pub struct ToRows<'a> {
    /// Written, `(B, S)`.
    pub queries: &'a mut [f32],
    /// Added to, or written where it is `fresh`, `(N, S)`.
    pub values: &'a mut [f32],
    /// Whether `values` holds anything yet.
    pub fresh: bool,
}

/// Arithmetic that makes of rows with lists one vector each, with parameters that it holds.
pub trait Reading: Sync {
    /// Gradients of the parameters, summed over rows.
    type Sums: Send;

    /// Whether a row without values says anything.
    const ALONE: bool;

    /// Multiply-adds of so many rows and values, about.
    fn products(&self, rows: usize, values: usize) -> usize;

    /// Writes what the rows become to `out` `(B, S)`.
    fn forward(&self, rows: &Rows<'_>, out: &mut [f32]);

    /// Sums of nothing.
    fn sums(&self) -> Self::Sums;

    /// Hands on the gradient `(B, S)` of what the rows become.
    fn backward(&self, rows: &Rows<'_>, gradient: &[f32], to: ToRows<'_>, sums: &mut Self::Sums);

    /// The sums of all chunks, one after the other, in the order and shapes of the parameters.
    fn gradients(&self, chunks: &[Self::Sums]) -> Vec<Vec<f32>>;
}

/// A list at a time. An empty one becomes zeros.
impl Reading for Kept<'_> {
    type Sums = Sums;

    const ALONE: bool = false;

    fn products(&self, _: usize, values: usize) -> usize {
        values * self.width * self.hidden
    }

    fn forward(&self, rows: &Rows<'_>, out: &mut [f32]) {
        let (width, mut room) = (self.width, Room::new(self.width, self.hidden));
        for (b, out) in out.chunks_exact_mut(width).enumerate() {
            let list = rows.list(b);
            if list.is_empty() {
                out.fill(0.0);
                continue;
            }
            room.query.copy_from_slice(&rows.queries[b * width..][..width]);
            forward_list(self, &rows.values[list.start * width..list.end * width], &mut room);
            out.copy_from_slice(&room.pooled);
        }
    }

    fn sums(&self) -> Sums {
        Sums::new(self.width, self.hidden)
    }

    fn backward(&self, rows: &Rows<'_>, gradient: &[f32], to: ToRows<'_>, sums: &mut Sums) {
        let (width, mut room) = (self.width, Room::new(self.width, self.hidden));
        for (b, to_query) in to.queries.chunks_exact_mut(width).enumerate() {
            let list = rows.list(b);
            if list.is_empty() {
                to_query.fill(0.0);
                continue;
            }
            let list = list.start * width..list.end * width;
            room.query.copy_from_slice(&rows.queries[b * width..][..width]);
            room.pooled.copy_from_slice(&gradient[b * width..][..width]);
            backward_list(self, &rows.values[list.clone()], &mut to.values[list], to.fresh, &mut room, sums);
            to_query.copy_from_slice(&room.to_query);
        }
    }

    fn gradients(&self, chunks: &[Sums]) -> Vec<Vec<f32>> {
        let mut all = self.sums();
        chunks.iter().for_each(|sums| all.add(sums));
        all.gradients()
    }
}
