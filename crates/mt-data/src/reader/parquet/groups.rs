//! The row groups of a Parquet file, in pieces of which the columns are decoded side by side.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::vec::IntoIter;

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::basic::Encoding;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ParquetMetaData;
use arrow_schema::{DataType, Field, Fields, Schema};

use super::column::{Decoded, Metadata, Piece, Wanted, decode};
use super::input::Input;

/// Rows a worker makes tables of at once: their columns should still be in the cache then.
pub(super) const MOST_ROWS: usize = 4096;
/// About what a value takes once it is read and made a row of.
const BYTES_A_VALUE: usize = 4;

/// An open file, and where reading is.
pub(super) struct Groups {
    metadata: Metadata,
    /// The next row group.
    group: usize,
    /// Rows of the one before that are still to be read, and those of a stripe.
    left: usize,
    stripe: usize,
}

/// The columns of some pieces, the rows of each piece, and what came in the place of the next one.
pub(super) struct Read {
    pub columns: Vec<IntoIter<Decoded>>,
    pub rows: Vec<usize>,
    pub error: Option<ParquetError>,
}

impl Groups {
    /// Finds out in which types columns are read and handed on.
    pub fn open(input: Input) -> Result<Self, ParquetError> {
        Ok(Groups { metadata: types(input)?, group: 0, left: 0, stripe: 0 })
    }

    pub fn parquet(&self) -> &ParquetMetaData {
        self.metadata.typed.metadata()
    }

    /// The columns, as they are stored.
    pub fn fields(&self) -> &Fields {
        self.metadata.stored.schema().fields()
    }

    /// The next rows of the wanted columns, up to `most` pieces of about `block` bytes.
    pub fn next(&mut self, wanted: &mut [Wanted], block: usize, most: usize) -> io::Result<Read> {
        let (mut pieces, mut refused) = (Vec::new(), None);
        let first = self.group - usize::from(self.left > 0);
        while pieces.len() < most {
            let opens = self.left == 0;
            if opens {
                if self.group == self.parquet().num_row_groups() {
                    break;
                }
                match usize::try_from(self.parquet().row_group(self.group).num_rows()) {
                    Ok(rows) => (self.left, self.stripe) = (rows, self.stripe_of(self.group, wanted, block)),
                    Err(_) => {
                        refused = Some(ParquetError::General("a negative number of rows".to_owned()));
                        break;
                    }
                }
                self.group += 1;
            }
            let rows = self.left.min(self.stripe);
            if rows > 0 {
                self.left -= rows;
                pieces.push(Piece { opens: opens.then_some((self.group - 1, self.stripe)), rows });
            }
        }
        if pieces.iter().any(|piece| piece.opens.is_some()) {
            self.metadata.input.expect(&self.bytes_of(first..self.group, wanted))?;
        }
        let (columns, failure) = decode(&self.metadata, wanted, &pieces);
        let whole = failure.as_ref().map_or(pieces.len(), |failure| failure.at.0);
        let rows = pieces[..whole].iter().map(|piece| piece.rows).collect();
        Ok(Read { columns, rows, error: failure.map(|failure| failure.error).or(refused) })
    }

    /// Where the columns of these row groups are.
    fn bytes_of(&self, groups: Range<usize>, wanted: &[Wanted]) -> Vec<Range<u64>> {
        let schema = self.parquet().file_metadata().schema_descr();
        let is_wanted = |root: usize| wanted.iter().any(|wanted| wanted.column == root);
        let columns = groups.flat_map(|group| self.parquet().row_group(group).columns().iter().enumerate());
        let columns = columns.filter(|&(leaf, _)| is_wanted(schema.get_column_root_idx(leaf)));
        // Of a damaged file they may be anything: what cannot be is for the decoder to refuse.
        let bytes = columns.filter_map(|(_, column)| {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let start = u64::try_from(start).ok()?;
            Some(start..start.saturating_add(u64::try_from(column.compressed_size()).ok()?))
        });
        bytes.collect()
    }

    /// Rows of the needed columns of a row group that take about a block.
    fn stripe_of(&self, group: usize, wanted: &[Wanted], block: usize) -> usize {
        let group = self.parquet().row_group(group);
        let rows = group.num_rows().max(1);
        let schema = self.parquet().file_metadata().schema_descr();
        let is_wanted = |root: usize| wanted.iter().any(|wanted| wanted.column == root);
        let leaves = (0..group.num_columns()).filter(|&leaf| is_wanted(schema.get_column_root_idx(leaf)));
        // Of lists, several a row, whose codes and whose places in the list come beside them.
        let values = |leaf: usize| match group.column(leaf).num_values().clamp(rows, i64::MAX / 1024) / rows {
            1 => 1,
            several => 2 * several,
        };
        let row = leaves.map(values).fold(0, i64::saturating_add) as usize * BYTES_A_VALUE;
        (block / row.max(1)).clamp(1, MOST_ROWS)
    }
}

/// The types in which columns are read and handed on.
fn types(input: Input) -> Result<Metadata, ParquetError> {
    // What the file itself says of its types, not what a writer says of those that it had in memory.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let stored = ArrowReaderMetadata::load(&input, options.clone())?;
    let parquet = stored.metadata();
    let schema = parquet.file_metadata().schema_descr();
    let leaf_of =
        |root: usize| (0..schema.num_columns()).find(|&leaf| schema.get_column_root_idx(leaf) == root);
    let coded = |leaf: usize| (0..parquet.num_row_groups()).all(|group| is_coded(parquet, group, leaf));
    let typed = |(root, field): (usize, &Arc<Field>)| match field.data_type() {
        DataType::Utf8 | DataType::Binary if leaf_of(root).is_some_and(coded) => {
            let codes = DataType::Dictionary(Box::new(DataType::Int32), Box::new(field.data_type().clone()));
            Arc::new(field.as_ref().clone().with_data_type(codes))
        }
        _ => field.clone(),
    };
    let fields: Vec<Arc<Field>> = stored.schema().fields().iter().enumerate().map(typed).collect();
    let options = options.with_schema(Arc::new(Schema::new(fields)));
    let typed = ArrowReaderMetadata::try_new(parquet.clone(), options)?;
    Ok(Metadata { input, typed, stored })
}

/// Whether a column holds nothing but codes of a dictionary in a row group.
fn is_coded(metadata: &ParquetMetaData, group: usize, leaf: usize) -> bool {
    let pages = metadata.row_group(group).column(leaf).page_encoding_stats_mask();
    let only = |encoding| pages.is_some_and(|pages| pages.is_only(encoding));
    only(Encoding::PLAIN_DICTIONARY) || only(Encoding::RLE_DICTIONARY)
}
