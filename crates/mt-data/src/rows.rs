//! Rows to train on, wherever they are.

use mt_features::Table;

use crate::cache::Cached;
use crate::error::{Error, Result};

/// Rows to train on, in memory or on disk.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// All of them in a table.
    Table(&'a Table),
    /// In a cache (`data.cache`).
    Cached(&'a Cached),
}

impl<'a> Rows<'a> {
    /// How many.
    pub fn len(self) -> usize {
        match self {
            Self::Table(table) => table.len(),
            Self::Cached(cached) => cached.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of tasks.
    pub fn tasks(self) -> usize {
        match self {
            Self::Table(table) => table.tasks(),
            Self::Cached(cached) => cached.tasks(),
        }
    }

    /// The group of each row, where `data.group` is set.
    pub fn groups(self) -> Option<&'a [u32]> {
        match self {
            Self::Table(table) => table.groups(),
            Self::Cached(cached) => cached.groups(),
        }
    }

    /// Calls `f` with all rows in their order: one table, or block by block.
    ///
    /// # Errors
    /// If a block cannot be read, and those of `f`.
    pub fn each<E: From<Error>>(self, mut f: impl FnMut(&Table) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Table(table) => f(table),
            Self::Cached(cached) => cached.blocks()?.try_for_each(|block| f(&block?)),
        }
    }

    /// The rows `rows`, which ascend, with their groups.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn take(self, rows: &[u32]) -> Result<Table> {
        match self {
            Self::Table(table) => Ok(table.take(rows)),
            Self::Cached(cached) => cached.take(rows),
        }
    }

    /// The rows `rows`, each at most once, in any order.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn gather(self, rows: &[u32]) -> Result<Table> {
        match self {
            Self::Table(table) => Ok(table.take(rows)),
            Self::Cached(cached) => cached.draw(rows.to_vec(), vec![rows.len()]).batch(0..rows.len()),
        }
    }
}
