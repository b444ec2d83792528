//! One file as a sequence of blocks of whole records.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use mt_storage::Storage;

use super::cell::last_record_end;
use super::header::bom;
use crate::error::{Error, Result};

/// Text a worker parses at once: large enough that handing it over costs nothing, small enough to be still in the
/// cache when it is parsed.
pub(super) const BLOCK: usize = 1 << 20;
/// A record longer than this is no row but a file that is no text, or one with a quote that does not close.
pub(super) const LONGEST_LINE: usize = 64 << 20;

/// Counts the bytes that go through, before decompression.
struct Counted {
    file: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// An open file, possibly compressed (recognised by its first bytes, whatever its name).
pub(super) struct Blocks {
    path: PathBuf,
    text: Box<dyn Read + Send>,
    /// How it is compressed, if it is.
    format: Option<&'static str>,
    block: usize,
    delimiter: u8,
    /// What came after the last record of the block before.
    rest: Vec<u8>,
}

#[cfg(feature = "zstd")]
fn zstd(file: BufReader<Counted>) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(::zstd::Decoder::with_buffer(file)?))
}

#[cfg(not(feature = "zstd"))]
fn zstd(_: BufReader<Counted>) -> io::Result<Box<dyn Read + Send>> {
    Err(io::Error::other("compressed with zstd, which this program was built without (feature `zstd`)"))
}

impl Blocks {
    pub fn open(
        storage: &Storage,
        path: &Path,
        delimiter: u8,
        block: usize,
        bytes: Arc<AtomicU64>,
    ) -> Result<Self> {
        let read = |source| Error::read(path, source);
        let counted = Counted { file: storage.read(path)?, bytes };
        let mut file = BufReader::with_capacity(64 << 10, counted);
        let (format, text): (_, Box<dyn Read + Send>) = match file.fill_buf().map_err(read)? {
            [0x1f, 0x8b, ..] => (Some("gzip"), Box::new(MultiGzDecoder::new(file))),
            // A frame, or one that may be skipped, as some writers put first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                (Some("zstd"), zstd(file).map_err(read)?)
            }
            _ => (None, Box::new(file)),
        };
        Ok(Blocks { path: path.to_owned(), text, format, block, delimiter, rest: Vec::new() })
    }

    /// Puts the next whole records into `buffer`, the last one ending in `\n` even where the file's does not, and
    /// returns how many bytes they have: 0 at the end of the file. The rest of `buffer` means nothing; it stays
    /// as long as it was, since to clear and fill it again with zeros would cost as much as to read.
    pub fn next_into(&mut self, buffer: &mut Vec<u8>) -> Result<usize> {
        let (mut filled, mut limit) = (self.rest.len(), self.rest.len() + self.block);
        // One byte more for a line end that the file lacks.
        buffer.resize(buffer.len().max(limit + 1), 0);
        buffer[..filled].copy_from_slice(&self.rest);
        loop {
            let searched = filled;
            while filled < limit {
                match self.text.read(&mut buffer[filled..limit]) {
                    Ok(0) => break,
                    Ok(n) => filled += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(self.error(error)),
                }
            }
            if filled < limit {
                self.rest.clear();
                if filled > 0 && buffer[filled - 1] != b'\n' {
                    buffer[filled] = b'\n';
                    filled += 1;
                }
                return Ok(filled);
            }
            if let Some(end) = self.end(&buffer[..filled], searched) {
                self.rest.clear();
                self.rest.extend_from_slice(&buffer[end..filled]);
                return Ok(end);
            }
            if filled > LONGEST_LINE {
                return Err(Error::LongLine { path: self.path.clone(), limit: LONGEST_LINE });
            }
            limit += self.block;
            buffer.resize(buffer.len().max(limit + 1), 0);
        }
    }

    /// Where the last whole record ends; there is none that ends before `searched`.
    fn end(&self, text: &[u8], searched: usize) -> Option<usize> {
        if text.contains(&b'"') {
            let start = bom(text);
            return last_record_end(&text[start..], self.delimiter).map(|end| start + end);
        }
        text[searched..].iter().rposition(|&b| b == b'\n').map(|n| searched + n + 1)
    }

    fn error(&self, source: io::Error) -> Error {
        let path = self.path.clone();
        match self.format {
            // What the system says has a number, what a decoder says has none.
            Some(format) if source.raw_os_error().is_none() => Error::Damaged { path, format, source },
            _ => Error::read(&path, source),
        }
    }
}
