//! The keys of a table that grows, in buckets by their hash, each with rows of its own: what is admitted or evicted in one does not
//! depend on the others, so that each of several ranks keeps some of them.
//!
//! A table of a step that is not cut into shards has one bucket. Else keys are counted step by step: a key's sightings in all of a step
//! together, keys in the order of their first one, by shard, field and row.

use std::ops::Range;

use mt_dist::{Shards, mix};

use crate::growing::{Changes, Growing, SavedKeys, Slot};
use crate::growth::{Growth, RESERVED};
use crate::ids::Ids;
use crate::sighted::Sighted;

/// Rows of a bucket, at least: of so many the largest of 256 is a tenth fuller than the mean.
const ROWS: usize = 1024;

/// Buckets of a table, at most.
const MOST: usize = 256;

/// How a table's keys and rows fall into buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spans {
    buckets: Shards,
    /// Rows for keys.
    pub capacity: usize,
}

impl Spans {
    /// Of a table of so many `rows`, those that belong to no key among them.
    pub fn new(rows: usize, shards: Shards) -> Self {
        let capacity = rows - RESERVED as usize;
        let most = (capacity / ROWS).clamp(1, MOST);
        let buckets = if shards == Shards::ONE { Shards::ONE } else { Shards::power(most.ilog2()) };
        Self { buckets, capacity }
    }

    /// The bucket of a key.
    pub fn bucket(self, key: u64) -> usize {
        // Other bits than those that order a hash table.
        (mix(key) >> 32) as usize & (self.buckets.count() - 1)
    }

    /// The rows of a bucket; those of no key are in the first.
    pub fn rows(self, bucket: usize) -> Range<u32> {
        let from = |bucket: usize| RESERVED + (self.capacity * bucket / self.buckets.count()) as u32;
        from(bucket)..from(bucket + 1)
    }

    /// The bucket of a row.
    fn of_row(self, row: u32) -> usize {
        let Some(at) = row.checked_sub(RESERVED) else { return 0 };
        let count = self.buckets.count();
        let guess = (at as usize * count / self.capacity).min(count - 1);
        if self.rows(guess).end <= row { guess + 1 } else { guess }
    }

    /// The rows that a rank keeps.
    pub fn rows_of_rank(self, rank: usize, ranks: usize) -> Range<u32> {
        let own = self.buckets.of(rank, ranks);
        let start = if own.start == 0 { 0 } else { self.rows(own.start).start };
        if own.is_empty() { 0..0 } else { start..self.rows(own.end - 1).end }
    }

    /// The rank that keeps a key.
    pub fn rank_of_key(self, key: u64, ranks: usize) -> usize {
        self.buckets.rank(self.bucket(key), ranks)
    }

    /// The rank that keeps a row.
    pub fn rank_of_row(self, row: u32, ranks: usize) -> usize {
        self.buckets.rank(self.of_row(row), ranks)
    }
}

/// Some of the buckets of a table.
#[derive(Debug)]
pub(crate) struct Buckets {
    pub spans: Spans,
    own: Range<usize>,
    of: Vec<Growing>,
}

impl Buckets {
    /// Those of a rank, without a key.
    pub fn new(growth: Growth, spans: Spans, rank: usize, ranks: usize) -> Self {
        let own = spans.buckets.of(rank, ranks);
        let of = own.clone().map(|bucket| Growing::new(growth, spans.rows(bucket).len())).collect();
        Self { spans, own, of }
    }

    /// Forgets all keys.
    pub fn reset(&mut self) {
        self.of.iter_mut().for_each(Growing::reset);
    }

    /// Makes rows of a bucket rows of the table.
    fn of_table(spans: Spans, bucket: usize, row: u32) -> u32 {
        if row < RESERVED { row } else { row - RESERVED + spans.rows(bucket).start }
    }

    fn changed(spans: Spans, bucket: usize, changes: Changes) -> Changes {
        let row = |row: u32| Self::of_table(spans, bucket, row);
        Changes {
            evicted: changes.evicted.into_iter().map(row).collect(),
            admitted: changes.admitted.into_iter().map(|(own, key)| (row(own), key)).collect(),
        }
    }

    /// Counts the ids of a training step, of a table of one bucket, see [`Growing::admit`].
    pub fn admit(&mut self, ids: &[&Ids]) -> (Vec<Vec<u32>>, Changes) {
        match &mut self.of[..] {
            [one] => one.admit(ids),
            _ => (ids.iter().map(|ids| ids.rows.clone()).collect(), Changes::default()),
        }
    }

    /// Begins a step, and counts the keys in it that are in these buckets. Gives the rows that changed their keys.
    pub fn count(&mut self, keys: &Sighted) -> Vec<Changes> {
        self.of.iter_mut().for_each(Growing::begin);
        for (key, count) in keys.iter() {
            if let Some(bucket) = self.spans.bucket(key).checked_sub(self.own.start)
                && let Some(own) = self.of.get_mut(bucket)
            {
                own.count(key, count);
            }
        }
        self.changes()
    }

    fn changes(&mut self) -> Vec<Changes> {
        let (spans, own) = (self.spans, self.own.clone());
        let taken =
            own.zip(&mut self.of).map(|(bucket, one)| Self::changed(spans, bucket, one.take_changes()));
        taken.filter(|changes| !changes.is_empty()).collect()
    }

    /// The row of a key, 0 where it has none.
    pub fn row(&self, key: u64) -> u32 {
        let bucket = self.spans.bucket(key);
        let own = bucket.checked_sub(self.own.start).and_then(|own| self.of.get(own));
        own.map_or(0, |own| Self::of_table(self.spans, bucket, own.row(key)))
    }

    /// The rows of some ids, of which nothing is counted.
    pub fn rows_of(&self, ids: &Ids) -> Vec<u32> {
        match (&self.of[..], &ids.keys) {
            ([one], _) if self.spans.buckets == Shards::ONE => one.rows_of(ids),
            (_, None) => ids.rows.clone(),
            (_, Some(_)) => ids.rows.iter().map(|&id| ids.key(id).map_or(id, |key| self.row(key))).collect(),
        }
    }

    /// Whether a row belongs to a key, or to none by definition.
    pub fn is_row(&self, row: u32) -> bool {
        let bucket = self.spans.of_row(row);
        let own = bucket.checked_sub(self.own.start).and_then(|own| self.of.get(own));
        row < RESERVED || own.is_some_and(|own| own.is_row(row - self.spans.rows(bucket).start + RESERVED))
    }

    /// Ends an epoch: forgets keys that were not seen for too long. Gives the rows that lost theirs.
    pub fn expire(&mut self) -> Vec<Changes> {
        self.of.iter_mut().for_each(Growing::expire);
        self.changes()
    }

    /// Rows in use, keys that wait, and bytes that are kept of both.
    pub fn sizes(&self) -> [usize; 3] {
        let sum = |size: fn(&Growing) -> usize| self.of.iter().map(size).sum();
        [sum(Growing::in_use), sum(Growing::waiting), sum(Growing::bytes)]
    }

    /// Keys that got and lost a row in this epoch, which then are counted anew.
    pub fn take_counts(&mut self) -> [u64; 2] {
        let take = |one: &mut Growing| [std::mem::take(&mut one.admitted), std::mem::take(&mut one.evicted)];
        self.of.iter_mut().map(take).fold([0; 2], |[a, b], [admitted, evicted]| [a + admitted, b + evicted])
    }

    pub fn save(&self) -> SavedKeys {
        let mut all = SavedKeys::default();
        for (bucket, one) in self.own.clone().zip(&self.of) {
            let SavedKeys { clock, admitted, evicted, rows, mut waiting } = one.save();
            (all.clock, all.admitted, all.evicted) = (clock, all.admitted + admitted, all.evicted + evicted);
            all.rows
                .extend(rows.into_iter().map(|(row, slot)| (Self::of_table(self.spans, bucket, row), slot)));
            all.waiting.append(&mut waiting);
        }
        all.waiting.sort_unstable_by_key(|slot| slot.key);
        all
    }

    /// The keys that were saved, of which those in other buckets are left out. A row must be one of its key's bucket, see
    /// [`Spans::settle`].
    pub fn restore(&mut self, saved: &SavedKeys) {
        let spans = self.spans;
        for (bucket, one) in self.own.clone().zip(&mut self.of) {
            let rows = spans.rows(bucket);
            let of_bucket = |slot: &&Slot| spans.bucket(slot.key) == bucket;
            let from = saved.rows.partition_point(|(row, _)| *row < rows.start);
            let own = saved.rows[from..].iter().take_while(|(row, _)| *row < rows.end);
            // What came and went in an epoch is counted in the first bucket alone.
            let (admitted, evicted) = if bucket == 0 { (saved.admitted, saved.evicted) } else { (0, 0) };
            one.restore(SavedKeys {
                clock: saved.clock,
                admitted,
                evicted,
                rows: own.map(|(row, slot)| (row - rows.start + RESERVED, *slot)).collect(),
                waiting: saved.waiting.iter().filter(of_bucket).copied().collect(),
            });
        }
    }
}

impl Spans {
    /// Gives each key that was saved with a row a row of its bucket: its own if that is one, else the smallest that is free; `None` for a
    /// key for which there is no room. Nothing moves that was saved with the same spans.
    pub fn settle(self, saved: &SavedKeys) -> Vec<Option<u32>> {
        let stays = |&(row, slot): &(u32, Slot)| self.rows(self.bucket(slot.key)).contains(&row);
        let mut taken: Vec<u32> = saved.rows.iter().filter(|one| stays(one)).map(|(row, _)| *row).collect();
        taken.sort_unstable();
        let mut free: Vec<_> = (0..self.buckets.count()).map(|bucket| self.rows(bucket)).collect();
        let place = |one: &(u32, Slot)| {
            if stays(one) {
                return Some(one.0);
            }
            let free = &mut free[self.bucket(one.1.key)];
            free.find(|row| taken.binary_search(row).is_err())
        };
        saved.rows.iter().map(place).collect()
    }
}
