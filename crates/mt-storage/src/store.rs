//! What is asked of whoever has files.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::Result;

/// What gets files from where they lie. Reading asks for nothing else, from several threads at once, holds no lock meanwhile, and
/// leaves rayon's workers free for it.
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// The files that one entry of [`Paths`](crate::Paths) stands for, in the order in which they are to be read; none where nothing
    /// is like a folder or a pattern. The entry for a single file is that file, even if it is not there.
    fn list(&self, entry: &str) -> Result<Vec<PathBuf>>;

    /// What is known of a file; `None` for what can only be read once, and therefore not looked at before, such as a pipe.
    fn version(&self, path: &Path) -> io::Result<Option<Version>>;

    /// Opens a file that is read from its beginning to its end: a text file, or the first bytes of any.
    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Opens a file of which parts are read, in no order: a Parquet file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>>;
}

/// What tells a file from what will stand in its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Version {
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, in nanoseconds since 1970; 0 where that is not known.
    pub modified: u64,
    /// What an object store calls it by: its ETag.
    pub tag: Option<String>,
}

/// An open file of which parts are read.
pub trait ReadAt: Send + Sync {
    /// Its bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes from `at` on; there are as many.
    ///
    /// # Errors
    /// What the system says.
    fn read_exact_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Fills the beginning of `buffer` with bytes from `at` on, and says how many: all, but where more would take another
    /// request.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_exact_at(at, buffer).map(|()| buffer.len())
    }

    /// Says that these bytes will be read next, and none before them any more: what is far away gets them at once.
    ///
    /// # Errors
    /// What the system says.
    fn expect(&self, _: &[Range<u64>]) -> io::Result<()> {
        Ok(())
    }
}
