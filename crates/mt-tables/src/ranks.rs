//! The ranks that share tables.

use std::sync::Arc;

use mt_dist::Collective;

use crate::owned::{Owned, Owners};

/// The other ranks, and who keeps which rows.
#[derive(Debug)]
pub(crate) struct Ranks {
    pub collective: Arc<dyn Collective>,
    pub owners: Owners,
}

impl Ranks {
    /// `None` where there is only one.
    pub fn new(collective: Arc<dyn Collective>) -> Option<Self> {
        let ranks = collective.size();
        (ranks > 1).then(|| Self { collective, owners: Owners::new(ranks) })
    }

    /// The rows that this one keeps.
    pub fn owned(&self) -> Owned {
        Owned::of(self.collective.rank(), self.collective.size())
    }
}
