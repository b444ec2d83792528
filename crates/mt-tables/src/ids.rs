//! The ids of one field in a batch.

use std::ops::Range;
use std::sync::Arc;

use crate::field::Pooling;
use crate::growth::RESERVED;

/// Keys of a data set, each once: ids `2..` of a table that grows are numbers in such a list, plus 2.
pub type Keys = Arc<Vec<u64>>;

/// The ids of one field for `B` rows of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ids {
    /// `B + 1` positions in `rows`, from 0: the list of batch row `b` is `offsets[b]..offsets[b + 1]`. `None` if each
    /// batch row has exactly one id.
    pub offsets: Option<Vec<u32>>,
    /// Table rows, from 0; where there are `keys`, numbers of these.
    pub rows: Vec<u32>,
    /// Weight of each id, for [`Pooling::WeightedSum`] and only there. No gradient is computed for it.
    pub weights: Option<Vec<f32>>,
    /// For a table that grows: `rows` 0 and 1 are the table's own, `2 + i` stands for the key `keys[i]`. The same list in
    /// every batch of training saves looking keys up.
    pub keys: Option<Keys>,
}

impl Ids {
    /// Exactly one id a batch row.
    pub fn single(rows: Vec<u32>) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Number of batch rows `B`.
    pub fn len(&self) -> usize {
        self.offsets.as_ref().map_or(self.rows.len(), |offsets| offsets.len().saturating_sub(1))
    }

    /// Whether there is no batch row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Positions of the list of one batch row.
    #[inline(always)]
    pub(crate) fn list(&self, row: usize) -> Range<usize> {
        self.lists(row..row + 1)
    }

    /// Positions of the lists of consecutive batch rows.
    #[inline(always)]
    pub(crate) fn lists(&self, rows: Range<usize>) -> Range<usize> {
        match &self.offsets {
            Some(offsets) => offsets[rows.start] as usize..offsets[rows.end] as usize,
            None => rows,
        }
    }

    /// The key that an id stands for.
    pub(crate) fn key(&self, id: u32) -> Option<u64> {
        self.keys.as_ref()?.get(id.checked_sub(RESERVED)? as usize).copied()
    }

    /// The largest id, `None` without any. A fold instead of `max`: it vectorises.
    pub(crate) fn largest(&self) -> Option<u32> {
        if self.rows.is_empty() { None } else { Some(self.rows.iter().fold(0, |m, &id| id.max(m))) }
    }

    /// Why the parts do not belong together, if so.
    pub(crate) fn problem(&self, pooling: Pooling) -> Option<String> {
        let n = self.rows.len();
        if let Some(offsets) = &self.offsets {
            let ends = (offsets.first().copied(), offsets.last().map(|&end| end as usize));
            if ends != (Some(0), Some(n)) || !offsets.is_sorted() {
                return Some(format!("offsets that do not rise from 0 to the number of ids, {n}"));
            }
        }
        match (&self.weights, pooling) {
            (Some(weights), Pooling::WeightedSum) if weights.len() != n => {
                Some(format!("{} weights of {n} ids", weights.len()))
            }
            (None, Pooling::WeightedSum) => Some("pooled by weight, but has no weights".to_owned()),
            (Some(_), Pooling::Sum | Pooling::Mean | Pooling::Max | Pooling::Sequence) => {
                Some("weights, but is not pooled by weight".to_owned())
            }
            _ => None,
        }
    }
}
