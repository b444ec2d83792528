//! Rows to train on that are on disk: parsed once into blocks, read in the order of each epoch.
//!
//! A cache is a folder: `manifest` (what was fitted, and where blocks begin), `train.rows`, `valid.rows`, `test.rows` (frames of
//! [`BLOCK`] rows), and files of keys. It is built beside its place and renamed, so it is there whole or not at all.

mod build;
mod codec;
mod draw;
mod frames;
mod key;
mod manifest;
mod raw;

pub(crate) use build::load;
pub use draw::Drawn;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mt_features::{NormalizerFit, Table};

use self::codec::{Keys, decode, encode};
use self::frames::{FrameReader, FrameWriter, failed};
use self::manifest::{Stored, keys_file, mark, rows_file};
use crate::error::{Error, Result};

/// Rows of a block; the last has fewer.
const BLOCK: usize = NormalizerFit::BLOCK;

/// Rows to train on, on disk.
#[derive(Debug, Clone)]
pub struct Cached(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    stored: Stored,
    keys: Keys,
    groups: Option<Vec<u32>>,
    tasks: usize,
    memory: u64,
    note: String,
    /// The rows that were asked for last: the same few are looked at after each epoch.
    taken: Mutex<Option<(Vec<u32>, Table)>>,
}

impl Cached {
    /// Rows kept by [`take`](Self::take) for the next time, at most.
    const KEPT: usize = BLOCK;

    fn open(dir: &Path, stored: Stored, tasks: usize, memory: u64, note: String) -> Result<Self> {
        let keys = read_keys(&keys_file(dir, "train"), &stored)?;
        let (dir, taken) = (dir.to_owned(), Mutex::default());
        let mut inner = Inner { dir, stored, keys, groups: None, tasks, memory, note, taken };
        let mut groups = Vec::new();
        for block in Blocks::open(&inner.dir, "train", &inner.keys)? {
            let block = block?;
            let Some(of_block) = block.groups() else { break };
            groups.extend_from_slice(of_block);
        }
        inner.groups = (!groups.is_empty()).then_some(groups);
        Ok(Self(Arc::new(inner)))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.stored.rows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.0.tasks
    }

    /// The group of each row, where `data.group` is set; in memory.
    pub fn groups(&self) -> Option<&[u32]> {
        self.0.groups.as_deref()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// What became of the cache when it was asked for, in words: found, or built, and why.
    pub fn note(&self) -> &str {
        &self.0.note
    }

    /// All rows in the order of the files, block by block.
    ///
    /// # Errors
    /// If the file is not there.
    pub fn blocks(&self) -> Result<impl Iterator<Item = Result<Table>>> {
        Blocks::open(&self.0.dir, "train", &self.0.keys)
    }

    /// The rows `rows`, ascending. Reads the blocks that have them.
    ///
    /// # Errors
    /// If a block cannot be read.
    pub fn take(&self, rows: &[u32]) -> Result<Table> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = taken.as_ref().filter(|(of, _)| of == rows) {
            return Ok(table.clone());
        }
        let mut table = self.0.empty();
        self.0.blocks_with(rows, |block, first, within| {
            let within: Vec<u32> = within.iter().map(|row| row - first as u32).collect();
            append(&mut table, block.take(&within))
        })?;
        if rows.len() <= Self::KEPT {
            *taken = Some((rows.to_vec(), table.clone()));
        }
        Ok(table)
    }
}

impl Inner {
    fn empty(&self) -> Table {
        Table::empty(0, self.tasks)
    }

    /// Calls `f` with each block that has some of `rows`, which ascend, the number of its first row, and those of `rows` in it.
    fn blocks_with(
        &self,
        mut rows: &[u32],
        mut f: impl FnMut(Table, usize, &[u32]) -> Result<()>,
    ) -> Result<()> {
        let mut reader = FrameReader::open(rows_file(&self.dir, "train"))?;
        let mut first = 0;
        for (number, frame) in self.stored.frames.iter().enumerate() {
            let end = first + frame.rows as usize;
            let within =
                rows.split_off(..rows.partition_point(|&row| (row as usize) < end)).unwrap_or_default();
            if !within.is_empty() {
                reader.seek(number, frame.at)?;
                let table = reader.next().and_then(|bytes| table_of(bytes, &reader, &self.keys));
                f(table.inspect_err(|error| remember(&self.dir, error))?, first, within)?;
            }
            first = end;
        }
        Ok(())
    }
}

/// Leaves a mark where a cache is damaged, so that it is built anew the next time.
fn remember(dir: &Path, error: &Error) {
    if matches!(error, Error::DamagedCache { .. }) {
        // The error is the news, whether or not this can be written.
        let _ = fs::write(mark(dir), b"");
    }
}

fn table_of(bytes: Option<Vec<u8>>, reader: &FrameReader, keys: &Keys) -> Result<Table> {
    bytes.and_then(|bytes| decode(&mut &bytes[..], keys)).ok_or_else(|| reader.damaged())
}

/// The blocks of a part, in order.
struct Blocks {
    dir: PathBuf,
    reader: FrameReader,
    keys: Keys,
}

impl Blocks {
    fn open(dir: &Path, part: &str, keys: &Keys) -> Result<Self> {
        let reader = FrameReader::open(rows_file(dir, part))?;
        Ok(Self { dir: dir.to_owned(), reader, keys: keys.clone() })
    }
}

impl Iterator for Blocks {
    type Item = Result<Table>;

    fn next(&mut self) -> Option<Result<Table>> {
        let bytes = match self.reader.next() {
            Ok(None) => return None,
            Ok(bytes) => table_of(bytes, &self.reader, &self.keys),
            Err(error) => Err(error),
        };
        Some(bytes.inspect_err(|error| remember(&self.dir, error)))
    }
}

/// Writes the rows of a part; all have the keys that the first have.
struct PartWriter {
    dir: PathBuf,
    part: &'static str,
    rows: FrameWriter,
    stored: Stored,
    keys: Option<Keys>,
}

impl PartWriter {
    fn create(dir: &Path, part: &'static str) -> Result<Self> {
        let rows = FrameWriter::create(rows_file(dir, part))?;
        Ok(Self { dir: dir.to_owned(), part, rows, stored: Stored::default(), keys: None })
    }

    fn write(&mut self, table: &Table) -> Result<()> {
        let own = || table.fields().iter().map(|ids| ids.keys.clone()).collect();
        self.keys.get_or_insert_with(own);
        let frame = self.rows.write(table.len(), |out| encode(table, out))?;
        let keys: usize =
            table.fields().iter().filter_map(|ids| Some(8 * ids.keys.as_ref()?.capacity())).sum();
        self.stored.memory += (table.memory_bytes() - keys) as u64;
        self.stored.frames.push(frame);
        Ok(())
    }

    fn finish(mut self) -> Result<Stored> {
        self.stored.bytes = self.rows.bytes();
        self.rows.sync()?;
        let mut writer = FrameWriter::create(keys_file(&self.dir, self.part))?;
        let mut written: Vec<Arc<Vec<u64>>> = Vec::new();
        for keys in self.keys.into_iter().flatten() {
            let place = keys.map(|keys| written.iter().position(|own| Arc::ptr_eq(own, &keys)).ok_or(keys));
            self.stored.keys.push(match place {
                None => None,
                Some(Ok(place)) => Some(place),
                Some(Err(keys)) => {
                    writer.write(0, |out| out.extend(keys.iter().flat_map(|key| key.to_le_bytes())))?;
                    written.push(keys);
                    Some(written.len() - 1)
                }
            });
        }
        writer.sync()?;
        Ok(self.stored)
    }
}

fn read_keys(path: &Path, stored: &Stored) -> Result<Keys> {
    let mut reader = FrameReader::open(path.to_owned())?;
    let mut lists = Vec::new();
    while let Some(bytes) = reader.next()? {
        let keys = bytes.as_chunks().0.iter().map(|key| u64::from_le_bytes(*key)).collect();
        lists.push(Arc::new(keys));
    }
    let list = |place: &Option<usize>| match place {
        None => Ok(None),
        Some(place) => lists.get(*place).cloned().map(Some).ok_or_else(|| reader.damaged()),
    };
    stored.keys.iter().map(list).collect()
}

/// All rows of a part, in memory.
fn read_part(dir: &Path, part: &str, stored: &Stored, tasks: usize) -> Result<Table> {
    let keys = read_keys(&keys_file(dir, part), stored)?;
    let mut table = Table::empty(0, tasks);
    for block in Blocks::open(dir, part, &keys)? {
        append(&mut table, block?)?;
    }
    Ok(table)
}

/// Adds rows to a table, whose width is that of the first.
fn append(table: &mut Table, rows: Table) -> Result<()> {
    if table.is_empty() {
        *table = rows;
        return Ok(());
    }
    Ok(table.append(rows)?)
}

/// A folder that is there.
fn make_folder(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(failed(dir, "make the folder"))
}
