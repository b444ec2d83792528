//! The rows of a part of a caller's source, or of Arrow's batches in a file, some at a time.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use mt_storage::{Format, Storage};
use mt_storage::{Part, RecordBatches, Source};

use super::ipc::{Ipc, unreadable};
use crate::error::{Error, Result};

/// An open part or file.
pub(super) struct Batches {
    from: From,
    pub schema: SchemaRef,
    /// What is left of the batch read last.
    rest: Option<RecordBatch>,
}

/// Where batches come from.
enum From {
    Source(OpenPart),
    File(Ipc),
}

/// A part of a source.
struct OpenPart {
    source: Arc<dyn Source>,
    part: Part,
    open: Option<RecordBatches>,
}

impl Batches {
    /// Opens a part or a file of batches, if a path is one. What is read of a file is added to `bytes`.
    pub fn open(storage: &Storage, path: &Path, bytes: &Arc<AtomicU64>) -> Result<Option<Self>> {
        let Some(found) = storage.part(path) else {
            return Ok(match storage.format(path)? {
                Format::Text | Format::Parquet => None,
                format => {
                    let file = Ipc::open(storage, path, format, bytes.clone())?;
                    let schema = file.schema().clone();
                    Some(Batches { from: From::File(file), schema, rest: None })
                }
            });
        };
        let open = || {
            let (source, part) = found?;
            let schema = source.schema()?;
            let from = From::Source(OpenPart { source, part, open: None });
            Ok(Batches { from, schema, rest: None })
        };
        open().map(Some).map_err(|source| Error::read(path, source))
    }

    /// How many bytes the rows of a part are said to be; none of a file, which counts itself.
    pub fn bytes(&self) -> u64 {
        match &self.from {
            From::Source(OpenPart { part, .. }) => part.bytes,
            From::File(_) => 0,
        }
    }

    /// The next rows of these columns, always the same, up to `most` of them; `path` is for messages.
    pub fn next(&mut self, columns: &[usize], most: usize, path: &Path) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(rest) = self.rest.take().filter(|rest| rest.num_rows() > 0) {
                let rows = rest.num_rows().min(most);
                self.rest = Some(rest.slice(rows, rest.num_rows() - rows));
                return Ok(Some(rest.slice(0, rows)));
            }
            let next = match &mut self.from {
                From::File(file) => file.next(columns).map_err(|error| unreadable(path, error)),
                From::Source(part) => {
                    part.next(columns, &self.schema).map_err(|source| Error::read(path, source))
                }
            };
            match next? {
                None => return Ok(None),
                batch => self.rest = batch,
            }
        }
    }
}

impl OpenPart {
    fn next(&mut self, columns: &[usize], schema: &SchemaRef) -> io::Result<Option<RecordBatch>> {
        if self.open.is_none() {
            self.open = Some(self.source.read(&self.part, columns)?);
        }
        let batch = self.open.as_mut().and_then(Iterator::next).transpose()?;
        batch.iter().try_for_each(|batch| check(batch, columns, schema))?;
        Ok(batch)
    }
}

/// That a batch of a source has the columns that were asked for.
fn check(batch: &RecordBatch, columns: &[usize], schema: &SchemaRef) -> io::Result<()> {
    let (expected, found) = (columns.len(), batch.num_columns());
    if expected != found {
        return Err(io::Error::other(format!("the source gives {found} columns, asked for {expected}")));
    }
    for (&column, array) in columns.iter().zip(batch.columns()) {
        let field = schema.field(column);
        let (expected, found): (&DataType, _) = (field.data_type(), array.data_type());
        if expected != found {
            let name = field.name();
            let text = format!("the source gives column \"{name}\" as {found}, its schema says {expected}");
            return Err(io::Error::other(text));
        }
    }
    Ok(())
}
