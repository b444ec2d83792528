//! Blocks of records, parsed in parallel, handed out in input order.
//!
//! The order of the rows, the first error and the bad records that are left out do not depend on the number of
//! threads or the size of a block.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mt_features::fields::Interner;
use mt_features::{JoinCoverage, Layout as Form, Normalizer, Numeric, Schema, Table};
#[cfg(feature = "parquet")]
use rayon::prelude::*;

use super::blocks;
use super::kept::{self, Kept, KeptColumns, KeptForm};
use super::layout::Layout;
use super::merge::Known;
#[cfg(feature = "parquet")]
use super::parquet;
use super::parse;
use super::row::{Fault, FaultKind, Parsed};
use super::stream::{Block, Content, Stream};
use crate::config::{BadRecords, DataConfig};
use crate::error::{Error, Found, Place, Result};
use crate::mentioned::Mentioned;
use crate::progress::Progress;

/// Blocks a thread parses before the results are handed out: with many, a thread that is held up does not hold up
/// the others; 16 MiB of text for two threads.
const BLOCKS_A_THREAD: usize = 8;
/// The same of Parquet files, whose columns take several times the memory while they are decoded.
#[cfg(feature = "parquet")]
const STRIPES_A_THREAD: usize = 4;
/// Messages kept of the bad records that are left out; the rest are only counted.
const MESSAGES: usize = 10;

/// The bad records that were left out.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Skipped {
    /// How many.
    pub records: u64,
    /// What was wrong with the first ten.
    pub first: Vec<Error>,
}

impl Skipped {
    /// Adds those of more files.
    pub(crate) fn add(&mut self, more: Skipped) {
        self.records += more.records;
        self.first.extend(more.first);
    }
}

/// Reads files as a sequence of tables of about 1 MiB of text each, in input order.
///
/// After an error it ends.
pub struct TableReader {
    /// Behind a lock so that threads may share this and ask how far it is; reading goes past it.
    stream: Mutex<Stream>,
    normalizer: Option<Normalizer>,
    bad: BadRecords,
    /// Blocks parsed but not yet handed out.
    parsed: VecDeque<Result<(Block, Parsed, Kept)>>,
    /// Memory of blocks handed out, to be used again.
    free: Mutex<Vec<Vec<u8>>>,
    known: Known,
    line: u64,
    record: u64,
    rows: u64,
    bytes_total: u64,
    skipped: Skipped,
    ended: bool,
}

/// What is left when training rows have been read.
pub(crate) struct Finished {
    pub skipped: Skipped,
    pub interned: Vec<Interner>,
    pub parts: Vec<u8>,
    pub joins: Vec<JoinCoverage>,
}

impl TableReader {
    /// One of the files of `stream`, in which side tables have the values `interned`.
    pub(super) fn of(stream: Stream, interned: Vec<Interner>, bad: BadRecords, bytes_total: u64) -> Self {
        TableReader {
            stream: Mutex::new(stream),
            normalizer: None,
            bad,
            known: Known { interned, ..Known::default() },
            parsed: VecDeque::new(),
            free: Mutex::default(),
            line: 1,
            record: 1,
            rows: 0,
            bytes_total,
            skipped: Skipped::default(),
            ended: false,
        }
    }

    /// The same, with numbers normalised.
    pub(super) fn normalized(self, normalizer: &Normalizer) -> Self {
        TableReader { normalizer: Some(normalizer.clone()), ..self }
    }

    /// The columns that are read.
    pub fn schema(&self) -> Schema {
        lock(&self.stream).schema().clone()
    }

    /// How far reading has come. Bytes are those of the files, before decompression.
    pub fn progress(&self) -> Progress {
        let bytes_done = lock(&self.stream).bytes_done();
        Progress { bytes_done, bytes_total: Some(self.bytes_total), rows: self.rows }
    }

    /// Text of about this many bytes is read at once: with side tables less, as a row is then several times its text.
    pub(crate) fn block(data: &DataConfig) -> usize {
        if data.join.is_empty() { blocks::BLOCK } else { blocks::BLOCK / 4 }
    }

    /// After the first block: how many times its size the files come to, by the blocks read so far.
    pub(crate) fn blocks_expected(&self) -> f64 {
        let bytes_done = lock(&self.stream).bytes_done().max(1);
        (self.parsed.len() + 1) as f64 * self.bytes_total as f64 / bytes_done as f64
    }

    /// The bad records left out so far.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// How the rows so far fared with each side table.
    pub fn joins(&self) -> Vec<JoinCoverage> {
        let keys = lock(&self.stream).join_keys();
        let join = |(key, &(rows, without_partner))| JoinCoverage::new(key, rows, without_partner);
        keys.into_iter().zip(&self.known.lost).map(join).collect()
    }

    /// As [`skipped`](Self::skipped), when reading is over.
    pub fn into_skipped(self) -> Skipped {
        self.skipped
    }

    /// Inputs that expressions for labels and weights name.
    pub(crate) fn mentioned(&self) -> Vec<Mentioned> {
        lock(&self.stream).mentioned().to_vec()
    }

    /// Keeps some columns of the files themselves, for [`next_kept`](Self::next_kept). Every record of the files then
    /// has its row: a bad one is an error, whatever `on_bad_record` says.
    ///
    /// To be called before anything is read.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`]; [`Error::ColumnType`] for a column of a Parquet file that no text can stand for, and,
    /// at a later file, for one of another type.
    pub fn keep(mut self, columns: &[String], form: KeptForm) -> Result<Self> {
        lock(&self.stream).keep(columns, form)?;
        self.bad = BadRecords::Fail;
        Ok(self)
    }

    /// What columns are kept.
    pub fn kept_columns(&self) -> KeptColumns {
        lock(&self.stream).kept_columns()
    }

    /// The next rows, as [`next`](Iterator::next) gives them, and their kept columns.
    pub fn next_kept(&mut self) -> Option<Result<(Table, Kept)>> {
        if self.ended {
            return None;
        }
        // Where one kind of file follows another, there may be nothing at first.
        while self.parsed.is_empty() && lock(&self.stream).is_open() {
            self.parse_more();
        }
        let result = self.parsed.pop_front().map(|parsed| {
            let (block, parsed, kept) = parsed?;
            Ok((self.place(block, parsed)?, kept))
        });
        self.ended = !matches!(result, Some(Ok(_)));
        result
    }

    /// What is left when reading is over.
    pub(crate) fn finish(self) -> Finished {
        let joins = self.joins();
        let Known { interned, parts, .. } = self.known;
        Finished { skipped: self.skipped, interned, parts, joins }
    }

    /// Reads and parses the next blocks, some for each thread.
    fn parse_more(&mut self) {
        let allowance = match self.bad {
            BadRecords::Fail => 0,
            BadRecords::Skip(limit) => limit,
        };
        let most = BLOCKS_A_THREAD * rayon::current_num_threads();
        let normalizer = self.normalizer.as_ref();
        let parse = |block| parse_block(block, allowance, normalizer);
        // Not locked: what a store does meanwhile is not ours.
        let stream = self.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
        #[cfg(feature = "parquet")]
        {
            let most = STRIPES_A_THREAD * rayon::current_num_threads();
            let blocks = stream.next_columns(most).into_par_iter().with_max_len(1);
            self.parsed.par_extend(blocks.map(|block| block.and_then(parse)));
        }
        if self.parsed.is_empty() {
            self.parsed.extend(parse_text(stream, &self.free, most, parse));
        }
    }

    /// Gives a parsed block its place in the input, and its faults their positions.
    fn place(&mut self, block: Block, parsed: Parsed) -> Result<Table> {
        if let Some(line) = block.opens {
            (self.line, self.record) = (line, 1);
        }
        for fault in parsed.faults {
            let open = matches!(fault.kind, FaultKind::Open { .. });
            let error = locate(fault, &block, self.line, self.record);
            let BadRecords::Skip(limit) = self.bad else { return Err(error) };
            if open {
                return Err(error);
            }
            self.skipped.records += 1;
            if self.skipped.first.len() < MESSAGES {
                self.skipped.first.push(error);
            }
            if self.skipped.records > limit {
                let first = Box::new(self.skipped.first.swap_remove(0));
                return Err(Error::TooManyBadRecords { limit, first });
            }
        }
        self.line += parsed.lines;
        self.record += parsed.records;
        self.rows += parsed.rows.rows() as u64;
        let mut table = Table::from_batch(parsed.rows);
        if let Some(extra) = parsed.extra {
            table = self.known.merge(table, extra, &block.layout)?;
        }
        match block.content {
            Content::Text { buffer, .. } => lock(&self.free).push(buffer),
            #[cfg(feature = "parquet")]
            Content::Columns(_) => {}
        }
        Ok(table)
    }
}

impl Iterator for TableReader {
    type Item = Result<Table>;

    fn next(&mut self) -> Option<Result<Table>> {
        self.next_kept().map(|result| result.map(|(table, _)| table))
    }
}

/// Reads and parses up to `most` blocks of text: this thread reads, whichever is free parses. While a store reads, no lock is
/// held and no worker waits, so that it may use the workers itself.
fn parse_text<T: Send>(
    stream: &mut Stream,
    free: &Mutex<Vec<Vec<u8>>>,
    most: usize,
    parse: impl Fn(Block) -> Result<T> + Sync,
) -> impl Iterator<Item = Result<T>> {
    let threads = rayon::current_num_threads();
    let (parsed, waiting) = (Mutex::new(Vec::with_capacity(most)), AtomicUsize::new(0));
    let done = |number: usize, result: Result<T>| lock(&parsed).push((number, result));
    rayon::in_place_scope(|scope| {
        for number in 0..most {
            let buffer = lock(free).pop().unwrap_or_default();
            let block = match stream.next_text(buffer).transpose() {
                None => break,
                Some(Err(error)) => {
                    done(number, Err(error));
                    break;
                }
                Some(Ok(block)) => block,
            };
            if threads == 1 {
                done(number, parse(block));
                continue;
            }
            waiting.fetch_add(1, Ordering::Relaxed);
            let (done, parse, waiting) = (&done, &parse, &waiting);
            scope.spawn(move |_| {
                waiting.fetch_sub(1, Ordering::Relaxed);
                done(number, parse(block));
            });
            // Where there is enough to do for the others, this thread takes the last block, which is still in its cache.
            if waiting.load(Ordering::Relaxed) >= threads {
                rayon::yield_local();
            }
        }
    });
    let mut parsed = parsed.into_inner().unwrap_or_else(PoisonError::into_inner);
    parsed.sort_by_key(|&(number, _)| number);
    parsed.into_iter().map(|(_, result)| result)
}

fn parse_block(
    mut block: Block,
    allowance: u64,
    normalizer: Option<&Normalizer>,
) -> Result<(Block, Parsed, Kept)> {
    let mut parsed = match &block.content {
        Content::Text { buffer, lines } => parse::parse(&buffer[lines.clone()], &block.layout, allowance),
        #[cfg(feature = "parquet")]
        Content::Columns(stripe) => parquet::parse(stripe, &block.layout),
    };
    match normalizer {
        Some(normalizer) => {
            let mut table = Table::from_batch(parsed.rows);
            normalizer.apply(&mut table)?;
            parsed.rows = table.into_batch();
        }
        None => {
            // A block of dense data takes half the memory in the dense form, while it waits to be joined.
            let numeric = &parsed.rows.numeric;
            let cells = numeric.rows() as u64 * numeric.width() as u64;
            let form = Form::choose(numeric.non_zeros(), cells);
            let empty = Numeric::Dense(Default::default());
            parsed.rows.numeric = std::mem::replace(&mut parsed.rows.numeric, empty).into_layout(form);
        }
    }
    let kept = match &mut block.content {
        Content::Text { buffer, lines } => {
            // Of a block with a bad record nothing is kept: where columns are, that ends the reading.
            let columns = if parsed.faults.is_empty() { &block.kept[..] } else { &[] };
            kept::cells(&buffer[lines.clone()], block.layout.delimiter, columns)
        }
        #[cfg(feature = "parquet")]
        Content::Columns(stripe) => std::mem::take(&mut stripe.kept),
    };
    Ok((block, parsed, kept))
}

fn locate(fault: Fault, block: &Block, line: u64, record: u64) -> Error {
    let layout: &Layout = &block.layout;
    let (path, record) = (layout.path.clone(), record + fault.record);
    let place = match block.content {
        Content::Text { .. } => {
            Place::Text { path, line: line + fault.line, column: fault.offset as u64 + 1 }
        }
        #[cfg(feature = "parquet")]
        Content::Columns(_) => Place::Row { path, row: record },
    };
    match fault.kind {
        FaultKind::Width { found } => Error::Width { place, expected: layout.slots.len(), found, record },
        FaultKind::Open { column, found } => {
            let field = layout.names.get(column).cloned().unwrap_or_default().into();
            let expected = "a closing quote; it is open up to the end of the file".into();
            Error::Field { place, field, expected, found: Found(found), record }
        }
        FaultKind::Side { place, field, expected, found } => {
            Error::Field { place, field: field.into(), expected, found: Found(found), record }
        }
        FaultKind::Cell { column, field, expected, found } => {
            let field = field.or_else(|| layout.names.get(column).cloned()).unwrap_or_default();
            Error::Field { place, field: field.into(), expected, found: Found(found), record }
        }
    }
}

/// A worker that panicked left nothing half done that matters: its panic goes up through rayon anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
