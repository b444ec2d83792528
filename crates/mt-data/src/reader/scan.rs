//! The cells of a file from its beginning, column by column, whatever they hold: nothing is asked of them but that records are
//! records. What a profile of a file is made of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use mt_features::{Unit, Value};
use mt_storage::{Partition, Storage};
use rayon::prelude::*;

use super::blocks::{BLOCK, Blocks};
use super::cell::line_breaks;
use super::cells::{Cells, Span};
pub use super::head::head;
use super::header::read_names;
pub use super::named::schema;
#[cfg(feature = "parquet")]
use super::parquet;
use super::partition;
use super::record::{self, Whereabouts};
use super::text_start::TextStart;
#[cfg(feature = "parquet")]
use super::typed::unit;
use crate::config::CsvConfig;
use crate::error::Result;

/// What takes the cells of one column, in the order of the rows.
pub trait Sink: Send {
    /// The next one.
    fn add(&mut self, value: Value<'_>);
}

/// Takes nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn add(&mut self, _: Value<'_>) {}
}

/// An open file.
pub struct Scan {
    path: PathBuf,
    start: Start,
    partitions: Vec<Partition>,
    source: Source,
    /// Whether rows were left out of those that were read.
    cut: bool,
}

/// What a file says of its columns before its rows.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Start {
    /// Their names, behind those of the file itself those of the folders `key=value` that it is in.
    pub names: Vec<String>,
    /// How many are of such folders, which have names even where the columns of the file have none.
    pub partitions: usize,
    /// Of a Parquet file, the columns that cannot be read and what they are.
    pub refused: Vec<(usize, String)>,
    /// Of a Parquet file, the columns that are times, and their unit.
    pub times: Vec<(usize, Unit)>,
    /// Whether columns have types.
    pub typed: bool,
}

enum Source {
    Text(Box<Text>),
    #[cfg(feature = "parquet")]
    Columns {
        file: Box<parquet::File>,
        chosen: Vec<usize>,
    },
}

/// A text file: the block in `buffer` is read from `at` on.
struct Text {
    blocks: Blocks,
    delimiter: u8,
    buffer: Vec<u8>,
    length: usize,
    at: usize,
    line: u64,
    record: u64,
}

impl Scan {
    /// Opens a file: what is text there, `csv` describes. `bytes` counts what is read.
    pub fn open(storage: &Storage, path: &Path, csv: &CsvConfig, bytes: Arc<AtomicU64>) -> Result<Self> {
        let path = path.to_owned();
        let mut scan = match storage.is_typed(&path)? {
            true => Self::open_columns(storage, path, bytes)?,
            false => Self::open_text(storage, path, csv, bytes)?,
        };
        scan.partitions = storage.partitions(&scan.path);
        scan.start.partitions = scan.partitions.len();
        partition::append(&mut scan.start.names, &scan.path, &scan.partitions)?;
        Ok(scan)
    }

    fn open_text(storage: &Storage, path: PathBuf, csv: &CsvConfig, bytes: Arc<AtomicU64>) -> Result<Self> {
        let given = csv.names.as_deref().filter(|_| !csv.header);
        let given = given.map(|names| read_names(storage, names)).transpose()?;
        let start = TextStart::open(storage, &path, csv, true, BLOCK, bytes)?.named(given.as_ref());
        let TextStart { blocks, buffer, length, at, line, names } = start;
        let delimiter = csv.delimiter_byte()?;
        let text = Text { blocks, delimiter, buffer, length, at, line, record: 1 };
        let start = Start { names, ..Start::default() };
        Ok(Scan { path, start, partitions: Vec::new(), source: Source::Text(Box::new(text)), cut: false })
    }

    #[cfg(feature = "parquet")]
    fn open_columns(storage: &Storage, path: PathBuf, bytes: Arc<AtomicU64>) -> Result<Self> {
        let mut file = parquet::File::open(storage, &path, BLOCK, bytes)?;
        let names = file.names()?;
        let times = file.types().enumerate().filter_map(|(i, stored)| Some((i, unit(stored)?))).collect();
        // Any separator will do: lists come as lists.
        let (chosen, refused) = file.choose_all(|_| Some('|'));
        let refused = refused.iter().map(|(column, refused)| (*column, refused.found().to_owned())).collect();
        let start = Start { names, refused, times, typed: true, partitions: 0 };
        let source = Source::Columns { file: Box::new(file), chosen };
        Ok(Scan { path, start, partitions: Vec::new(), source, cut: false })
    }

    #[cfg(not(feature = "parquet"))]
    fn open_columns(_: &Storage, path: PathBuf, _: Arc<AtomicU64>) -> Result<Self> {
        Err(crate::error::Error::no_parquet(&path))
    }

    /// Its columns.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// Whether there are no more rows; the next one is gone after that.
    pub fn is_over(&mut self) -> Result<bool> {
        Ok(!self.cut && self.next::<Nowhere>(&[], &mut [], 1)? == 0)
    }

    /// Hands the cells of the next rows, up to `most` of them, to the sinks, of which the one at `i` takes the column
    /// `columns[i]`; returns how many rows there were, 0 at the end of the file. After fewer than a block, nothing is to be read.
    pub fn next<S: Sink>(&mut self, columns: &[usize], sinks: &mut [S], most: usize) -> Result<usize> {
        let width = self.start.names.len() - self.partitions.len();
        let same = |column: usize| {
            let partition = self.partitions.get(column.checked_sub(width)?)?;
            Some(Cells::Same(partition::value(partition)))
        };
        match &mut self.source {
            Source::Text(text) => {
                let Some((spans, unescaped, rows)) =
                    text.next(&self.path, &self.start.names[..width], most)?
                else {
                    return Ok(0);
                };
                let cells = |column: usize| {
                    let Some(spans) = spans.get(column) else { return same(column) };
                    let text = &text.buffer[..text.length];
                    Some(Cells::Text { text, unescaped: &unescaped, spans })
                };
                Ok(feed(rows, columns, sinks, cells))
            }
            #[cfg(feature = "parquet")]
            Source::Columns { file, chosen } => {
                let Some(stripe) = file.next_stripe()? else { return Ok(0) };
                let cells = |column: usize| match chosen.binary_search(&column) {
                    Ok(at) => Some(Cells::Typed(&stripe.columns[at])),
                    Err(_) => same(column),
                };
                self.cut |= stripe.rows > most;
                Ok(feed(stripe.rows.min(most), columns, sinks, cells))
            }
        }
    }
}

/// Hands the first `rows` cells of each column to its sink.
fn feed<'c, S: Sink>(
    rows: usize,
    columns: &[usize],
    sinks: &mut [S],
    cells: impl Fn(usize) -> Option<Cells<'c>> + Sync,
) -> usize {
    sinks.par_iter_mut().zip(columns).for_each(|(sink, &column)| {
        let Some(cells) = cells(column) else { return };
        let mut list = Vec::new();
        (0..rows).for_each(|row| sink.add(cells.at(row, &mut list)));
    });
    rows
}

/// The cells of some rows by column, the contents that had doubled quotes, less the doubles, and the number of rows.
type Split = (Vec<Vec<Span>>, Vec<u8>, usize);

impl Text {
    fn next(&mut self, path: &Path, names: &[String], most: usize) -> Result<Option<Split>> {
        let mut spans: Vec<Vec<Span>> = vec![Vec::new(); names.len()];
        let (mut unescaped, mut cells, mut rows) = (Vec::new(), Vec::with_capacity(names.len()), 0);
        while rows == 0 {
            if self.at == self.length {
                (self.length, self.at) = (self.blocks.next_into(&mut self.buffer)?, 0);
                if self.length == 0 {
                    return Ok(None);
                }
            }
            let text = &self.buffer[..self.length];
            while self.at < self.length && rows < most {
                let blank = record::blank(&text[self.at..]);
                if blank > 0 {
                    (self.at, self.line) = (self.at + blank, self.line + 1);
                    continue;
                }
                let whereabouts = Whereabouts { path, line: self.line, record: self.record };
                let next = record::split(text, self.at, self.delimiter, names, &mut cells, whereabouts)?;
                self.line += line_breaks(&text[self.at..next]);
                (self.at, self.record, rows) = (next, self.record + 1, rows + 1);
                for (spans, &content) in spans.iter_mut().zip(&cells) {
                    spans.push(Span::of(content, text, &mut unescaped));
                }
            }
        }
        Ok(Some((spans, unescaped, rows)))
    }
}
