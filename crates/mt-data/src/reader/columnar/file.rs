//! An open Parquet file as a sequence of stripes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use super::chunks::Chunks;
use super::decoder::{Decoded, Piece, StoredLeaf, Wanted, decode, first, guarded};
use super::dictionary;
use super::leaf::Leaf;
use super::rows::{KeptStripe, Needed, Stripe};
use super::types::{self, Column, Content};
use crate::error::{Error, Result};
use crate::reader::kept::{KeptColumns, KeptForm};
use crate::reader::layout::{Layout, Slot};
use crate::storage::Storage;

/// Rows a worker makes tables of at once: their columns should still be in the cache then.
const MOST_ROWS: usize = 4096;
/// About what a value takes once it is read.
const BYTES_A_VALUE: usize = 4;
/// And a value of a feature that is a code, most of which are those of 0.
const BYTES_A_CODE: usize = 1;

/// An open file.
///
/// Some stripes are decoded at once, a column by a worker, and then made tables of, a stripe by a worker. So memory does
/// not depend on the size of a row group, and a file of a single one is read as fast as another.
pub(in crate::reader) struct File {
    path: PathBuf,
    reader: SerializedFileReader<Chunks>,
    columns: Vec<Column>,
    needed: Vec<Wanted>,
    kept: Keep,
    /// Bytes of a stripe.
    block: usize,
    /// The next row group.
    group: usize,
    /// Rows of the one before that are still to be read, and those of a stripe.
    left: usize,
    stripe: usize,
    progress: Progress,
}

/// What is handed on as it is.
enum Keep {
    Texts(Vec<Wanted>),
    /// Leaves of the schema.
    Stored(Vec<StoredLeaf>),
}

/// The same, decoded.
enum DecodedKept {
    Texts(Decoded<Needed>),
    Stored(Decoded<Leaf>),
}

/// Why a column cannot be read.
#[derive(Debug)]
pub(in crate::reader) struct Refused {
    expected: &'static str,
    found: String,
}

impl Refused {
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
        let reader = guarded(|| SerializedFileReader::new(Chunks::new(file)))
            .map_err(|error| unreadable(path, error))?;
        let metadata = reader.metadata();
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
        Ok(File {
            path: path.to_owned(),
            columns: types::columns(metadata.file_metadata().schema_descr()),
            reader,
            needed: Vec::new(),
            kept: Keep::Stored(Vec::new()),
            block,
            group: 0,
            left: 0,
            stripe: 0,
            progress: Progress { bytes, size, rows, done: 0 },
        })
    }

    /// The names of its columns.
    pub fn names(&self) -> Result<Vec<String>> {
        let root = self.reader.metadata().file_metadata().schema();
        let names: Vec<String> = root.get_fields().iter().map(|field| field.name().to_owned()).collect();
        crate::reader::header::unique(&names, &self.path)?;
        Ok(names)
    }

    /// Says which columns are to be read; those that cannot be are refused.
    pub fn choose(&mut self, layout: &Layout) -> Result<()> {
        for (number, slot) in layout.slots.iter().enumerate() {
            let separator = match (slot, &layout.plan) {
                (Slot::Skip, _) => continue,
                (Slot::Keep(k), Some(plan)) => plan.separator(*k),
                _ => None,
            };
            match self.want(number, separator) {
                Ok(wanted) => {
                    let feature = matches!(slot, Slot::Feature(_));
                    self.needed.push(Wanted { feature, ..wanted });
                }
                Err(refused) => return Err(refused.error(&self.path, &layout.names[number])),
            }
        }
        Ok(())
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
        if form == KeptForm::Text {
            let want = |(&column, name): (&usize, &String)| {
                self.want(column, separator(column)).map_err(|refused| refused.error(&self.path, name))
            };
            self.kept = Keep::Texts(columns.iter().zip(&names).map(want).collect::<Result<_>>()?);
            return Ok(KeptColumns::texts(names));
        }
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let leaves = 0..schema.num_columns();
        let below =
            |column: usize| leaves.clone().filter(move |&leaf| schema.get_column_root_idx(leaf) == column);
        let leaves = columns.iter().flat_map(|&column| below(column));
        self.kept = Keep::Stored(leaves.map(|leaf| StoredLeaf { leaf, open: None }).collect());
        let fields = schema.root_schema().get_fields();
        let types = Some(columns.iter().map(|&column| fields[column].clone()).collect());
        Ok(KeptColumns { names, types })
    }

    /// As [`choose`](Self::choose), with all columns; `separator` says what stands between the values of a list, and
    /// those that cannot be read are only named.
    pub fn choose_all(&mut self, separator: impl Fn(usize) -> Option<char>) -> Vec<(usize, Refused)> {
        let columns = 0..self.columns.len();
        let mut refused = Vec::new();
        for number in columns {
            match self.want(number, separator(number)) {
                Ok(wanted) => self.needed.push(wanted),
                Err(reason) => refused.push((number, reason)),
            }
        }
        refused
    }

    fn want(&self, column: usize, separator: Option<char>) -> Result<Wanted, Refused> {
        let Column { leaf, content } = &self.columns[column];
        let separator = match (content, separator) {
            (Content::Value, _) => None,
            (Content::List, Some(separator)) => Some(separator as u8),
            (Content::List, None) => {
                let expected =
                    "one value a row, as a list is only for fields with one and the same `separator`";
                return Err(Refused { expected, found: "a list".to_owned() });
            }
            (Content::Unreadable(found), _) => {
                return Err(Refused { expected: "numbers or texts", found: found.clone() });
            }
        };
        Ok(Wanted { column, leaf: *leaf, separator, feature: false, open: None })
    }

    /// The next rows; `None` at the end of the file.
    pub fn next_stripe(&mut self) -> Result<Option<Stripe>> {
        self.stripes(1).pop().transpose()
    }

    /// The next rows, up to `most` stripes of them; none at the end of the file, and an error last, after which nothing
    /// is to be read. The workers decode them, so whoever calls must hold nothing that a worker waits for.
    pub fn stripes(&mut self, most: usize) -> Vec<Result<Stripe>> {
        let (mut groups, mut plan, mut refused) = (Vec::new(), Vec::new(), None);
        while plan.len() < most {
            let opens = self.left == 0;
            if opens {
                if self.group == self.reader.num_row_groups() {
                    break;
                }
                match guarded(|| open(&self.reader, self.group)) {
                    Ok((group, rows)) => {
                        (self.left, self.stripe) = (rows, stripe(&*group, &self.needed, self.block));
                        groups.push(group);
                    }
                    Err(error) => {
                        refused = Some(error);
                        break;
                    }
                }
                self.group += 1;
            }
            let rows = self.left.min(self.stripe);
            if rows > 0 {
                self.left -= rows;
                plan.push((opens.then(|| groups.len() - 1), rows));
            }
        }
        let piece =
            |&(group, rows): &(Option<usize>, usize)| Piece { opens: group.map(|i| &*groups[i]), rows };
        let pieces: Vec<Piece<'_>> = plan.iter().map(piece).collect();
        let (mut columns, failure) = decode(&mut self.needed, &pieces);
        let (mut kept, failure_kept) = match &mut self.kept {
            Keep::Texts(columns) => {
                let (texts, failure) = decode(columns, &pieces);
                (DecodedKept::Texts(texts), failure)
            }
            Keep::Stored(leaves) => {
                let (leaves, failure) = decode(leaves, &pieces);
                (DecodedKept::Stored(leaves), failure)
            }
        };
        let failure = first([failure, failure_kept]);
        let whole = failure.as_ref().map_or(pieces.len(), |failure| failure.at.0);
        let mut stripes = Vec::with_capacity(whole + 1);
        for &Piece { rows, .. } in &pieces[..whole] {
            self.progress.add(rows as u64);
            let kept = match &mut kept {
                DecodedKept::Texts(columns) => KeptStripe::Texts(next_of_each(columns)),
                DecodedKept::Stored(leaves) => KeptStripe::Stored(next_of_each(leaves)),
            };
            stripes.push(Ok(Stripe { rows, columns: next_of_each(&mut columns), kept }));
        }
        let error = failure.map(|failure| failure.error).or(refused);
        stripes.extend(error.map(|error| Err(unreadable(&self.path, error))));
        stripes
    }
}

/// A row group and the number of its rows.
fn open(
    reader: &SerializedFileReader<Chunks>,
    group: usize,
) -> Result<(Box<dyn RowGroupReader + '_>, usize), ParquetError> {
    let group = reader.get_row_group(group)?;
    let rows = usize::try_from(group.metadata().num_rows())
        .map_err(|_| ParquetError::General("a negative number of rows".to_owned()))?;
    Ok((group, rows))
}

/// Rows of `needed` columns that take about `block` bytes.
fn stripe(group: &dyn RowGroupReader, needed: &[Wanted], block: usize) -> usize {
    let bytes = |wanted: &Wanted| {
        let chunk = group.metadata().column(wanted.leaf);
        let coded = wanted.feature && dictionary::is_coded(chunk, chunk.column_descr());
        if coded { BYTES_A_CODE } else { BYTES_A_VALUE }
    };
    let row = needed.iter().map(bytes).sum::<usize>().max(1);
    (block / row).clamp(1, MOST_ROWS)
}

/// What the columns hold in the next stripe.
fn next_of_each<V>(columns: &mut Decoded<V>) -> Vec<V> {
    columns.iter_mut().filter_map(Iterator::next).collect()
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
