//! Blocks of records, parsed in parallel, handed out in input order.
//!
//! The order of the rows, the first error and the bad records that are left out do not depend on the number of
//! threads or the size of a block.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mt_features::fields::Interner;
use mt_features::{JoinCoverage, Normalizer, Schema, Table};
#[cfg(feature = "parquet")]
use rayon::prelude::*;

use super::block::{locate, parse_block};
use super::blocks;
use super::kept::{Kept, KeptColumns, KeptForm};
use super::large::Large;
use super::merge::Known;
use super::row::{FaultKind, Parsed};
use super::stream::{Block, Content, Stream};
use crate::config::{BadRecords, DataConfig};
use crate::error::{Error, Result};
use crate::mentioned::Mentioned;
use crate::progress::Progress;

/// Blocks a thread parses before the results are handed out: with many, a thread that is held up does not hold up
/// the others; 16 MiB of text for all threads together.
const BLOCKS_A_THREAD: usize = 8;
/// Stripes of typed columns a thread decodes while as many are made tables of: they take several times the memory of text.
#[cfg(feature = "parquet")]
const STRIPES_A_THREAD: usize = 2;
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
    /// Stripes that were decoded while those before them were made tables of.
    decoded: Vec<Result<Block>>,
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
    /// Whether the first rows still have to say what is taken off large numbers.
    undecided: bool,
    ended: bool,
}

/// What is left when training rows have been read.
pub(crate) struct Finished {
    pub skipped: Skipped,
    pub interned: Vec<Interner>,
    pub parts: Vec<u8>,
    pub joins: Vec<JoinCoverage>,
    /// What has been taken off each feature's numbers.
    pub bases: Vec<f64>,
}

impl TableReader {
    /// One of the files of `stream`, in which side tables have the values `interned`.
    pub(super) fn of(stream: Stream, interned: Vec<Interner>, bad: BadRecords, bytes_total: u64) -> Self {
        TableReader {
            stream: Mutex::new(stream),
            normalizer: None,
            bad,
            known: Known { interned, ..Known::default() },
            decoded: Vec::new(),
            parsed: VecDeque::new(),
            free: Mutex::default(),
            line: 1,
            record: 1,
            rows: 0,
            bytes_total,
            skipped: Skipped::default(),
            undecided: false,
            ended: false,
        }
    }

    /// The same, with numbers less a base where the first rows show that single precision would not tell them apart: see
    /// [`bases`](Self::bases). To be called before anything is read.
    pub(crate) fn less_bases(self) -> Self {
        TableReader { undecided: true, ..self }
    }

    /// What has been taken off each feature's numbers.
    pub(crate) fn bases(&self) -> Vec<f64> {
        let stream = lock(&self.stream);
        let bases = stream.bases();
        stream.schema().numeric.iter().map(|name| bases.get(name).copied().unwrap_or_default()).collect()
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

    /// Text of about this many bytes is read at once: with side tables less, as a row is then several times its text; and of more
    /// threads than two each has less, so that all together take no more memory.
    pub(crate) fn block(data: &DataConfig) -> usize {
        let block = if data.join.is_empty() { blocks::BLOCK } else { blocks::BLOCK / 4 };
        2 * block / rayon::current_num_threads().clamp(2, 32)
    }

    /// After the first block: how many times its size the files come to, by the blocks read so far.
    pub(crate) fn blocks_expected(&self) -> f64 {
        let bytes_done = lock(&self.stream).bytes_done().max(1);
        let waiting = self.parsed.len() + self.decoded.len();
        (waiting + 1) as f64 * self.bytes_total as f64 / bytes_done as f64
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
        if std::mem::take(&mut self.undecided) {
            self.decide();
        }
        // Where one kind of file follows another, there may be nothing at first.
        while self.parsed.is_empty() && self.parse_more() {}
        let result = self.parsed.pop_front().map(|parsed| {
            let (block, parsed, kept) = parsed?;
            Ok((self.place(block, parsed)?, kept))
        });
        self.ended = !matches!(result, Some(Ok(_)));
        result
    }

    /// What is left when reading is over.
    pub(crate) fn finish(self) -> Finished {
        let (joins, bases) = (self.joins(), self.bases());
        let Known { interned, parts, .. } = self.known;
        Finished { skipped: self.skipped, interned, parts, joins, bases }
    }

    /// Bad records that a block may have before the rest of it is of no use.
    fn allowance(&self) -> u64 {
        match self.bad {
            BadRecords::Fail => 0,
            BadRecords::Skip(limit) => limit,
        }
    }

    /// Reads and parses the first blocks, and once more where the first rows have large numbers. Which rows these are does not
    /// depend on the size of a block.
    fn decide(&mut self) {
        let allowance = self.allowance();
        let stream = self.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (mut parsed, mut large) = (Vec::new(), Large::of(stream.schema().numeric.len()));
        while let Some(block) = stream.next_block() {
            let result = block.and_then(|block| parse_block(block, allowance, None));
            let over = result.as_ref().is_ok_and(|(_, parsed, _)| large.look(&parsed.rows.numeric));
            let failed = result.is_err();
            parsed.push(result);
            if over || failed {
                break;
            }
        }
        let known = stream.bases();
        let named = stream.schema().numeric.iter().zip(large.bases());
        let found = named.filter_map(|(name, base)| Some((name.clone(), base?)));
        let found: Vec<(String, f64)> = found.filter(|(name, _)| !known.contains_key(name)).collect();
        if !found.is_empty() {
            let taken = stream.take_off(found);
            let again = |(block, ..): (Block, Parsed, Kept)| {
                let layout = stream.layout_again(&block.layout)?;
                parse_block(Block { layout, ..block }, allowance, None)
            };
            parsed = match taken {
                Ok(()) => parsed.into_iter().map(|result| result.and_then(again)).collect(),
                Err(error) => vec![Err(error)],
            };
        }
        self.parsed.extend(parsed);
    }

    /// Reads and parses the next blocks, some for each thread; `false` where there are none.
    fn parse_more(&mut self) -> bool {
        let allowance = self.allowance();
        let most = BLOCKS_A_THREAD * rayon::current_num_threads();
        let normalizer = self.normalizer.as_ref();
        let parse = |block| parse_block(block, allowance, normalizer);
        // Not locked: what a store does meanwhile is not ours.
        let stream = self.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
        #[cfg(feature = "parquet")]
        {
            let most = STRIPES_A_THREAD * rayon::current_num_threads();
            let decoded = std::mem::take(&mut self.decoded);
            let encode = || -> Vec<_> {
                let blocks = decoded.into_par_iter().with_max_len(1);
                blocks.map(|block| block.and_then(parse)).collect()
            };
            // A column is decoded by one worker, so one long column would leave the others without work.
            let (decoded, encoded) = rayon::join(|| stream.next_columns(most), encode);
            self.decoded = decoded;
            self.parsed.extend(encoded);
            if !self.parsed.is_empty() || !self.decoded.is_empty() {
                return true;
            }
        }
        if !stream.is_open() {
            return false;
        }
        self.parsed.extend(parse_text(stream, &self.free, most, parse));
        true
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
        let table = self.known.merge(Table::from_batch(parsed.rows), parsed.extra, &block.layout)?;
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

/// A worker that panicked left nothing half done that matters: its panic goes up through rayon anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
