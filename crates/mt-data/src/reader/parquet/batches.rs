//! The rows of a part of a caller's source, some at a time.

use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};

use crate::error::{Error, Result};
use crate::source::{Part, RecordBatches, Source};
use crate::storage::Storage;

/// An open part.
pub(super) struct Batches {
    source: Arc<dyn Source>,
    part: Part,
    pub schema: SchemaRef,
    open: Option<RecordBatches>,
    /// What is left of the batch read last.
    rest: Option<RecordBatch>,
}

impl Batches {
    /// Opens a part, if a path is one.
    pub fn open(storage: &Storage, path: &Path) -> Result<Option<Self>> {
        let Some(found) = storage.part(path) else { return Ok(None) };
        let open = || {
            let (source, part) = found?;
            let schema = source.schema()?;
            Ok(Batches { source, part, schema, open: None, rest: None })
        };
        open().map(Some).map_err(|source| Error::Read { path: path.to_owned(), source })
    }

    /// How many bytes its rows are said to be.
    pub fn bytes(&self) -> u64 {
        self.part.bytes
    }

    /// The next rows of these columns, up to `most` of them.
    pub fn next(&mut self, columns: &[usize], most: usize) -> io::Result<Option<RecordBatch>> {
        loop {
            if let Some(rest) = self.rest.take().filter(|rest| rest.num_rows() > 0) {
                let rows = rest.num_rows().min(most);
                self.rest = Some(rest.slice(rows, rest.num_rows() - rows));
                return Ok(Some(rest.slice(0, rows)));
            }
            if self.open.is_none() {
                self.open = Some(self.source.read(&self.part, columns)?);
            }
            let Some(batch) = self.open.as_mut().and_then(Iterator::next).transpose()? else {
                return Ok(None);
            };
            self.check(&batch, columns)?;
            self.rest = Some(batch);
        }
    }

    /// That a batch has the columns that were asked for.
    fn check(&self, batch: &RecordBatch, columns: &[usize]) -> io::Result<()> {
        let (expected, found) = (columns.len(), batch.num_columns());
        if expected != found {
            return Err(io::Error::other(format!("the source gives {found} columns, asked for {expected}")));
        }
        for (&column, array) in columns.iter().zip(batch.columns()) {
            let field = self.schema.field(column);
            let (expected, found): (&DataType, _) = (field.data_type(), array.data_type());
            if expected != found {
                let name = field.name();
                let text =
                    format!("the source gives column \"{name}\" as {found}, its schema says {expected}");
                return Err(io::Error::other(text));
            }
        }
        Ok(())
    }
}
