//! Which part of tables a rank keeps.

use mt_dist::Shards;

use crate::buckets::{Buckets, Spans};
use crate::config::TableConfig;
use crate::owned::{Owned, Owners};

/// A rank's part of all tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub rank: usize,
    pub ranks: usize,
    /// Into how many a step is cut.
    pub shards: Shards,
}

impl Part {
    /// How the keys of a table fall into buckets; `None` of one that does not grow.
    pub fn spans(self, cfg: TableConfig) -> Option<Spans> {
        cfg.growth.map(|_| Spans::new(cfg.rows, self.shards))
    }

    /// Its keys of a table that grows, none of them known yet.
    pub fn keys(self, cfg: TableConfig) -> Option<Buckets> {
        Some(Buckets::new(cfg.growth?, self.spans(cfg)?, self.rank, self.ranks))
    }

    /// Its rows of a table.
    pub fn owned(self, cfg: TableConfig) -> Owned {
        match self.spans(cfg) {
            Some(spans) if self.ranks > 1 => {
                let rows = spans.rows_of_rank(self.rank, self.ranks);
                Owned::Rows { first: rows.start, end: rows.end }
            }
            Some(_) => Owned::All,
            None => Owned::of(self.rank, self.ranks),
        }
    }

    /// Whose the rows of a table are.
    pub fn owners(self, cfg: TableConfig) -> Owners {
        Owners::new(self.spans(cfg), self.ranks)
    }
}
