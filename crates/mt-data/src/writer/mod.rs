//! Writing rows: columns kept from the files they were read from, then columns of numbers.
//!
//! Numbers of many rows are made ready in parallel ([`RowWriter::encode`]), and written in order.

#[cfg(feature = "parquet")]
mod columnar;
mod output;
mod text;

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
#[cfg(feature = "parquet")]
use std::sync::{Mutex, PoisonError};

pub use output::Output;

use crate::error::{Error, Result};
use crate::reader::{Kept, KeptColumns, KeptForm};

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFormat {
    /// Text with commas and a header.
    Csv,
    /// Parquet.
    Parquet,
}

impl FileFormat {
    /// Parquet where that is the file's extension, else text.
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("parquet") => FileFormat::Parquet,
            _ => FileFormat::Csv,
        }
    }

    /// The usual extension.
    pub fn extension(self) -> &'static str {
        match self {
            FileFormat::Csv => "csv",
            FileFormat::Parquet => "parquet",
        }
    }

    /// In what form such a file takes columns of other files.
    pub fn keeps(self) -> KeptForm {
        match self {
            FileFormat::Csv => KeptForm::Text,
            FileFormat::Parquet => KeptForm::Stored,
        }
    }
}

/// Writes rows into `W`.
///
/// A Parquet file has row groups of about 100,000 rows, compressed with zstd (without the feature, with snappy); numbers are of type `float`, kept columns of
/// Parquet files of the type they had, and those of text files `string`. Of the rows, no more than a row group is in memory.
pub struct RowWriter<W: Write + Send> {
    path: PathBuf,
    width: usize,
    sink: Sink<W>,
}

enum Sink<W: Write + Send> {
    Csv(W),
    #[cfg(feature = "parquet")]
    /// Never locked: many threads make rows ready for it, one writes them.
    Parquet(Box<Mutex<columnar::Groups<W>>>),
}

/// Rows made ready to be written.
#[derive(Debug)]
pub struct EncodedRows(Encoded);

#[derive(Debug)]
enum Encoded {
    Text(Vec<u8>),
    #[cfg(feature = "parquet")]
    Numbers(Vec<f32>),
}

impl<W: Write + Send> RowWriter<W> {
    /// Starts a file with columns kept from another and columns `numbers` of numbers, which errors call `path`.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn new(
        mut out: W,
        path: &Path,
        format: FileFormat,
        kept: &KeptColumns,
        numbers: &[String],
    ) -> Result<Self> {
        let fail = |source| Error::Write { path: path.to_owned(), source };
        let sink = match format {
            FileFormat::Csv => {
                let names = kept.names().iter().chain(numbers).map(|name| name.as_bytes());
                out.write_all(&text::line(names)).map_err(fail)?;
                Sink::Csv(out)
            }
            #[cfg(feature = "parquet")]
            FileFormat::Parquet => {
                Sink::Parquet(Box::new(Mutex::new(columnar::Groups::new(out, kept, numbers).map_err(fail)?)))
            }
            #[cfg(not(feature = "parquet"))]
            FileFormat::Parquet => return Err(Error::no_parquet(path)),
        };
        Ok(RowWriter { path: path.to_owned(), width: numbers.len(), sink })
    }

    /// Makes the rows `rows` of `kept` ready, with `numbers`, row by row; NaN is a missing one. Can run on many threads.
    ///
    /// # Panics
    /// Where `kept` has fewer rows.
    pub fn encode(&self, kept: &Kept, rows: Range<usize>, numbers: Vec<f32>) -> EncodedRows {
        EncodedRows(match &self.sink {
            Sink::Csv(_) => Encoded::Text(text::lines(kept, rows, &numbers, self.width)),
            #[cfg(feature = "parquet")]
            Sink::Parquet(_) => Encoded::Numbers(numbers),
        })
    }

    /// Writes all rows of `kept`, made ready in consecutive parts.
    ///
    /// # Errors
    /// [`Error::Write`], also for a kept text that is not UTF-8, which a Parquet file cannot have.
    pub fn write(&mut self, kept: Kept, rows: impl IntoIterator<Item = EncodedRows>) -> Result<()> {
        let written = rows.into_iter().try_for_each(|EncodedRows(rows)| match (&mut self.sink, rows) {
            (Sink::Csv(out), Encoded::Text(text)) => out.write_all(&text),
            #[cfg(feature = "parquet")]
            (Sink::Parquet(groups), Encoded::Numbers(numbers)) => own(groups).numbers(&numbers),
            #[cfg(feature = "parquet")]
            _ => Err(std::io::Error::other("rows made ready by a writer of another format")),
        });
        let written = match &mut self.sink {
            Sink::Csv(_) => {
                drop(kept);
                written
            }
            #[cfg(feature = "parquet")]
            Sink::Parquet(groups) => written.and_then(|()| own(groups).kept(kept)),
        };
        written.map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Ends the file, and gives back what was written into.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(self) -> Result<W> {
        let finished = match self.sink {
            Sink::Csv(mut out) => out.flush().map(|()| out),
            #[cfg(feature = "parquet")]
            Sink::Parquet(groups) => groups.into_inner().unwrap_or_else(PoisonError::into_inner).finish(),
        };
        finished.map_err(|source| Error::Write { path: self.path, source })
    }
}

#[cfg(feature = "parquet")]
fn own<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}
