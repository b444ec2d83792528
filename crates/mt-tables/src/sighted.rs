//! The keys of a step, each once, with how often it is there.

use std::sync::Arc;

use hashbrown::HashTable;
use mt_kernels::counter::mix;

use crate::distinct::Distinct;
use crate::growth::RESERVED;
use crate::ids::{Ids, Keys};

/// Distinct keys in the order of their first sighting.
#[derive(Debug, Default)]
pub(crate) struct Sighted {
    keys: Vec<u64>,
    counts: Vec<u32>,
    index: HashTable<u32>,
    listed: Option<Listed>,
}

/// The list that ids are numbers of.
#[derive(Debug)]
struct Listed {
    keys: Keys,
    /// Ids that were there.
    ids: Distinct,
    /// The place of each one's key.
    places: Vec<u32>,
}

impl Sighted {
    /// Counts a key so often more; its place here.
    pub fn add(&mut self, key: u64, count: u32) -> u32 {
        let Self { keys, counts, index, .. } = self;
        let new = keys.len() as u32;
        let entry = index.entry(mix(key), |&at| keys[at as usize] == key, |&at| mix(keys[at as usize]));
        let at = *entry.or_insert(new).get();
        if at == new {
            keys.push(key);
            counts.push(0);
        }
        counts[at as usize] = counts[at as usize].saturating_add(count);
        at
    }

    /// Counts the keys of a field. Comes out the place of each id's key, plus 2, where there are keys.
    pub fn take(&mut self, ids: &Ids) -> Vec<u32> {
        let Some(keys) = &ids.keys else { return ids.rows.clone() };
        let mut listed = match self.listed.take() {
            Some(listed) if Arc::ptr_eq(&listed.keys, keys) => listed,
            _ => Listed { keys: keys.clone(), ids: Distinct::default(), places: Vec::new() },
        };
        listed.ids.reserve(ids.rows.len());
        let mut place = |&id: &u32| {
            let Some(at) = id.checked_sub(RESERVED) else { return id };
            let (n, new) = listed.ids.place(id);
            if new {
                listed.places.push(self.add(keys[at as usize], 0));
            }
            let place = listed.places[n as usize];
            self.counts[place as usize] = self.counts[place as usize].saturating_add(1);
            place + RESERVED
        };
        let found = ids.rows.iter().map(&mut place).collect();
        self.listed = Some(listed);
        found
    }

    /// The keys, by their places.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// Keys with how often they are there.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.keys.iter().copied().zip(self.counts.iter().copied())
    }
}
