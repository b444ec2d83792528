//! The columns of a file, each read through the row groups by a worker of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::IntoIter;

use ::parquet::column::reader::ColumnReader;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::RowGroupReader;
use ::parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;

use super::dictionary::{self, Coded};
use super::leaf::Leaf;
use super::quiet::quietly;
use super::rows::Needed;
use super::values::Values;

/// The rows of a stripe in their row group.
pub(super) struct Piece<'a> {
    /// The group, where they are its first.
    pub opens: Option<&'a dyn RowGroupReader>,
    pub rows: usize,
}

/// What reads a column of one row group after the other.
pub(super) trait Decoder: Send {
    /// The values of some rows.
    type Values: Send;

    /// Goes to the start of a row group.
    fn open(&mut self, group: &dyn RowGroupReader) -> Result<()>;

    /// The next rows of the open row group.
    fn read(&mut self, rows: usize) -> Result<Self::Values>;
}

/// What each column holds in some stripes, one after the other, up to the first that could not be read.
pub(super) type Decoded<V> = Vec<IntoIter<V>>;

/// Why a stripe could not be read.
pub(super) struct Failure {
    /// Its number and whether it was open already: of two, reading one stripe after the other meets the lesser first.
    pub at: (usize, bool),
    pub error: ParquetError,
}

/// Decodes some stripes, the columns in parallel.
///
/// A page ends at another row in each column, so a column is read in order by one worker; what it gives does not depend
/// on who reads the others.
pub(super) fn decode<D: Decoder>(
    columns: &mut [D],
    pieces: &[Piece<'_>],
) -> (Decoded<D::Values>, Option<Failure>) {
    // One by one, as a column of texts takes as long as a hundred of flags.
    let columns = columns.par_iter_mut().with_max_len(1).map(|column| decode_column(column, pieces));
    let (columns, failures): (Vec<_>, Vec<_>) = columns.unzip();
    (columns, first(failures))
}

/// The failure that is met first.
pub(super) fn first(failures: impl IntoIterator<Item = Option<Failure>>) -> Option<Failure> {
    failures.into_iter().flatten().min_by_key(|failure| failure.at)
}

fn decode_column<D: Decoder>(column: &mut D, pieces: &[Piece<'_>]) -> (IntoIter<D::Values>, Option<Failure>) {
    let mut stripes = Vec::with_capacity(pieces.len());
    for (stripe, piece) in pieces.iter().enumerate() {
        let opened = piece.opens.map_or(Ok(()), |group| guarded(|| column.open(group)));
        let is_open = opened.is_ok();
        match opened.and_then(|()| guarded(|| column.read(piece.rows))) {
            Ok(values) => stripes.push(values),
            Err(error) => return (stripes.into_iter(), Some(Failure { at: (stripe, is_open), error })),
        }
    }
    (stripes.into_iter(), None)
}

/// What `read` gives. The decoder asserts some of what a damaged file may have otherwise; that is an error like others,
/// after which nothing is read any more.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    let damaged = |_| ParquetError::General("what the file says of itself cannot be".to_owned());
    quietly(|| catch_unwind(AssertUnwindSafe(read))).map_err(damaged)?
}

/// A column that is read.
pub(super) struct Wanted {
    pub column: usize,
    pub leaf: usize,
    pub separator: Option<u8>,
    /// Whether it is a feature, of which zeros are left out.
    pub feature: bool,
    pub open: Option<Open>,
}

/// A column of a row group.
pub(super) enum Open {
    Plain(Box<ColumnReader>, ColumnDescPtr),
    Coded(Coded),
}

impl Decoder for Wanted {
    type Values = Needed;

    fn open(&mut self, group: &dyn RowGroupReader) -> Result<()> {
        let chunk = group.metadata().column(self.leaf);
        let column = chunk.column_descr_ptr();
        self.open = Some(if dictionary::is_coded(chunk, &column) {
            Open::Coded(Coded::open(group.get_column_page_reader(self.leaf)?, &column)?)
        } else {
            Open::Plain(Box::new(group.get_column_reader(self.leaf)?), column)
        });
        Ok(())
    }

    fn read(&mut self, rows: usize) -> Result<Needed> {
        let values = match &mut self.open {
            Some(Open::Plain(reader, column)) => Values::read(reader, column, rows)?,
            Some(Open::Coded(coded)) => coded.read(rows, self.feature)?,
            None => return Err(unopened()),
        };
        Ok(Needed { column: self.column, separator: self.separator, values })
    }
}

/// A leaf of the schema that is handed on as it is stored.
pub(super) struct StoredLeaf {
    pub leaf: usize,
    pub open: Option<ColumnReader>,
}

impl Decoder for StoredLeaf {
    type Values = Leaf;

    fn open(&mut self, group: &dyn RowGroupReader) -> Result<()> {
        self.open = Some(group.get_column_reader(self.leaf)?);
        Ok(())
    }

    fn read(&mut self, rows: usize) -> Result<Leaf> {
        Leaf::read(self.open.as_mut().ok_or_else(unopened)?, rows)
    }
}

fn unopened() -> ParquetError {
    ParquetError::General("rows behind a row group that could not be opened".to_owned())
}
