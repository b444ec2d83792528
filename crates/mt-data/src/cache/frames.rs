//! Files of frames: a length, a checksum, and so many bytes, one after the other.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};

/// Bytes before those of a frame.
const HEAD: usize = 16;

/// Where a frame stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frame {
    pub at: u64,
    /// Rows in it.
    pub rows: u64,
}

/// That something failed with a file of a cache.
pub(super) fn failed<'a>(path: &'a Path, doing: &'static str) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Cache { path: path.to_owned(), problem: said(doing, &source) }
}

fn said(doing: &str, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::StorageFull => format!(
            "cannot {doing}: the disk is full; data.cache.dir names a folder on another one, and docs/config.md says how much \
             is needed"
        ),
        _ => format!("cannot {doing}: {source}"),
    }
}

/// Writes frames.
pub(super) struct FrameWriter {
    path: PathBuf,
    file: File,
    at: u64,
    buffer: Vec<u8>,
}

impl FrameWriter {
    /// A new file.
    pub fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(failed(&path, "create it"))?;
        Ok(Self::of(path, file))
    }

    /// An empty file that is open; `path` is for errors.
    pub fn of(path: PathBuf, file: File) -> Self {
        Self { path, file, at: 0, buffer: Vec::new() }
    }

    /// Adds a frame of what `fill` leaves.
    pub fn write(&mut self, rows: usize, fill: impl FnOnce(&mut Vec<u8>)) -> Result<Frame> {
        self.buffer.clear();
        self.buffer.resize(HEAD, 0);
        fill(&mut self.buffer);
        let (head, bytes) = self.buffer.split_at_mut(HEAD);
        head[..8].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        head[8..].copy_from_slice(&xxh3_64(bytes).to_le_bytes());
        self.file.write_all(&self.buffer).map_err(failed(&self.path, "write it"))?;
        let frame = Frame { at: self.at, rows: rows as u64 };
        self.at += self.buffer.len() as u64;
        Ok(frame)
    }

    /// Sees to it that the file survives the machine.
    pub fn sync(self) -> Result<()> {
        self.file.sync_all().map_err(failed(&self.path, "write it"))
    }

    /// Reads what was written, from its beginning.
    pub fn read(self) -> Result<FrameReader> {
        FrameReader::of(self.path, self.file)
    }

    /// Bytes written.
    pub fn bytes(&self) -> u64 {
        self.at
    }
}

/// Reads frames, one after the other.
pub(super) struct FrameReader {
    path: PathBuf,
    file: BufReader<File>,
    number: usize,
}

impl FrameReader {
    /// Opens a file.
    pub fn open(path: PathBuf) -> Result<Self> {
        let file = File::open(&path).map_err(failed(&path, "open it"))?;
        Self::of(path, file)
    }

    fn of(path: PathBuf, file: File) -> Result<Self> {
        let mut reader = Self { path, file: BufReader::with_capacity(1 << 18, file), number: 0 };
        reader.seek(0, 0)?;
        Ok(reader)
    }

    /// Goes to the frame `number`, which begins at `at`.
    pub fn seek(&mut self, number: usize, at: u64) -> Result<()> {
        self.number = number;
        self.file.seek(SeekFrom::Start(at)).map_err(failed(&self.path, "read it"))?;
        Ok(())
    }

    /// The next frame's bytes; `None` after the last.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut head = [0; HEAD];
        let read = read_up_to(&mut self.file, &mut head).map_err(failed(&self.path, "read it"))?;
        if read == 0 {
            return Ok(None);
        }
        let number = |part: usize| u64::from_le_bytes(*head[8 * part..].first_chunk().unwrap_or(&[0; 8]));
        let mut bytes = Vec::new();
        let taken = self.file.by_ref().take(number(0)).read_to_end(&mut bytes);
        taken.map_err(failed(&self.path, "read it"))?;
        if read < HEAD || bytes.len() as u64 != number(0) || xxh3_64(&bytes) != number(1) {
            return Err(self.damaged());
        }
        self.number += 1;
        Ok(Some(bytes))
    }

    /// That the frame at hand is not what was written.
    pub fn damaged(&self) -> Error {
        Error::DamagedCache { path: self.path.clone(), block: self.number }
    }
}

fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said() {
        let text = said("write it", &io::ErrorKind::StorageFull.into());
        assert!(text.contains("the disk is full; data.cache.dir"), "{text}");
    }

    #[test]
    fn what_is_damaged_or_cut_off_is_named() -> Result<()> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("frames");
        let mut writer = FrameWriter::create(path.clone())?;
        let second =
            (writer.write(1, |out| out.extend(b"abc"))?, writer.write(1, |out| out.extend(b"defg"))?).1;
        assert_eq!(second, Frame { at: 19, rows: 1 });
        writer.sync()?;
        let whole = std::fs::read(&path).expect("bytes");
        let all = |bytes: &[u8]| -> Result<Vec<Vec<u8>>> {
            std::fs::write(&path, bytes).expect("written");
            let mut reader = FrameReader::open(path.clone())?;
            std::iter::from_fn(|| reader.next().transpose()).collect()
        };
        assert_eq!(all(&whole)?, [&b"abc"[..], b"defg"]);
        for at in 19..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            let damaged = |result| matches!(result, Err(Error::DamagedCache { block: 1, .. }));
            assert!(damaged(all(&bytes)), "{at}");
            assert!(at == 19 || damaged(all(&whole[..at])), "{at}");
        }
        Ok(())
    }
}
