//! Fields, and their columns in what is looked up.

use crate::error::Error;
use crate::field::Field;
use crate::gather::Place;
use crate::growth::RESERVED;
use crate::ids::Ids;

/// The fields and their columns.
#[derive(Debug)]
pub(crate) struct Placed {
    pub fields: Vec<FieldEntry>,
    /// Columns of all fields.
    pub width: usize,
    /// Whether a table grows.
    pub grows: bool,
}

/// A field and its columns.
#[derive(Debug, Clone)]
pub(crate) struct FieldEntry {
    pub field: Field,
    pub table: usize,
    pub at: usize,
    pub width: usize,
    /// Rows of its table.
    pub rows: usize,
    /// Whether these belong to keys.
    pub grows: bool,
}

impl Placed {
    /// The fields of tables with these names, rows and widths.
    pub fn new(tables: &[(String, usize, usize, bool)], fields: Vec<Field>) -> Result<Self, Error> {
        let mut placed: Vec<FieldEntry> = Vec::with_capacity(fields.len());
        let mut at = 0;
        for field in fields {
            if placed.iter().any(|other| other.field.name == field.name) {
                let key = format!("fields.{}", field.name);
                return Err(Error::Config { key, problem: "named twice".to_owned() });
            }
            let Some(table) = tables.iter().position(|(name, ..)| *name == field.table) else {
                return Err(Error::UnknownTable { table: field.table });
            };
            let (_, rows, width, grows) = tables[table];
            placed.push(FieldEntry { field, table, at, width, rows, grows });
            at += width;
        }
        if placed.is_empty() {
            return Err(Error::Config { key: "fields".to_owned(), problem: "there is none".to_owned() });
        }
        Ok(Self { fields: placed, width: at, grows: tables.iter().any(|(.., grows)| *grows) })
    }

    /// Number of batch rows, if the ids fit the fields.
    pub fn check(&self, ids: &[Ids]) -> Result<usize, Error> {
        if ids.len() != self.fields.len() {
            let (expected, found) = (self.fields.len(), ids.len());
            return Err(Error::Count { what: "fields with ids", expected, found });
        }
        let rows = ids[0].len();
        for (entry, ids) in self.fields.iter().zip(ids) {
            let Field { name, table, pooling } = &entry.field;
            if let Some(problem) = ids.problem(*pooling) {
                return Err(Error::Ids { field: name.clone(), problem });
            }
            if ids.len() != rows {
                let problem = format!("{} batch rows, the fields before it have {rows}", ids.len());
                return Err(Error::Ids { field: name.clone(), problem });
            }
            let rows = match &ids.keys {
                Some(keys) if entry.grows => keys.len() + RESERVED as usize,
                Some(_) => {
                    let problem = format!("keys, but table {table:?} does not grow");
                    return Err(Error::Ids { field: name.clone(), problem });
                }
                None => entry.rows,
            };
            if let Some(row) = ids.largest().filter(|&id| id as usize >= rows) {
                let (field, table) = (name.clone(), table.clone());
                return Err(Error::RowOutOfRange { field, table, row, rows });
            }
        }
        Ok(rows)
    }
}

impl FieldEntry {
    pub fn place(&self, stride: usize) -> Place {
        Place { at: self.at, width: self.width, stride }
    }
}
