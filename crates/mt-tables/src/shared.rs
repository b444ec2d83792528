//! The tables that clones of [`Embeddings`](crate::Embeddings) share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::config::TableConfig;
use crate::error::Error;
use crate::fetched::Fetched;
use crate::ids::Ids;
use crate::lookup::Lookup;
use crate::owned::Owners;
use crate::part::Part;
use crate::placed::{FieldEntry, Placed};
use crate::ranks::Share;
use crate::scatter::RowGradients;
use crate::table::Table;

#[derive(Debug)]
pub(crate) struct Shared {
    pub tables: Vec<Entry>,
    pub placed: Arc<Placed>,
    pub share: Share,
}

/// A table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub name: String,
    /// Of the whole table.
    pub cfg: TableConfig,
    /// Whose its rows are.
    pub owners: Owners,
    /// The rows that this rank keeps: all where there is no other.
    table: RwLock<Table>,
    /// By what lookups read: rows of the table, or of what was fetched.
    gradients: Mutex<RowGradients>,
    /// The rows of a step, from whoever keeps them.
    fetched: Option<RwLock<Fetched>>,
}

/// What lookups read, held.
pub(crate) enum Held<'a> {
    Table(RwLockReadGuard<'a, Table>),
    Fetched(RwLockReadGuard<'a, Fetched>, RwLockReadGuard<'a, Table>),
}

impl Held<'_> {
    pub fn lookup(&self) -> Lookup<'_> {
        match self {
            Self::Table(table) => table.lookup(),
            Self::Fetched(rows, table) => rows.lookup(table.lookup()),
        }
    }

    /// Updates of the table so far.
    pub fn steps(&self) -> u64 {
        match self {
            Self::Table(table) | Self::Fetched(.., table) => table.steps,
        }
    }
}

impl Entry {
    pub fn new(name: String, cfg: TableConfig, seed: u64, part: Part) -> Result<Self, Error> {
        let table = RwLock::new(Table::new(&name, cfg, seed, part)?);
        let gradients = Mutex::new(RowGradients::new(cfg.width));
        let fetched = (part.ranks > 1).then(|| RwLock::new(Fetched::new(cfg.width)));
        Ok(Self { name, cfg, owners: part.owners(cfg), table, gradients, fetched })
    }

    pub fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn gradients(&self) -> MutexGuard<'_, RowGradients> {
        self.gradients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of a step, of a table that several ranks share.
    pub fn fetched(&self) -> Option<&RwLock<Fetched>> {
        self.fetched.as_ref()
    }

    pub fn held(&self) -> Held<'_> {
        match &self.fetched {
            None => Held::Table(self.table()),
            Some(rows) => Held::Fetched(rows.read().unwrap_or_else(PoisonError::into_inner), self.table()),
        }
    }
}

impl Shared {
    /// Rows in the place of keys.
    pub fn rows_of(&self, placed: &Placed, ids: Arc<[Ids]>) -> Result<Arc<[Ids]>, Error> {
        // Those of other ranks were found when they were fetched.
        if !placed.grows || self.share.is_shared() {
            return Ok(ids);
        }
        let of_field = |(entry, ids): (&FieldEntry, &Ids)| {
            let rows = self.tables[entry.table].table().rows_of(ids).ok_or_else(|| Error::Ids {
                field: entry.field.name.clone(),
                problem: "rows that belong to no key".to_owned(),
            })?;
            Ok(Ids { rows, keys: None, ..ids.clone() })
        };
        placed.fields.iter().zip(ids.iter()).map(of_field).collect()
    }
}
