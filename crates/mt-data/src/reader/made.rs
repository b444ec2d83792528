//! What has been made of texts that stand for several records of a block, as those of a dictionary do.

#[cfg(feature = "parquet")]
use super::plan::Origin;
use super::plan::Plan;

/// A text is encoded, or looked up, for its first record; others take what that one has.
pub(super) struct Made {
    /// For each field and each text of its cell, the first record with it, counted from 1; 0 for none so far.
    fields: Vec<Vec<usize>>,
    /// For each join and each text of its key, the partner, if it has been looked for.
    partners: Vec<Vec<Option<Option<u32>>>>,
    /// For each text of the group's cell, its number.
    groups: Vec<Option<u32>>,
}

impl Made {
    pub fn new(plan: &Plan) -> Self {
        let (fields, partners) = (vec![Vec::new(); plan.fields.len()], vec![Vec::new(); plan.joins.len()]);
        Made { fields, partners, groups: Vec::new() }
    }

    /// Makes room for so many texts of the cell number `k`.
    #[cfg(feature = "parquet")]
    pub fn repeat(&mut self, plan: &Plan, k: u32, texts: usize) {
        let kept = Origin::Kept(k);
        let fields = plan.fields.iter().zip(&mut self.fields).filter(|(field, _)| field.origin == kept);
        fields.for_each(|(_, records)| records.resize(texts, 0));
        let joins = plan.joins.iter().zip(&mut self.partners).filter(|(join, _)| join.key == k);
        joins.for_each(|(_, partners)| partners.resize(texts, None));
        if plan.group == Some(kept) {
            self.groups.resize(texts, None);
        }
    }

    /// The record whose codes of a field are those of this text.
    #[inline]
    pub fn field(&self, field: usize, which: Option<u32>) -> Option<usize> {
        self.fields[field][which? as usize].checked_sub(1)
    }

    /// Says that the codes of this text are those of the last of `records` records.
    #[inline]
    pub fn keep_field(&mut self, field: usize, which: Option<u32>, records: usize) {
        if let Some(which) = which {
            self.fields[field][which as usize] = records;
        }
    }

    /// The partner of a key, by `find` if it is the first.
    #[inline]
    pub fn partner(
        &mut self,
        join: usize,
        which: Option<u32>,
        find: impl FnOnce() -> Option<u32>,
    ) -> Option<u32> {
        match which {
            None => find(),
            Some(which) => *self.partners[join][which as usize].get_or_insert_with(find),
        }
    }

    /// The number of a group, by `number` if it is the first.
    #[inline]
    pub fn group(&mut self, which: Option<u32>, number: impl FnOnce() -> u32) -> u32 {
        match which {
            None => number(),
            Some(which) => *self.groups[which as usize].get_or_insert_with(number),
        }
    }

    /// Forgets what was made of records behind the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.fields.iter_mut().flatten().filter(|record| **record > rows).for_each(|record| *record = 0);
    }
}
