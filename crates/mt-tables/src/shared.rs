//! The tables that clones of [`Embeddings`](crate::Embeddings) share.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::error::Error;
use crate::ids::Ids;
use crate::placed::{FieldEntry, Placed};
use crate::scatter::RowGradients;
use crate::table::Table;

#[derive(Debug)]
pub(crate) struct Shared {
    pub tables: Vec<Entry>,
    pub placed: Arc<Placed>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub name: String,
    pub table: RwLock<Table>,
    pub gradients: Mutex<RowGradients>,
}

impl Shared {
    /// Rows in the place of keys.
    pub fn rows_of(&self, placed: &Placed, ids: Arc<[Ids]>) -> Result<Arc<[Ids]>, Error> {
        if !placed.grows {
            return Ok(ids);
        }
        let of_field = |(entry, ids): (&FieldEntry, &Ids)| {
            let rows = read(&self.tables[entry.table].table).rows_of(ids).ok_or_else(|| Error::Ids {
                field: entry.field.name.clone(),
                problem: "rows that belong to no key".to_owned(),
            })?;
            Ok(Ids { rows, keys: None, ..ids.clone() })
        };
        placed.fields.iter().zip(ids.iter()).map(of_field).collect()
    }
}

pub(crate) fn read(table: &RwLock<Table>) -> std::sync::RwLockReadGuard<'_, Table> {
    table.read().unwrap_or_else(PoisonError::into_inner)
}
