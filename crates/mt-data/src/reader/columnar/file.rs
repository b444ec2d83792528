//! An open Parquet file as a sequence of stripes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::column::reader::ColumnReader;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use super::chunks::Chunks;
use super::dictionary::{self, Coded};
use super::leaf::Leaf;
use super::rows::{KeptStripe, Needed, Stripe};
use super::types::{self, Column, Content};
use super::values::Values;
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
/// Stripes are decoded one after the other, as pages of different columns hold different rows, and what is made of them
/// takes several times as long and runs in parallel. So memory depends neither on the number of threads nor on the size
/// of a row group, and a file of a single one is read as fast as another.
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
    /// The needed columns of the one before, and its rows still to be read.
    open: Vec<Open>,
    open_kept: OpenKept,
    left: usize,
    progress: Progress,
}

/// A column that is read.
struct Wanted {
    column: usize,
    leaf: usize,
    separator: Option<u8>,
    /// Whether it is a feature, of which zeros are left out.
    feature: bool,
}

/// A needed column of a row group.
enum Open {
    Plain(Box<ColumnReader>),
    Coded(Coded),
}

/// The columns of a row group that are handed on.
enum OpenKept {
    Texts(Vec<Open>),
    Stored(Vec<ColumnReader>),
}

/// What is handed on as it is.
enum Keep {
    Texts(Vec<Wanted>),
    /// Leaves of the schema.
    Stored(Vec<usize>),
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
            open: Vec::new(),
            open_kept: OpenKept::Stored(Vec::new()),
            left: 0,
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
        self.kept = Keep::Stored(columns.iter().flat_map(|&column| below(column)).collect());
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
        Ok(Wanted { column, leaf: *leaf, separator, feature: false })
    }

    /// The next rows; `None` at the end of the file.
    pub fn next_stripe(&mut self) -> Result<Option<Stripe>> {
        match guarded(|| self.read_stripe()) {
            Ok(stripe) => {
                self.progress.add(stripe.as_ref().map_or(0, |stripe| stripe.rows as u64));
                Ok(stripe)
            }
            Err(error) => Err(unreadable(&self.path, error)),
        }
    }

    fn read_stripe(&mut self) -> Result<Option<Stripe>, ParquetError> {
        while self.left == 0 {
            if self.group == self.reader.num_row_groups() {
                return Ok(None);
            }
            let group = self.reader.get_row_group(self.group)?;
            self.left = usize::try_from(group.metadata().num_rows())
                .map_err(|_| ParquetError::General("a negative number of rows".to_owned()))?;
            let open = |wanted: &Wanted| Open::column(&*group, wanted.leaf);
            let stored = |&leaf: &usize| group.get_column_reader(leaf);
            self.open = self.needed.iter().map(open).collect::<Result<_, _>>()?;
            self.open_kept = match &self.kept {
                Keep::Texts(wanted) => OpenKept::Texts(wanted.iter().map(open).collect::<Result<_, _>>()?),
                Keep::Stored(leaves) => {
                    OpenKept::Stored(leaves.iter().map(stored).collect::<Result<_, _>>()?)
                }
            };
            self.group += 1;
        }
        let bytes = |(open, wanted): (&Open, &Wanted)| match open {
            Open::Coded(_) if wanted.feature => BYTES_A_CODE,
            _ => BYTES_A_VALUE,
        };
        let row = self.open.iter().zip(&self.needed).map(bytes).sum::<usize>().max(1);
        let rows = self.left.min((self.block / row).clamp(1, MOST_ROWS));
        self.left -= rows;
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let read = |(open, wanted): (&mut Open, &Wanted)| {
            let values = match open {
                Open::Plain(reader) => Values::read(reader, &schema.column(wanted.leaf), rows)?,
                Open::Coded(coded) => coded.read(rows, wanted.feature)?,
            };
            Ok::<_, ParquetError>(Needed { column: wanted.column, separator: wanted.separator, values })
        };
        let columns = self.open.iter_mut().zip(&self.needed).map(read).collect::<Result<_, _>>()?;
        let kept = match (&mut self.open_kept, &self.kept) {
            (OpenKept::Texts(open), Keep::Texts(wanted)) => {
                KeptStripe::Texts(open.iter_mut().zip(wanted).map(read).collect::<Result<_, _>>()?)
            }
            (OpenKept::Stored(leaves), _) => {
                let leaves = leaves.iter_mut().map(|leaf| Leaf::read(leaf, rows));
                KeptStripe::Stored(leaves.collect::<Result<_, _>>()?)
            }
            (OpenKept::Texts(_), Keep::Stored(_)) => unreachable!("opened as they are kept"),
        };
        Ok(Some(Stripe { rows, columns, kept }))
    }
}

impl Open {
    fn column(group: &dyn RowGroupReader, leaf: usize) -> Result<Self, ParquetError> {
        let (chunk, column) =
            (group.metadata().column(leaf), group.metadata().column(leaf).column_descr_ptr());
        if dictionary::is_coded(chunk, &column) {
            return Ok(Open::Coded(Coded::open(group.get_column_page_reader(leaf)?, &column)?));
        }
        Ok(Open::Plain(Box::new(group.get_column_reader(leaf)?)))
    }
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

/// What `read` gives. The decoder asserts some of what a damaged file may have otherwise; that is an error like others,
/// after which nothing is read any more.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    let damaged = |_| ParquetError::General("what the file says of itself cannot be".to_owned());
    catch_unwind(AssertUnwindSafe(read)).map_err(damaged)?
}

fn unreadable(path: &Path, error: ParquetError) -> Error {
    Error::Parquet { path: path.to_owned(), source: error.into() }
}
