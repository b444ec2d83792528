//! Rows as a Parquet file, a row group at a time.

use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, FieldRef, Schema};

use crate::reader::{Kept, KeptCells, KeptColumns};

/// Rows of a row group: large enough to compress, small enough to be in memory.
const ROWS: usize = 100_000;
/// Bytes after which a row group ends that has fewer rows.
const BYTES: usize = 64 << 20;

/// Collects rows, and writes them as row groups.
pub(super) struct Groups<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: Arc<Schema>,
    /// Names of the kept columns.
    names: Vec<String>,
    /// Columns of numbers.
    width: usize,
    /// Those of the rows whose kept columns follow, row by row.
    numbers: Vec<f32>,
}

impl<W: Write + Send> Groups<W> {
    /// Starts a file.
    pub fn new(out: W, kept: &KeptColumns, numbers: &[String]) -> io::Result<Self> {
        let field = |name: &String, of| Arc::new(Field::new(name, of, true));
        let mut fields: Vec<FieldRef> = match &kept.types {
            Some(types) => types.clone(),
            None => kept.names().iter().map(|name| field(name, DataType::Utf8)).collect(),
        };
        // Some may be missing, as a score may be no number.
        fields.extend(numbers.iter().map(|name| field(name, DataType::Float32)));
        let compression = if cfg!(feature = "zstd") {
            Compression::ZSTD(ZstdLevel::default())
        } else {
            Compression::SNAPPY
        };
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(ROWS))
            .set_max_row_group_bytes(Some(BYTES));
        for name in numbers {
            // Hardly two predictions are the same.
            properties = properties.set_column_dictionary_enabled(name.as_str().into(), false);
        }
        let schema = Arc::new(Schema::new(fields));
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties.build())).map_err(written)?;
        Ok(Groups { writer, schema, names: kept.names().to_vec(), width: numbers.len(), numbers: Vec::new() })
    }

    /// Adds the numbers of some rows, whose kept columns follow.
    pub fn numbers(&mut self, numbers: &[f32]) -> io::Result<()> {
        self.numbers.extend_from_slice(numbers);
        Ok(())
    }

    /// Writes rows whose numbers have come before.
    pub fn kept(&mut self, kept: Kept) -> io::Result<()> {
        let mut columns = match kept.0 {
            KeptCells::Stored(columns) => columns,
            KeptCells::Text(records) => {
                let texts = |(column, name): (usize, &String)| -> io::Result<ArrayRef> {
                    let text = |row: usize| {
                        let text = records.record(row).nth(column).unwrap_or_default();
                        let text = std::str::from_utf8(text).map_err(|_| {
                            io::Error::other(format!("column {name:?} holds a text that is not UTF-8"))
                        })?;
                        Ok(Some(text).filter(|text| !text.is_empty()))
                    };
                    let texts = (0..records.len()).map(text).collect::<io::Result<StringArray>>()?;
                    Ok(Arc::new(texts))
                };
                self.names.iter().enumerate().map(texts).collect::<io::Result<_>>()?
            }
        };
        let numbers = std::mem::take(&mut self.numbers);
        for column in 0..self.width {
            let numbers = numbers.iter().skip(column).step_by(self.width).copied();
            let numbers: Float32Array = numbers.map(|x| Some(x).filter(|x| !x.is_nan())).collect();
            columns.push(Arc::new(numbers));
        }
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(written)
    }

    /// Ends the file.
    pub fn finish(self) -> io::Result<W> {
        self.writer.into_inner().map_err(written)
    }
}

/// What went wrong below, where that is known, or what the writer says.
fn written(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => {
            cause.downcast::<io::Error>().map_or_else(io::Error::other, |io| *io)
        }
        other => io::Error::other(other),
    }
}
