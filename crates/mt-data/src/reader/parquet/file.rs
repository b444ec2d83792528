//! An open Parquet file as a sequence of stripes.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::basic::{ConvertedType, Encoding, LogicalType};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ParquetMetaData;
use arrow_schema::{DataType, Field, Schema};

use super::column::{Decoded, Metadata, Piece, Wanted, decode, guarded};
use super::input::Input;
use crate::error::{Error, Result};
use crate::reader::kept::{Kept, KeptCells, KeptColumns, KeptForm};
use crate::reader::plan::Plan;
use crate::reader::records::Records;
use crate::reader::typed::Typed;
use crate::storage::Storage;

/// Rows a worker makes tables of at once: their columns should still be in the cache then.
const MOST_ROWS: usize = 4096;
/// About what a value takes once it is read and made a row of.
const BYTES_A_VALUE: usize = 4;

/// An open file.
///
/// Some stripes are decoded at once, a column by a worker, and then made tables of, a stripe by a worker. So memory does
/// not depend on the size of a row group, and a file of a single one is read as fast as another.
pub(in crate::reader) struct File {
    path: PathBuf,
    metadata: Metadata,
    /// First those that are needed, then those that are handed on.
    columns: Vec<Wanted>,
    needed: usize,
    /// What stands between the values of a list that is handed on as a text.
    separators: Vec<Option<u8>>,
    /// Bytes of a stripe.
    block: usize,
    /// The next row group.
    group: usize,
    /// Rows of the one before that are still to be read, and those of a stripe.
    left: usize,
    stripe: usize,
    progress: Progress,
}

/// Some rows of a file.
pub(in crate::reader) struct Stripe {
    pub rows: usize,
    /// The columns that are needed, in the order in which they were chosen.
    pub columns: Vec<Typed>,
    /// What is handed on as it is.
    pub kept: Kept,
}

/// Why a column cannot be read.
#[derive(Debug)]
pub(in crate::reader) struct Refused {
    expected: &'static str,
    found: String,
}

impl Refused {
    /// What is there, in words.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// The same for the column `name` of the file at `path`.
    pub fn error(&self, path: &Path, name: &str) -> Error {
        let (path, column) = (path.to_owned(), name.to_owned());
        Error::ColumnType { path, column, expected: self.expected, found: self.found.clone() }
    }
}

/// Counts the bytes of a file by the share of its rows that have been read.
struct Progress {
    bytes: Arc<AtomicU64>,
    size: u64,
    rows: u64,
    done: u64,
}

impl File {
    /// Opens a file whose stripes take about `block` bytes; `bytes` counts how far reading is.
    pub fn open(storage: &Storage, path: &Path, block: usize, bytes: Arc<AtomicU64>) -> Result<Self> {
        let file = storage.open(path)?;
        let size = file.size();
        let input = Input::new(file);
        let metadata = guarded(|| types(input)).map_err(|error| unreadable(path, error))?;
        let rows = metadata.typed.metadata().file_metadata().num_rows();
        Ok(File {
            path: path.to_owned(),
            metadata,
            columns: Vec::new(),
            needed: 0,
            separators: Vec::new(),
            block,
            group: 0,
            left: 0,
            stripe: 0,
            progress: Progress { bytes, size, rows: u64::try_from(rows).unwrap_or_default(), done: 0 },
        })
    }

    fn parquet(&self) -> &ParquetMetaData {
        self.metadata.typed.metadata()
    }

    /// The types of its columns, as they are stored.
    pub fn types(&self) -> impl Iterator<Item = &DataType> {
        self.metadata.stored.schema().fields().iter().map(|field| field.data_type())
    }

    /// The names of its columns.
    pub fn names(&self) -> Result<Vec<String>> {
        let fields = self.metadata.typed.schema().fields();
        let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
        crate::reader::header::unique(&names, &self.path)?;
        Ok(names)
    }

    /// Says which columns are to be read: those that `plan` keeps. Those that cannot be are refused.
    pub fn choose(&mut self, plan: &Plan, names: &[String]) -> Result<()> {
        for (k, &column) in (0..).zip(&plan.kept) {
            let refuse = |refused: Refused| refused.error(&self.path, &names[column]);
            self.check(column, plan.separator(k)).map_err(refuse)?;
            self.columns.insert(self.needed, Wanted { column, stored: false, open: None });
            self.needed += 1;
        }
        Ok(())
    }

    /// As [`choose`](Self::choose), with all columns; `separator` says what stands between the values of a list. Gives the
    /// columns that are read, and those that cannot be.
    pub fn choose_all(
        &mut self,
        separator: impl Fn(usize) -> Option<char>,
    ) -> (Vec<usize>, Vec<(usize, Refused)>) {
        let (mut chosen, mut refused) = (Vec::new(), Vec::new());
        for column in 0..self.metadata.typed.schema().fields().len() {
            match self.check(column, separator(column)) {
                Ok(()) => chosen.push(column),
                Err(reason) => refused.push((column, reason)),
            }
        }
        let wanted = |&column: &usize| Wanted { column, stored: false, open: None };
        self.columns = chosen.iter().map(wanted).collect();
        self.needed = chosen.len();
        (chosen, refused)
    }

    /// Says which columns are handed on, called `names`: as they are stored, whatever they hold, or as texts, with
    /// `separator` between the values of a list.
    pub fn keep(
        &mut self,
        columns: &[usize],
        names: Vec<String>,
        form: KeptForm,
        separator: impl Fn(usize) -> Option<char>,
    ) -> Result<KeptColumns> {
        let stored = form == KeptForm::Stored;
        self.columns.truncate(self.needed);
        self.separators.clear();
        for (&column, name) in columns.iter().zip(&names) {
            let separator = separator(column);
            if !stored {
                self.check(column, separator).map_err(|refused| refused.error(&self.path, name))?;
            }
            self.separators.push(separator.map(|separator| separator as u8));
            self.columns.push(Wanted { column, stored, open: None });
        }
        if !stored {
            return Ok(KeptColumns::texts(names));
        }
        let fields = self.metadata.stored.schema().fields();
        let types = columns.iter().map(|&column| fields[column].clone()).collect();
        Ok(KeptColumns { names, types: Some(types) })
    }

    /// Whether a column can be read.
    fn check(&self, column: usize, separator: Option<char>) -> Result<(), Refused> {
        let field = &self.metadata.stored.schema().fields()[column];
        let readable = |found: String| Refused { expected: "numbers or texts", found };
        match field.data_type() {
            DataType::List(item) if item.data_type().is_nested() => {
                Err(readable("a list of more than plain values".to_owned()))
            }
            DataType::List(_) if separator.is_none() => {
                let expected =
                    "one value a row, as a list is only for fields with one and the same `separator`";
                Err(Refused { expected, found: "a list".to_owned() })
            }
            DataType::Struct(_) => Err(readable("a struct".to_owned())),
            DataType::Map(..) => Err(readable("a map".to_owned())),
            DataType::Binary if self.is_bson(column) => Err(readable("BSON".to_owned())),
            DataType::Null | DataType::Interval(_) | DataType::Duration(_) => {
                Err(readable(field.data_type().to_string()))
            }
            _ => Ok(()),
        }
    }

    fn is_bson(&self, column: usize) -> bool {
        let root = &self.parquet().file_metadata().schema().get_fields()[column];
        let info = root.get_basic_info();
        matches!(info.logical_type_ref(), Some(LogicalType::Bson))
            || info.converted_type() == ConvertedType::BSON
    }

    /// The next rows; `None` at the end of the file.
    pub fn next_stripe(&mut self) -> Result<Option<Stripe>> {
        self.stripes(1).pop().transpose()
    }

    /// The next rows, up to `most` stripes of them; none at the end of the file, and an error last, after which nothing
    /// is to be read. The workers decode them, so whoever calls must hold nothing that a worker waits for.
    pub fn stripes(&mut self, most: usize) -> Vec<Result<Stripe>> {
        let (mut pieces, mut refused) = (Vec::new(), None);
        let first = self.group - usize::from(self.left > 0);
        while pieces.len() < most {
            let opens = self.left == 0;
            if opens {
                if self.group == self.parquet().num_row_groups() {
                    break;
                }
                match usize::try_from(self.parquet().row_group(self.group).num_rows()) {
                    Ok(rows) => (self.left, self.stripe) = (rows, self.stripe_of(self.group)),
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
        let opened = pieces.iter().any(|piece: &Piece| piece.opens.is_some());
        if opened && let Err(source) = self.metadata.input.expect(&self.bytes_of(first..self.group)) {
            return vec![Err(Error::Read { path: self.path.clone(), source })];
        }
        let (mut columns, failure) = decode(&self.metadata, &mut self.columns, &pieces);
        let whole = failure.as_ref().map_or(pieces.len(), |failure| failure.at.0);
        let mut stripes = Vec::with_capacity(whole + 1);
        for &Piece { rows, .. } in &pieces[..whole] {
            self.progress.add(rows as u64);
            let mut columns = columns.iter_mut().filter_map(Iterator::next);
            let needed = columns.by_ref().take(self.needed).filter_map(|column| match column {
                Decoded::Typed(typed) => Some(typed),
                Decoded::Stored(_) => None,
            });
            let needed = needed.collect();
            let kept = kept(columns.collect(), &self.separators, rows);
            stripes.push(Ok(Stripe { rows, columns: needed, kept }));
        }
        let error = failure.map(|failure| failure.error).or(refused);
        stripes.extend(error.map(|error| Err(unreadable(&self.path, error))));
        stripes
    }

    /// Where the columns of these row groups are.
    fn bytes_of(&self, groups: Range<usize>) -> Vec<Range<u64>> {
        let schema = self.parquet().file_metadata().schema_descr();
        let wanted = |root: usize| self.columns.iter().any(|wanted| wanted.column == root);
        let columns = groups.flat_map(|group| self.parquet().row_group(group).columns().iter().enumerate());
        let columns = columns.filter(|&(leaf, _)| wanted(schema.get_column_root_idx(leaf)));
        // Of a damaged file they may be anything: what cannot be is for the decoder to refuse.
        let bytes = columns.filter_map(|(_, column)| {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let start = u64::try_from(start).ok()?;
            Some(start..start.saturating_add(u64::try_from(column.compressed_size()).ok()?))
        });
        bytes.collect()
    }

    /// Rows of the needed columns of a row group that take about a block.
    fn stripe_of(&self, group: usize) -> usize {
        let group = self.parquet().row_group(group);
        let rows = group.num_rows().max(1);
        let schema = self.parquet().file_metadata().schema_descr();
        let wanted = |root: usize| self.columns.iter().any(|wanted| wanted.column == root);
        let leaves = (0..group.num_columns()).filter(|&leaf| wanted(schema.get_column_root_idx(leaf)));
        // Of lists, several a row, whose codes and whose places in the list come beside them.
        let values = |leaf: usize| match group.column(leaf).num_values().clamp(rows, i64::MAX / 1024) / rows {
            1 => 1,
            several => 2 * several,
        };
        let row = leaves.map(values).fold(0, i64::saturating_add) as usize * BYTES_A_VALUE;
        (self.block / row.max(1)).clamp(1, MOST_ROWS)
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

/// Columns that are handed on.
fn kept(columns: Vec<Decoded>, separators: &[Option<u8>], rows: usize) -> Kept {
    let (mut stored, mut texts) = (Vec::new(), Vec::new());
    for column in columns {
        match column {
            Decoded::Stored(array) => stored.push(array),
            Decoded::Typed(typed) => texts.push(typed),
        }
    }
    if texts.is_empty() {
        return Kept(KeptCells::Stored(stored));
    }
    let mut records = Records::empty(texts.len());
    for row in 0..rows {
        for (column, &separator) in texts.iter().zip(separators) {
            records.push(|text| {
                super::write(column, row, separator, text);
            });
        }
    }
    Kept(KeptCells::Text(records))
}

impl Progress {
    fn add(&mut self, rows: u64) {
        let all = self.rows.max(1);
        let share = |rows: u64| (u128::from(self.size) * u128::from(rows.min(all)) / u128::from(all)) as u64;
        let before = share(self.done);
        self.bytes.fetch_add(share(self.done + rows) - before, Ordering::Relaxed);
        self.done += rows;
    }
}

fn unreadable(path: &Path, error: ParquetError) -> Error {
    Error::Parquet { path: path.to_owned(), source: error.into() }
}
