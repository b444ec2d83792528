//! Lists value by value, in place of pooled.

use std::sync::Arc;

use crate::error::Error;
use crate::field::{Field, Pooling};
use crate::ids::Ids;
use crate::placed::{FieldEntry, Placed};

/// Fields whose lists run in parallel, side by side: of each value of a list its row in the first field's table, then that in the
/// second one's. Made by [`Embeddings::sequence`](crate::Embeddings::sequence).
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Places of the fields among all.
    fields: Vec<usize>,
    /// Each value is a row of its own here.
    pub(crate) placed: Arc<Placed>,
}

impl Sequence {
    /// Of the fields called `names`, which are some of `all`.
    pub(crate) fn new(all: &Placed, names: &[&str]) -> Result<Self, Error> {
        let (mut fields, mut entries, mut at) = (Vec::new(), Vec::<FieldEntry>::new(), 0);
        for name in names {
            let Some(f) = all.fields.iter().position(|entry| entry.field.name == *name) else {
                let problem = "no field of this name".to_owned();
                return Err(Error::Config { key: format!("fields.{name}"), problem });
            };
            let entry = &all.fields[f];
            let field = Field { pooling: Pooling::Sum, ..entry.field.clone() };
            entries.push(FieldEntry { at, field, ..entry.clone() });
            at += entry.width;
            fields.push(f);
        }
        let grows = entries.iter().any(|entry| entry.grows);
        Ok(Self { fields, placed: Arc::new(Placed { fields: entries, width: at, grows }) })
    }

    /// Columns of all its fields, `Σ K_f`.
    pub fn width(&self) -> usize {
        self.placed.width
    }

    /// Where the lists of the batch's rows begin, and the last one ends: `B + 1` positions among all values.
    ///
    /// # Errors
    /// [`Error::Ids`] if the lists of two fields are not equally long.
    pub fn offsets(&self, ids: &[Ids]) -> Result<Vec<u32>, Error> {
        let offsets = |f: &usize| match ids.get(*f) {
            Some(Ids { offsets: Some(offsets), .. }) => offsets.clone(),
            Some(ids) => (0..=ids.rows.len() as u32).collect(),
            None => Vec::new(),
        };
        let first = self.fields.first().map(offsets).unwrap_or_default();
        for (f, entry) in self.fields.iter().zip(&self.placed.fields).skip(1) {
            if offsets(f) != first {
                let problem = format!("lists of other lengths than {:?}", self.placed.fields[0].field.name);
                return Err(Error::Ids { field: entry.field.name.clone(), problem });
            }
        }
        Ok(first)
    }

    /// The ids of its fields, of those of all: a row for each value.
    pub(crate) fn ids(&self, all: &[Ids]) -> Arc<[Ids]> {
        let of = |f: &usize| all.get(*f).cloned().unwrap_or_default();
        self.fields.iter().map(|f| Ids { offsets: None, ..of(f) }).collect()
    }
}
