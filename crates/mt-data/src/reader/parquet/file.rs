//! An open Parquet or Arrow file, or a part of a source, as a sequence of stripes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::basic::{ConvertedType, LogicalType};
use ::parquet::errors::ParquetError;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Fields};
use mt_storage::Storage;
use rayon::prelude::*;

use super::batches::Batches;
use super::column::{Decoded, Wanted, guarded};
use super::groups::{Groups, MOST_ROWS, Read};
use super::input::Input;
use super::kept::{self, Handed};
use crate::error::{Error, Result};
use crate::reader::kept::{Kept, KeptColumn, KeptColumns, KeptForm};
use crate::reader::plan::Plan;
use crate::reader::typed::Typed;

/// An open file.
///
/// Some stripes are decoded at once, a column by a worker, and then made tables of, a stripe by a worker. So memory does
/// not depend on the size of a row group, and a file of a single one is read as fast as another.
pub(in crate::reader) struct File {
    path: PathBuf,
    content: Content,
    /// First those that are needed, then those that are handed on.
    columns: Vec<Wanted>,
    needed: usize,
    /// Where those that are handed on come from.
    handed: Vec<Handed>,
    /// Bytes of a stripe.
    block: usize,
    progress: Progress,
}

/// What it is made of.
enum Content {
    Parquet(Groups),
    Rows(Batches),
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
        let (content, size, rows) = match Batches::open(storage, path, &bytes)? {
            Some(batches) => {
                let size = batches.bytes();
                (Content::Rows(batches), size, 0)
            }
            None => {
                let file = storage.open(path)?;
                let size = file.size();
                let input = Input::new(file);
                let groups = guarded(|| Groups::open(input)).map_err(|error| unreadable(path, error))?;
                let rows = groups.parquet().file_metadata().num_rows();
                (Content::Parquet(groups), size, rows)
            }
        };
        Ok(File {
            path: path.to_owned(),
            content,
            columns: Vec::new(),
            needed: 0,
            handed: Vec::new(),
            block,
            progress: Progress { bytes, size, rows: u64::try_from(rows).unwrap_or_default(), done: 0 },
        })
    }

    /// The columns, as they are stored.
    fn fields(&self) -> &Fields {
        match &self.content {
            Content::Parquet(groups) => groups.fields(),
            Content::Rows(batches) => batches.schema.fields(),
        }
    }

    /// The types of its columns, as they are stored.
    pub fn types(&self) -> impl Iterator<Item = &DataType> {
        self.fields().iter().map(|field| field.data_type())
    }

    /// The names of its columns.
    pub fn names(&self) -> Result<Vec<String>> {
        let names: Vec<String> = self.fields().iter().map(|field| field.name().to_owned()).collect();
        crate::reader::header::unique(&names, &self.path)?;
        Ok(names)
    }

    /// Says which columns are to be read: those of the file that `plan` keeps. Those that cannot be are refused.
    pub fn choose(&mut self, plan: &Plan, names: &[String]) -> Result<()> {
        let width = self.fields().len();
        for (k, &column) in (0..).zip(&plan.kept).filter(|&(_, &column)| column < width) {
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
        for column in 0..self.fields().len() {
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
        columns: &[KeptColumn],
        names: Vec<String>,
        form: KeptForm,
        separator: impl Fn(usize) -> Option<char>,
    ) -> Result<KeptColumns> {
        let stored = form == KeptForm::Stored;
        self.columns.truncate(self.needed);
        self.handed.clear();
        for (column, name) in columns.iter().zip(&names) {
            self.handed.push(match column {
                KeptColumn::Folder(partition) if stored => Handed::Stored(partition.clone()),
                KeptColumn::Folder(partition) => Handed::Text(partition.clone()),
                &KeptColumn::Cell(column) => {
                    let separator = separator(column);
                    if !stored {
                        self.check(column, separator).map_err(|refused| refused.error(&self.path, name))?;
                    }
                    self.columns.push(Wanted { column, stored, open: None });
                    Handed::Read(separator.map(|separator| separator as u8))
                }
            });
        }
        if !stored {
            return Ok(KeptColumns::texts(names));
        }
        let fields = self.fields();
        let types = columns.iter().map(|column| match column {
            KeptColumn::Cell(column) => fields[*column].clone(),
            KeptColumn::Folder(partition) => kept::field(partition),
        });
        Ok(KeptColumns { types: Some(types.collect()), names })
    }

    /// Whether a column can be read.
    fn check(&self, column: usize, separator: Option<char>) -> Result<(), Refused> {
        let field = &self.fields()[column];
        let readable = |found: String| Refused { expected: "numbers or texts", found };
        match field.data_type() {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
                if item.data_type().is_nested() =>
            {
                Err(readable("a list of more than plain values".to_owned()))
            }
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
                if separator.is_none() =>
            {
                let expected =
                    "one value a row, as a list is only for fields with one and the same `separator`";
                Err(Refused { expected, found: "a list".to_owned() })
            }
            DataType::Struct(_) => Err(readable("a struct".to_owned())),
            DataType::Map(..) => Err(readable("a map".to_owned())),
            DataType::Binary if self.is_bson(column) => Err(readable("BSON".to_owned())),
            DataType::Null
            | DataType::Interval(_)
            | DataType::Duration(_)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::RunEndEncoded(..)
            | DataType::Union(..) => Err(readable(field.data_type().to_string())),
            _ => Ok(()),
        }
    }

    fn is_bson(&self, column: usize) -> bool {
        let Content::Parquet(groups) = &self.content else { return false };
        let root = &groups.parquet().file_metadata().schema().get_fields()[column];
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
        let mut stripes = Vec::new();
        let error = match &mut self.content {
            Content::Parquet(groups) => match groups.next(&mut self.columns, self.block, most) {
                Ok(Read { columns, rows, error }) => {
                    let mut columns = columns;
                    for rows in rows {
                        stripes.push((rows, columns.iter_mut().filter_map(Iterator::next).collect()));
                    }
                    error.map(|error| unreadable(&self.path, error))
                }
                Err(source) => Some(Error::read(&self.path, source)),
            },
            Content::Rows(batches) => {
                let columns: Vec<usize> = self.columns.iter().map(|wanted| wanted.column).collect();
                let (mut read, mut error) = (Vec::new(), None);
                while read.len() < most && error.is_none() {
                    match batches.next(&columns, MOST_ROWS, &self.path) {
                        Ok(None) => break,
                        Ok(Some(batch)) => read.push(batch),
                        Err(failed) => error = Some(failed),
                    }
                }
                let stored: Vec<bool> = self.columns.iter().map(|wanted| wanted.stored).collect();
                let decode = |batch: &RecordBatch| decoded(batch, &stored);
                let decoded: Vec<_> = read.par_iter().with_max_len(1).map(decode).collect();
                for (batch, columns_of) in read.iter().zip(decoded) {
                    match columns_of {
                        Ok(columns) => stripes.push((batch.num_rows(), columns)),
                        Err((at, found)) => {
                            let refused = Refused { expected: "numbers or texts", found };
                            let name = batches.schema.field(columns[at]).name();
                            error = Some(refused.error(&self.path, name));
                            break;
                        }
                    }
                }
                error
            }
        };
        let mut done: Vec<Result<Stripe>> = Vec::with_capacity(stripes.len() + 1);
        for (rows, columns) in stripes {
            self.progress.add(rows as u64);
            let mut columns: Vec<Decoded> = columns;
            let kept = kept::kept(columns.split_off(self.needed), &self.handed, rows);
            let columns = columns.into_iter().filter_map(|column| match column {
                Decoded::Typed(typed) => Some(typed),
                Decoded::Stored(_) => None,
            });
            done.push(Ok(Stripe { rows, columns: columns.collect(), kept }));
        }
        done.extend(error.map(Err));
        done
    }
}

/// The columns of a batch; an error says which one has no values, and what it has.
fn decoded(batch: &RecordBatch, stored: &[bool]) -> Result<Vec<Decoded>, (usize, String)> {
    let decode = |(at, (array, &stored)): (usize, (&ArrayRef, &bool))| match stored {
        true => Ok(Decoded::Stored(array.clone())),
        false => Typed::new(array).map(Decoded::Typed).map_err(|found| (at, found)),
    };
    batch.columns().iter().zip(stored).enumerate().map(decode).collect()
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
