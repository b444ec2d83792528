//! The columns of a file, each read through the row groups by a worker of its own.

use std::vec::IntoIter;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::errors::{ParquetError, Result};
use arrow_array::ArrayRef;
use rayon::prelude::*;

use super::input::Input;
use super::quiet::caught;
use crate::reader::typed::Typed;

/// Some rows of a row group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// The row group and the rows of its pieces, where they are its first.
    pub opens: Option<(usize, usize)>,
    pub rows: usize,
}

/// A column that is read.
pub(super) struct Wanted {
    /// Its number in the file.
    pub column: usize,
    /// Whether it is handed on as it is stored.
    pub stored: bool,
    /// Of the open row group.
    pub open: Option<ParquetRecordBatchReader>,
}

/// The values of a column for the rows of a piece.
pub(in crate::reader) enum Decoded {
    Typed(Typed),
    Stored(ArrayRef),
}

/// Why a piece could not be read.
pub(super) struct Failure {
    /// Its number and whether it was open already: of two, reading one piece after the other meets the lesser first.
    pub at: (usize, bool),
    pub error: ParquetError,
}

/// An open file, with the types in which columns are read and in which they are handed on.
pub(super) struct Metadata {
    pub input: Input,
    pub typed: ArrowReaderMetadata,
    pub stored: ArrowReaderMetadata,
}

/// Decodes some pieces, the columns in parallel, up to the first that could not be read.
///
/// A page ends at another row in each column, so a column is read in order by one worker; what it gives does not depend
/// on who reads the others.
pub(super) fn decode(
    file: &Metadata,
    columns: &mut [Wanted],
    pieces: &[Piece],
) -> (Vec<IntoIter<Decoded>>, Option<Failure>) {
    // One by one, as a column of texts takes as long as a hundred of flags.
    let columns = columns.par_iter_mut().with_max_len(1).map(|column| column.decode(file, pieces));
    let (columns, failures): (Vec<_>, Vec<_>) = columns.unzip();
    (columns, failures.into_iter().flatten().min_by_key(|failure| failure.at))
}

impl Wanted {
    fn decode(&mut self, file: &Metadata, pieces: &[Piece]) -> (IntoIter<Decoded>, Option<Failure>) {
        let mut read = Vec::with_capacity(pieces.len());
        for (number, piece) in pieces.iter().enumerate() {
            let opened = piece.opens.map_or(Ok(()), |opens| guarded(|| self.open(file, opens)));
            let is_open = opened.is_ok();
            match opened.and_then(|()| guarded(|| self.read(piece.rows))) {
                Ok(values) => read.push(values),
                Err(error) => return (read.into_iter(), Some(Failure { at: (number, is_open), error })),
            }
        }
        (read.into_iter(), None)
    }

    /// Goes to the start of a row group.
    fn open(&mut self, file: &Metadata, (group, rows): (usize, usize)) -> Result<()> {
        let metadata = if self.stored { &file.stored } else { &file.typed };
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file.input.clone(), metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), [self.column]);
        let builder = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(rows);
        self.open = Some(builder.build()?);
        Ok(())
    }

    /// The next rows of the open row group.
    fn read(&mut self, rows: usize) -> Result<Decoded> {
        let general = |text: &str| ParquetError::General(text.to_owned());
        let open =
            self.open.as_mut().ok_or_else(|| general("rows behind a row group that cannot be opened"))?;
        let batch = open.next().ok_or_else(|| general("a column ends early"))??;
        if batch.num_rows() != rows || batch.num_columns() != 1 {
            let found = batch.num_rows();
            return Err(ParquetError::EOF(format!("a column has {found} rows in the place of {rows}")));
        }
        let array = batch.column(0);
        match self.stored {
            true => Ok(Decoded::Stored(array.clone())),
            false => Typed::new(array).map(Decoded::Typed).map_err(ParquetError::General),
        }
    }
}

/// What `read` gives. The decoder asserts some of what a damaged file may have otherwise; that is an error like others,
/// after which nothing is read any more.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    let damaged = || ParquetError::General("what the file says of itself cannot be".to_owned());
    caught(read).ok_or_else(damaged)?
}
