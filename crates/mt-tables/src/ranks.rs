//! The ranks that share tables.

use std::sync::Arc;

use mt_dist::{Collective, Shards, Solo};

use crate::part::Part;

/// Who computes the shards of a step, and keeps the rows of tables.
#[derive(Debug, Clone)]
pub struct Share {
    /// The ranks, this one among them.
    pub ranks: Arc<dyn Collective>,
    /// Into how many shards a step is cut.
    pub shards: Shards,
}

impl Share {
    /// One rank alone, which passes each step as a whole.
    pub fn alone() -> Self {
        Self { ranks: Arc::new(Solo), shards: Shards::ONE }
    }

    pub(crate) fn part(&self) -> Part {
        Part { rank: self.ranks.rank(), ranks: self.ranks.size(), shards: self.shards }
    }

    /// Whether there are other ranks.
    pub(crate) fn is_shared(&self) -> bool {
        self.ranks.size() > 1
    }
}
