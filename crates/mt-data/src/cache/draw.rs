//! The rows of an epoch in their order, from a cache of more rows than memory holds.
//!
//! Positions are cut into runs that fit into a part of the memory allowed. The cache is read once, from its beginning to its end, and
//! each row goes to the file of the run that has its position; a run that is still too long is cut again in the same way. Then run
//! by run is read and handed out, the next one while batches of the one before are taken. Files of runs have no name: they are gone
//! with the process, however it ends.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use mt_features::Table;

use super::codec::{decode, encode, ints, put_ints};
use super::frames::{FrameReader, FrameWriter, failed};
use super::{Cached, append};
use crate::error::{Error, Result};

/// Runs that one is cut into, about: each is an open file, and many small writes cost more than another pass.
const FAN: usize = 28;

/// Of the memory allowed, what the rows of a run take: one is trained on, one is read, one may be the first of the next epoch, and
/// rows on their way take what is left.
const SHARE: u64 = 4;

/// The position of a row that has none.
const NONE: u32 = u32::MAX;

/// Rows in an order of their own, batch by batch.
#[derive(Debug)]
pub struct Drawn {
    runs: Receiver<Result<Run>>,
    run: Option<Run>,
    left: Arc<AtomicBool>,
}

/// Rows at consecutive positions of the order.
#[derive(Debug)]
struct Run {
    first: usize,
    /// The same rows as they came.
    table: Table,
    /// The row at each position.
    at: Vec<u32>,
}

impl Cached {
    /// The rows `rows`, each at most once, in that order, in batches that end at `ends`. A thread reads them; it ends after the
    /// last, or when what this gives is dropped.
    pub fn draw(&self, rows: Vec<u32>, ends: Vec<usize>) -> Drawn {
        let (sender, runs) = sync_channel(0);
        let left = Arc::new(AtomicBool::new(false));
        let (cached, over) = (self.clone(), left.clone());
        std::thread::spawn(move || {
            let drawing = Drawing { limit: cached.rows_of_run(), cached: &cached, ends, sender, over };
            if let Err(error) = drawing.all(rows) {
                super::remember(cached.dir(), &error);
                // Nobody may be waiting any more.
                let _ = drawing.sender.send(Err(error));
            }
        });
        Drawn { runs, run: None, left }
    }

    /// Rows that take a part of the memory allowed.
    fn rows_of_run(&self) -> usize {
        let row = (self.0.stored.memory / (self.len() as u64).max(1)).max(1);
        usize::try_from(self.0.memory / SHARE / row).unwrap_or(usize::MAX).max(1)
    }
}

impl Drawn {
    /// The rows at some positions: those of a batch, and after those of the calls before.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn batch(&mut self, positions: Range<usize>) -> Result<Table> {
        loop {
            if let Some(Run { first, table, at }) = &self.run
                && positions.end <= first + at.len()
            {
                return Ok(table.take(&at[positions.start - first..positions.end - first]));
            }
            // Before the next one is taken, as both would be more memory than is allowed.
            self.run = None;
            let ended = |_| Error::Cache { path: "cache".into(), problem: "its reader has ended".to_owned() };
            self.run = Some(self.runs.recv().map_err(ended)??);
        }
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Relaxed);
    }
}

/// From where rows of a range of positions are read.
enum Source {
    /// The cache; the position of each of its rows.
    Cache(Vec<u32>),
    /// A file of positions and rows.
    File(FrameReader),
}

struct Drawing<'a> {
    cached: &'a Cached,
    ends: Vec<usize>,
    /// Rows of a run, at most, unless a batch has more.
    limit: usize,
    sender: SyncSender<Result<Run>>,
    over: Arc<AtomicBool>,
}

impl Drawing<'_> {
    fn all(&self, rows: Vec<u32>) -> Result<()> {
        let all = 0..rows.len();
        if rows.windows(2).all(|pair| pair[0] + 1 == pair[1]) {
            return self.in_sequence(&rows);
        }
        let mut positions = vec![NONE; self.cached.len()];
        (0..).zip(rows).for_each(|(position, row)| positions[row as usize] = position);
        self.range(Source::Cache(positions), all)
    }

    /// Rows in the order of the cache, which has runs as they are.
    fn in_sequence(&self, rows: &[u32]) -> Result<()> {
        for run in self.runs(0..rows.len(), self.limit) {
            let mut table = self.cached.0.empty();
            self.cached.0.blocks_with(&rows[run.clone()], |block, first, within| {
                let whole = within.len() == block.len();
                let within: Vec<u32> = within.iter().map(|row| row - first as u32).collect();
                append(&mut table, if whole { block } else { block.take(&within) })
            })?;
            let at = (0..run.len() as u32).collect();
            if self.is_over() || self.sender.send(Ok(Run { first: run.start, table, at })).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Hands out the rows at positions `range`, all of which `source` has.
    fn range(&self, source: Source, range: Range<usize>) -> Result<()> {
        let at_most = self.limit.max(range.len().div_ceil(FAN));
        let runs = if range.len() <= self.limit { vec![range.clone()] } else { self.runs(range, at_most) };
        if let [run] = &runs[..] {
            let run = self.read(source, run.clone())?;
            // None where nobody waits any more.
            let _ = run.is_some_and(|run| self.sender.send(Ok(run)).is_err());
            return Ok(());
        }
        let ends: Vec<usize> = runs.iter().map(|run| run.end).collect();
        let dir = self.cached.dir();
        let file = || tempfile::tempfile_in(dir).map_err(failed(dir, "make a file for the rows of an epoch"));
        let new = |_| Ok(FrameWriter::of(dir.join("(rows of an epoch)"), file()?));
        let mut files = runs.iter().map(new).collect::<Result<Vec<FrameWriter>>>()?;
        let mut rows_of = vec![(Vec::new(), Vec::new()); runs.len()];
        self.each(source, |positions, table| {
            for (row, &position) in (0u32..).zip(&positions) {
                let (rows, positions) = &mut rows_of[ends.partition_point(|&end| end <= position as usize)];
                rows.push(row);
                positions.push(position);
            }
            for ((rows, positions), file) in rows_of.iter_mut().zip(&mut files) {
                if !rows.is_empty() {
                    let of_run = table.take(rows);
                    file.write(rows.len(), |out| {
                        put_ints(out, positions);
                        encode(&of_run, out);
                    })?;
                }
                rows.clear();
                positions.clear();
            }
            Ok(())
        })?;
        for (run, file) in runs.into_iter().zip(files) {
            if self.is_over() {
                break;
            }
            self.range(Source::File(file.read()?), run)?;
        }
        Ok(())
    }

    /// Whole batches, together at most so many rows unless a batch has more.
    fn runs(&self, range: Range<usize>, at_most: usize) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut start = range.start;
        for &end in self.ends.iter().filter(|&&end| range.start < end && end <= range.end) {
            match runs.last_mut() {
                Some(run) if end - run.start <= at_most => run.end = end,
                _ => runs.push(start..end),
            }
            start = end;
        }
        runs
    }

    /// All rows at positions `range`; `None` if nobody waits any more.
    fn read(&self, source: Source, range: Range<usize>) -> Result<Option<Run>> {
        let (mut table, mut at) = (self.cached.0.empty(), vec![0; range.len()]);
        self.each(source, |positions, rows| {
            let (before, of_rows) = (table.len(), rows.len());
            let places = positions.iter().map(|&position| position as usize - range.start);
            places.zip(before as u32..).for_each(|(place, row)| at[place] = row);
            append(&mut table, rows)?;
            if before == 0 && of_rows > 0 {
                table.reserve(1.05 * range.len() as f64 / of_rows as f64);
            }
            Ok(())
        })?;
        Ok((!self.is_over()).then_some(Run { first: range.start, table, at }))
    }

    /// Calls `f` with rows of a source and their positions.
    fn each(&self, source: Source, mut f: impl FnMut(Vec<u32>, Table) -> Result<()>) -> Result<()> {
        match source {
            Source::Cache(positions) => {
                let mut first = 0;
                for block in self.cached.blocks()? {
                    let block = block?;
                    let of_block = &positions[first..first + block.len()];
                    first += block.len();
                    if self.is_over() {
                        break;
                    }
                    let there = of_block.iter().filter(|&&position| position != NONE).count();
                    if there == of_block.len() {
                        f(of_block.to_vec(), block)?;
                    } else if there > 0 {
                        let pairs = (0..).zip(of_block).filter(|&(_, &position)| position != NONE);
                        let (rows, positions): (Vec<u32>, Vec<u32>) = pairs.unzip();
                        f(positions, block.take(&rows))?;
                    }
                }
                Ok(())
            }
            Source::File(mut reader) => {
                while let Some(bytes) = reader.next()? {
                    let mut left = &bytes[..];
                    let positions = ints(&mut left);
                    let table = decode(&mut left, &self.cached.0.keys);
                    let (Some(positions), Some(table)) = (positions, table) else {
                        return Err(reader.damaged());
                    };
                    if self.is_over() {
                        break;
                    }
                    f(positions, table)?;
                }
                Ok(())
            }
        }
    }
}
