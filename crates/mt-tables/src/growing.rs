//! Which key has which row: sightings, admission, eviction.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use hashbrown::HashTable;
use mt_kernels::counter::mix;

use crate::growth::{Growth, RESERVED};
use crate::ids::{Ids, Keys};
use crate::prefetch::{BURST, prefetch};

/// What is kept of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub key: u64,
    /// The step that last saw it.
    pub last: u64,
    /// Sightings until it got a row; 0 for a slot that is free.
    pub count: u32,
}

/// Set in the number of a slot whose key waits; others are rows of the table.
const WAITS: u32 = 1 << 31;

/// In the place of a slot's number: the key has none, as there was no room to wait. It may get one in the same step.
const NOWHERE: u32 = u32::MAX;

/// Of the keys, the share forgotten at once where there is no room: to find the oldest takes a pass over all of them.
const SHARE: usize = 16;

/// The keys of a table that grows.
///
/// Everything follows from the training batches in their order: a row is the smallest that is free, the oldest key
/// the smallest of those last seen equally long ago.
#[derive(Debug)]
pub(crate) struct Growing {
    growth: Growth,
    capacity: usize,
    /// Training steps so far.
    clock: u64,
    /// By row, up to the largest that was ever given.
    rows: Vec<Slot>,
    /// Rows below that are free.
    free: BinaryHeap<Reverse<u32>>,
    waiting: Vec<Slot>,
    free_waiting: Vec<u32>,
    index: HashTable<u32>,
    listed: Listed,
    changes: Changes,
    /// The last step that found no row of an older key to evict, and no older key that waits.
    full: [Option<u64>; 2],
    /// Keys that got and lost a row in this epoch.
    pub admitted: u64,
    pub evicted: u64,
}

/// Where the keys of the list that training reads were last found: a guess, which the key in the slot confirms.
#[derive(Debug, Default)]
struct Listed {
    keys: Keys,
    slots: Vec<u32>,
}

/// Rows whose keys changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Rows that lost their keys.
    pub evicted: Vec<u32>,
    /// Rows that got one, after that.
    pub admitted: Vec<(u32, u64)>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.evicted.is_empty() && self.admitted.is_empty()
    }
}

/// All that is to be known of the keys, in an order that does not depend on how they came to be there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SavedKeys {
    pub clock: u64,
    pub admitted: u64,
    pub evicted: u64,
    /// By ascending row.
    pub rows: Vec<(u32, Slot)>,
    /// By ascending key.
    pub waiting: Vec<Slot>,
}

impl Growing {
    /// With so many rows for keys.
    pub fn new(growth: Growth, capacity: usize) -> Self {
        Self {
            growth,
            capacity,
            clock: 0,
            rows: vec![Slot::default(); RESERVED as usize],
            free: BinaryHeap::new(),
            waiting: Vec::new(),
            free_waiting: Vec::new(),
            index: HashTable::new(),
            listed: Listed::default(),
            changes: Changes::default(),
            full: [None; 2],
            admitted: 0,
            evicted: 0,
        }
    }

    /// Forgets all keys.
    pub fn reset(&mut self) {
        *self = Self::new(self.growth, self.capacity);
    }

    /// Rows that belong to a key.
    pub fn in_use(&self) -> usize {
        self.rows.len() - RESERVED as usize - self.free.len()
    }

    /// Keys without a row that are counted.
    pub fn waiting(&self) -> usize {
        self.waiting.len() - self.free_waiting.len()
    }

    /// Bytes that are kept of keys: slots, and entries of the index.
    pub fn bytes(&self) -> usize {
        (self.in_use() + self.waiting()) * (size_of::<Slot>() + size_of::<u32>() + 1)
    }

    /// Counts the ids of a training step, and admits keys. Gives the rows of each, and those that changed their keys.
    pub fn admit(&mut self, ids: &[&Ids]) -> (Vec<Vec<u32>>, Changes) {
        self.begin();
        let mut found: Vec<Vec<u32>> = ids.iter().map(|ids| self.sight(ids)).collect();
        // A key that was admitted by a later sighting in this step has its row in all of the step.
        for (ids, found) in ids.iter().zip(&mut found) {
            for (&id, slot) in ids.rows.iter().zip(found).filter(|(_, slot)| **slot & WAITS != 0) {
                *slot = ids.key(id).map_or(0, |key| self.row(key));
            }
        }
        (found, self.take_changes())
    }

    /// Begins a training step, of keys that are [counted](Self::count) one by one.
    pub fn begin(&mut self) {
        self.clock += 1;
    }

    /// Counts all sightings of a key in a step.
    pub fn count(&mut self, key: u64, count: u32) {
        self.sighted(key, 0, count);
    }

    /// The rows that changed their keys since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// The slots of some ids, each counted.
    fn sight(&mut self, ids: &Ids) -> Vec<u32> {
        let Some(keys) = &ids.keys else { return ids.rows.clone() };
        let mut listed = std::mem::take(&mut self.listed);
        if !Arc::ptr_eq(&listed.keys, keys) {
            listed = Listed { keys: keys.clone(), slots: vec![0; keys.len()] };
        }
        let mut found = Vec::with_capacity(ids.rows.len());
        for (e, &id) in ids.rows.iter().enumerate() {
            // A guess of the far row, whose slot is then fetched while the nearer ones are counted.
            if let Some(at) = ids.rows.get(e + 2 * BURST).and_then(|id| id.checked_sub(RESERVED)) {
                prefetch(&listed.slots[at as usize..][..1]);
                prefetch(&keys[at as usize..][..1]);
            }
            if let Some(at) = ids.rows.get(e + BURST).and_then(|id| id.checked_sub(RESERVED))
                && let Some(slot) = self.rows.get(listed.slots[at as usize] as usize)
            {
                prefetch(std::slice::from_ref(slot));
            }
            found.push(match id.checked_sub(RESERVED) {
                None => id,
                Some(at) => {
                    let at = at as usize;
                    listed.slots[at] = self.sighted(keys[at], listed.slots[at], 1);
                    listed.slots[at]
                }
            });
        }
        self.listed = listed;
        found
    }

    /// Counts sightings of a key, which was last found in slot `guess`.
    fn sighted(&mut self, key: u64, guess: u32, count: u32) -> u32 {
        let (clock, admit) = (self.clock, self.growth.admit);
        let n = match self.slot(guess) {
            Some(slot) if slot.count > 0 && slot.key == key => guess,
            _ => match self.find(key).or_else(|| self.add_waiting(Slot { key, last: clock, count: 0 })) {
                Some(n) => n,
                None => return NOWHERE,
            },
        };
        let Some(slot) = self.slot_mut(n) else { return n };
        slot.last = clock;
        if n & WAITS == 0 {
            return n;
        }
        slot.count = slot.count.saturating_add(count);
        if slot.count < admit {
            return n;
        }
        let slot = *slot;
        let Some(row) = self.take_row() else { return n };
        self.forget(n);
        self.put(row, slot);
        self.changes.admitted.push((row, key));
        self.admitted += 1;
        row
    }

    /// The row of a key, 0 where it has none.
    pub fn row(&self, key: u64) -> u32 {
        self.find(key).filter(|n| n & WAITS == 0).unwrap_or(0)
    }

    /// The rows of some ids, of which nothing is counted.
    pub fn rows_of(&self, ids: &Ids) -> Vec<u32> {
        let Some(keys) = &ids.keys else { return ids.rows.clone() };
        let guesses = if Arc::ptr_eq(&self.listed.keys, keys) { &self.listed.slots[..] } else { &[] };
        let row = |&id: &u32| {
            let Some(at) = id.checked_sub(RESERVED) else { return id };
            let (key, guess) = (keys[at as usize], guesses.get(at as usize).copied().unwrap_or(0));
            match self.rows.get(guess as usize) {
                Some(slot) if slot.count > 0 && slot.key == key => guess,
                _ => self.row(key),
            }
        };
        ids.rows.iter().map(row).collect()
    }

    /// Whether a row belongs to a key, or to none by definition.
    pub fn is_row(&self, row: u32) -> bool {
        row < RESERVED || self.rows.get(row as usize).is_some_and(|slot| slot.count > 0)
    }

    /// Ends an epoch: forgets keys that were not seen for too long.
    pub fn expire(&mut self) {
        let before = self.growth.ttl.and_then(|ttl| self.clock.checked_sub(ttl));
        let Some(before) = before else { return };
        for slots in [0, WAITS] {
            let old = self.seen_before(slots, before + 1);
            self.evict(old.into_iter().map(|(_, _, n)| n));
        }
    }

    fn slot(&self, n: u32) -> Option<&Slot> {
        let slots = if n & WAITS == 0 { &self.rows } else { &self.waiting };
        slots.get((n & !WAITS) as usize)
    }

    fn slot_mut(&mut self, n: u32) -> Option<&mut Slot> {
        let slots = if n & WAITS == 0 { &mut self.rows } else { &mut self.waiting };
        slots.get_mut((n & !WAITS) as usize)
    }

    fn find(&self, key: u64) -> Option<u32> {
        self.index.find(mix(key), |&n| self.slot(n).is_some_and(|slot| slot.key == key)).copied()
    }

    /// Puts a key that is not there into a slot that is free.
    fn put(&mut self, n: u32, slot: Slot) {
        let Self { rows, waiting, index, .. } = self;
        let slots = if n & WAITS == 0 { &mut *rows } else { &mut *waiting };
        slots[(n & !WAITS) as usize] = slot;
        let key =
            |&n: &u32| if n & WAITS == 0 { rows[n as usize].key } else { waiting[(n & !WAITS) as usize].key };
        index.insert_unique(mix(slot.key), n, |n| mix(key(n)));
    }

    /// Frees a slot.
    fn forget(&mut self, n: u32) {
        let Some(key) = self.slot(n).map(|slot| slot.key) else { return };
        if let Ok(entry) = self.index.find_entry(mix(key), |&other| other == n) {
            entry.remove();
        }
        if let Some(slot) = self.slot_mut(n) {
            *slot = Slot::default();
        }
        match n & WAITS {
            0 => self.free.push(Reverse(n)),
            _ => self.free_waiting.push(n),
        }
    }

    fn evict(&mut self, slots: impl IntoIterator<Item = u32>) {
        for n in slots {
            self.forget(n);
            if n & WAITS == 0 {
                self.changes.evicted.push(n);
                self.evicted += 1;
            }
        }
    }

    /// A key that waits from now on. As many may wait as there are rows, so that keys that never come again do not
    /// fill the memory; `None` where all were seen in this very step.
    fn add_waiting(&mut self, slot: Slot) -> Option<u32> {
        if self.waiting() >= self.capacity && !self.evict_oldest(WAITS) {
            return None;
        }
        let n = self.free_waiting.pop().unwrap_or_else(|| {
            self.waiting.push(Slot::default());
            (self.waiting.len() as u32 - 1) | WAITS
        });
        self.put(n, slot);
        Some(n)
    }

    /// A row for a key; `None` where all belong to keys of this very step.
    fn take_row(&mut self) -> Option<u32> {
        if self.in_use() == self.capacity && !self.evict_oldest(0) {
            return None;
        }
        Some(match self.free.pop() {
            Some(Reverse(row)) => row,
            None => {
                self.rows.push(Slot::default());
                self.rows.len() as u32 - 1
            }
        })
    }

    /// Evicts a share of the rows, or of the keys that wait: those not seen for longest, and none that this step saw.
    /// Whether there were any.
    fn evict_oldest(&mut self, slots: u32) -> bool {
        let kind = usize::from(slots == WAITS);
        if self.full[kind] == Some(self.clock) {
            return false;
        }
        let mut old = self.seen_before(slots, self.clock);
        let share = self.capacity.div_ceil(SHARE);
        if share < old.len() {
            old.select_nth_unstable(share);
            old.truncate(share);
        }
        if old.is_empty() {
            self.full[kind] = Some(self.clock);
            return false;
        }
        self.evict(old.into_iter().map(|(_, _, n)| n));
        true
    }

    /// The rows, or the keys that wait, not seen since step `before`: last step, key, slot.
    fn seen_before(&self, slots: u32, before: u64) -> Vec<(u64, u64, u32)> {
        let (all, number) = if slots == 0 { (&self.rows, 0) } else { (&self.waiting, WAITS) };
        let old = (number..).zip(all).filter(|(_, slot)| slot.count > 0 && slot.last < before);
        old.map(|(n, slot)| (slot.last, slot.key, n)).collect()
    }

    pub fn save(&self) -> SavedKeys {
        let live = |slot: &Slot| slot.count > 0;
        let mut waiting: Vec<Slot> = self.waiting.iter().filter(|slot| live(slot)).copied().collect();
        waiting.sort_unstable_by_key(|slot| slot.key);
        SavedKeys {
            clock: self.clock,
            admitted: self.admitted,
            evicted: self.evicted,
            rows: (0..).zip(&self.rows).filter(|(_, slot)| live(slot)).map(|(n, slot)| (n, *slot)).collect(),
            waiting,
        }
    }

    /// The keys that were saved; rows and keys must each be there once, in order.
    pub fn restore(&mut self, saved: SavedKeys) {
        self.reset();
        (self.clock, self.admitted, self.evicted) = (saved.clock, saved.admitted, saved.evicted);
        for (row, slot) in saved.rows {
            let free = self.rows.len() as u32..row;
            self.free.extend(free.map(Reverse));
            self.rows.resize(row as usize + 1, Slot::default());
            self.put(row, slot);
        }
        for slot in saved.waiting {
            self.waiting.push(Slot::default());
            self.put((self.waiting.len() as u32 - 1) | WAITS, slot);
        }
    }
}
