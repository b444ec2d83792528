//! Rows as a Parquet file, a row group at a time.

use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{Type, TypePtr};

use crate::reader::{Cells, Kept, KeptColumns, Leaf};

/// Rows of a row group: large enough to compress, small enough to be in memory.
const ROWS: usize = 100_000;
/// Bytes after which a row group ends that has fewer rows.
const BYTES: usize = 64 << 20;

/// Collects rows, and writes them as row groups.
pub(super) struct Groups<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    /// Names of the kept columns.
    names: Vec<String>,
    /// Columns of numbers.
    width: usize,
    /// What is not written yet: kept columns, and numbers, row by row.
    kept: Vec<Leaf>,
    numbers: Vec<f32>,
}

impl<W: Write + Send> Groups<W> {
    /// Starts a file.
    pub fn new(out: W, kept: &KeptColumns, numbers: &[String]) -> io::Result<Self> {
        let text = |name: &String| {
            Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                .with_logical_type(Some(LogicalType::String))
                .with_repetition(Repetition::OPTIONAL)
                .build()
        };
        // Optional, as a score may be no number.
        let number = |name: &String| {
            Type::primitive_type_builder(name, Physical::FLOAT).with_repetition(Repetition::OPTIONAL).build()
        };
        let schema = || -> Result<Type, ParquetError> {
            let mut fields: Vec<TypePtr> = match &kept.types {
                Some(types) => types.clone(),
                None => kept.names().iter().map(|name| text(name).map(Arc::new)).collect::<Result<_, _>>()?,
            };
            for name in numbers {
                fields.push(Arc::new(number(name)?));
            }
            Type::group_type_builder("rows").with_fields(fields).build()
        };
        let compression = if cfg!(feature = "zstd") {
            Compression::ZSTD(ZstdLevel::default())
        } else {
            Compression::SNAPPY
        };
        let mut properties = WriterProperties::builder().set_compression(compression);
        for name in numbers {
            // Hardly two predictions are the same.
            properties = properties.set_column_dictionary_enabled(name.as_str().into(), false);
        }
        let schema = schema().map_err(written)?;
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build()));
        let width = numbers.len();
        let (writer, names) = (writer.map_err(written)?, kept.names().to_vec());
        Ok(Groups { writer, names, width, kept: Vec::new(), numbers: Vec::new() })
    }

    /// Adds the numbers of some rows, whose kept columns follow.
    pub fn numbers(&mut self, numbers: &[f32]) -> io::Result<()> {
        self.numbers.extend_from_slice(numbers);
        Ok(())
    }

    /// Adds the kept columns of all rows whose numbers have been added since the last time.
    pub fn kept(&mut self, kept: Kept) -> io::Result<()> {
        let leaves = match kept.0 {
            Cells::Stored(leaves) => leaves,
            Cells::Text(records) => {
                let records = &records;
                let column =
                    |column| (0..records.len()).filter_map(move |row| records.record(row).nth(column));
                let texts = |(number, name): (usize, &String)| {
                    if column(number).any(|text| std::str::from_utf8(text).is_err()) {
                        return Err(io::Error::other(format!(
                            "column {name:?} holds a text that is not UTF-8"
                        )));
                    }
                    Ok(Leaf::texts(column(number)))
                };
                self.names.iter().enumerate().map(texts).collect::<io::Result<_>>()?
            }
        };
        if self.kept.is_empty() {
            self.kept = leaves;
        } else {
            self.kept.iter_mut().zip(leaves).for_each(|(all, more)| all.append(more));
        }
        let full = self.numbers.len() >= ROWS * self.width;
        if full || self.kept.iter().map(Leaf::bytes).sum::<usize>() >= BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what has been collected, if there is anything.
    fn flush(&mut self) -> io::Result<()> {
        if self.numbers.is_empty() {
            return Ok(());
        }
        let mut leaves = std::mem::take(&mut self.kept);
        let column = |column: usize| self.numbers.iter().skip(column).step_by(self.width).copied();
        leaves.extend((0..self.width).map(|number| Leaf::numbers(column(number))));
        let mut write = || -> Result<(), ParquetError> {
            let mut group = self.writer.next_row_group()?;
            for leaf in &leaves {
                let Some(mut column) = group.next_column()? else { break };
                leaf.write(&mut column)?;
                column.close()?;
            }
            group.close().map(|_| ())
        };
        write().map_err(written)?;
        self.numbers.clear();
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
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
