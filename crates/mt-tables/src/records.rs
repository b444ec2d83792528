//! Rows of a table with what the optimizer keeps for them, as an update writes them.

use crate::lookup::Values;
use crate::prefetch::prefetch;
use crate::rounding::by_chance;
use crate::start::Start;
use crate::storage::Storage;

/// What an update writes.
pub(crate) struct Records<'a> {
    pub records: &'a mut [f32],
    pub sums: &'a mut [f32],
    pub stride: usize,
    pub storage: Storage,
    pub seen: &'a mut [u64],
    pub start: Start,
}

/// A row to be updated.
pub(crate) struct Row<'a> {
    id: u32,
    start: Start,
    storage: Storage,
    /// The words of its values.
    words: &'a mut [f32],
    /// What the optimizer keeps for each of them.
    state: &'a mut [f32],
    /// What it keeps for the row.
    sum: Option<&'a mut f32>,
    /// Whether it was never updated.
    fresh: bool,
}

impl Records<'_> {
    /// Fetches a record that will be updated soon.
    #[inline(always)]
    pub fn prefetch(&self, id: u32) {
        prefetch(&self.seen[id as usize / 64..][..1]);
        prefetch(&self.records[id as usize * self.stride..][..self.stride]);
    }

    /// A row to be updated.
    #[inline(always)]
    pub fn row(&mut self, id: u32, width: usize) -> Row<'_> {
        let record = &mut self.records[id as usize * self.stride..][..self.stride];
        let (words, state) = record.split_at_mut(self.storage.words(width));
        let (word, bit) = (&mut self.seen[id as usize / 64], 1 << (id % 64));
        let fresh = *word & bit == 0;
        // A word that is only read stays in the caches of both processors.
        if fresh {
            *word |= bit;
        }
        let sum = self.sums.get_mut(id as usize);
        Row { id, start: self.start, storage: self.storage, words, state, sum, fresh }
    }
}

impl Row<'_> {
    /// The values in single precision, the state and the accumulator, to be changed. Before the first update the values are
    /// where they start. `spare` has room for a row in half precision, which is put back by [`Row::close`].
    #[inline(always)]
    pub fn open<'a>(
        &'a mut self,
        spare: &'a mut [f32],
    ) -> (&'a mut [f32], &'a mut [f32], Option<&'a mut f32>) {
        let values = match self.storage {
            Storage::F32 => &mut *self.words,
            Storage::F16 => {
                Values::F16(bytemuck::cast_slice(self.words)).widen(0, 0, spare);
                spare
            }
            Storage::Bf16 => {
                Values::Bf16(bytemuck::cast_slice(self.words)).widen(0, 0, spare);
                spare
            }
        };
        if self.fresh {
            self.start.fill_row(self.id, values);
        }
        (values, self.state, self.sum.as_deref_mut())
    }

    /// Rounds a row in half precision by the chance of update number `step`.
    #[inline(always)]
    pub fn close(self, step: u64, spare: &[f32]) {
        if self.storage != Storage::F32 {
            let key = self.start.chance(self.id, step);
            by_chance(self.storage, spare, key, bytemuck::cast_slice_mut(self.words));
        }
    }
}
