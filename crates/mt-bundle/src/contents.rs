//! Size and hash of a file, to compare it with what was written.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk;
use crate::error::Result;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Contents {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of them, in hexadecimal.
    pub sha256: String,
}

impl Contents {
    /// Reads a file through.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(disk::io(path, "read the file"))?;
        let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let n = file.read(&mut buffer).map_err(disk::io(path, "read the file"))?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
            bytes += n as u64;
        }
        Ok(Self { bytes, sha256: hexadecimal(hash) })
    }

    /// Writes what `fill` writes to `out`, and hashes it meanwhile on another thread: to read a large file again takes as long as to
    /// write it.
    pub(crate) fn written(
        out: &mut dyn Write,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Self> {
        let (sender, pieces) = sync_channel::<Arc<Vec<u8>>>(AHEAD);
        std::thread::scope(|scope| {
            let hashed = scope.spawn(move || {
                let (mut hash, mut bytes) = (Sha256::new(), 0);
                for piece in pieces {
                    hash.update(&*piece);
                    bytes += piece.len() as u64;
                }
                Self { bytes, sha256: hexadecimal(hash) }
            });
            let mut pieces = Pieces { out, sender, piece: Vec::with_capacity(PIECE) };
            fill(&mut pieces)?;
            pieces.flush()?;
            drop(pieces);
            hashed.join().map_err(|_| io::Error::other("the hash was not computed"))
        })
    }

    /// Of bytes in memory.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, sha256: hexadecimal(Sha256::new_with_prefix(bytes)) }
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

/// Pieces that may wait to be hashed.
const AHEAD: usize = 4;

/// What is written, piece by piece, and handed on.
struct Pieces<'a> {
    out: &'a mut dyn Write,
    sender: SyncSender<Arc<Vec<u8>>>,
    piece: Vec<u8>,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (now, _) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
        self.piece.extend_from_slice(now);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Arc::new(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
        self.sender.send(piece.clone()).map_err(io::Error::other)?;
        self.out.write_all(&piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_hashed_as_it_is_read() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        for len in [0, 1, PIECE - 1, PIECE, 3 * PIECE + 7] {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
            let path = folder.path().join("file");
            let mut file = File::create(&path).expect("a file");
            let fill = |out: &mut dyn Write| bytes.chunks(300_001).try_for_each(|part| out.write_all(part));
            let written = Contents::written(&mut file, fill).expect("written");
            assert_eq!((&written, &written), (&Contents::of(&path)?, &Contents::of_bytes(&bytes)));
            let full = |_: &mut dyn Write| Err(io::Error::other("no space left"));
            assert_eq!(Contents::written(&mut file, full).expect_err("full").to_string(), "no space left");
        }
        Ok(())
    }
}
