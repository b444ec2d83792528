//! A file of a store, as the decoder of Parquet reads it.

use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;

use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;
use mt_storage::ReadAt;

use super::quiet::aloud;

/// Read ahead where the length is not known: of the header of a page, of some ten to some hundred bytes.
const HEADER: usize = 1 << 10;

/// An open file.
#[derive(Clone)]
pub(super) struct Input(Arc<dyn ReadAt>);

impl Input {
    pub fn new(file: Box<dyn ReadAt>) -> Self {
        Input(file.into())
    }

    /// Says which bytes are read next.
    pub fn expect(&self, parts: &[Range<u64>]) -> io::Result<()> {
        self.0.expect(parts)
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.0.size()
    }
}

impl ChunkReader for Input {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::with_capacity(HEADER, From { file: self.0.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let left = self.len().saturating_sub(start);
        // Before memory is taken for it: a damaged file may ask for any length.
        if left < length as u64 {
            return Err(ParquetError::EOF(format!("expected {length} bytes at {start}, found {left}")));
        }
        let mut bytes = vec![0; length];
        aloud(|| self.0.read_exact_at(start, &mut bytes))?;
        Ok(bytes.into())
    }
}

/// A file from a position on.
pub(super) struct From {
    file: Arc<dyn ReadAt>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.file.size().saturating_sub(self.at);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let length = aloud(|| self.file.read_at(self.at, &mut buffer[..length]))?;
        self.at += length as u64;
        Ok(length)
    }
}
