//! Where files lie: on this machine, or wherever a [`Store`] gets them from.
//!
//! All that is read of a data set (rows, side tables, lists of names, text or Parquet, compressed or not) comes through
//! the [`Storage`] of its [`DataConfig`](crate::DataConfig), so a service's object store needs no other reader:
//!
//! ```
//! use std::io::{Error, ErrorKind, Read, Result};
//! use std::path::{Path, PathBuf};
//!
//! use mt_data::{ColumnRef, CsvConfig, DataConfig, Dataset, ReadAt, Storage, Store, TaskConfig};
//!
//! /// One text, under any name.
//! #[derive(Debug)]
//! struct Text(&'static str);
//!
//! impl Store for Text {
//!     fn list(&self, entry: &str) -> mt_data::Result<Vec<PathBuf>> {
//!         Ok(vec![PathBuf::from(entry)])
//!     }
//!     fn size(&self, _: &Path) -> Result<Option<u64>> {
//!         Ok(Some(self.0.len() as u64))
//!     }
//!     fn read(&self, _: &Path) -> Result<Box<dyn Read + Send>> {
//!         Ok(Box::new(self.0.as_bytes()))
//!     }
//!     fn open(&self, _: &Path) -> Result<Box<dyn ReadAt>> {
//!         Err(Error::new(ErrorKind::Unsupported, "no Parquet files here"))
//!     }
//! }
//!
//! let mut data = DataConfig::files(CsvConfig::new("bucket/rows.csv"));
//! data.storage = Storage::new(Text("x,click\n1,0\n2,1\n"));
//! data.valid_fraction = 0.0;
//! let tasks = [TaskConfig::new("click", ColumnRef::Name("click".to_owned()))];
//! assert_eq!(Dataset::load(&data, &tasks, &|_| ())?.train.len(), 2);
//! # Ok::<(), mt_data::Error>(())
//! ```

mod local;

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Paths;
use crate::error::{Error, Result};
use local::Local;

/// What gets files from where they lie. Reading asks for nothing else, from several threads at once, holds no lock meanwhile, and
/// leaves rayon's workers free for it.
pub trait Store: fmt::Debug + Send + Sync {
    /// The files that one entry of [`Paths`] stands for, in the order in which they are to be read; none where nothing
    /// is like a folder or a pattern. The entry for a single file is that file, even if it is not there.
    ///
    /// # Errors
    /// What the store says, with the path: [`Error::Read`] or another.
    fn list(&self, entry: &str) -> Result<Vec<PathBuf>>;

    /// Bytes of a file; `None` for what can only be read once, and therefore not looked at before, such as a pipe.
    ///
    /// # Errors
    /// What the store says. The path is added to it, here and below.
    fn size(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Opens a file that is read from its beginning to its end: a text file, or the first bytes of any.
    ///
    /// # Errors
    /// What the store says.
    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Opens a file of which parts are read, in no order: a Parquet file.
    ///
    /// # Errors
    /// What the store says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>>;
}

/// An open file of which parts are read.
pub trait ReadAt: Send + Sync {
    /// Its bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes from `at` on; there are as many. Of a Parquet file these are its end, then each page
    /// of the columns that are needed, about 1 KiB before and the rest behind its header.
    ///
    /// # Errors
    /// What the store says, and where there are fewer bytes.
    fn read_exact_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// The store of a data set. The default is this machine's files.
#[derive(Debug, Clone, Default)]
pub struct Storage(Option<Arc<dyn Store>>);

/// Whether both are the same store, not only of one kind.
impl PartialEq for Storage {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Storage {
    /// A store that may lie anywhere.
    pub fn new(store: impl Store + 'static) -> Self {
        Storage(Some(Arc::new(store)))
    }

    fn store(&self) -> &dyn Store {
        self.0.as_deref().unwrap_or(&Local)
    }

    /// The files that `paths` stands for, each entry's in sorted order.
    ///
    /// # Errors
    /// As [`expand`].
    pub fn expand(&self, paths: &Paths) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in &paths.0 {
            let found = self.store().list(entry)?;
            if found.is_empty() {
                return Err(Error::NoMatch { pattern: entry.clone() });
            }
            files.extend(found);
        }
        if files.is_empty() { Err(Error::NoMatch { pattern: "[]".to_owned() }) } else { Ok(files) }
    }

    /// Whether a file is to be read as Parquet: by its name, or by its first bytes.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn is_parquet(&self, path: &Path) -> Result<bool> {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) {
            return Ok(true);
        }
        // What is looked at in a pipe is gone.
        if self.size(path)?.is_none() {
            return Ok(false);
        }
        /// The first bytes of every Parquet file.
        const MAGIC: &[u8; 4] = b"PAR1";
        let mut first = [0; MAGIC.len()];
        match self.read(path)?.read_exact(&mut first) {
            Ok(()) => Ok(first == *MAGIC),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(source) => Err(Error::Read { path: path.to_owned(), source }),
        }
    }

    pub(crate) fn size(&self, path: &Path) -> Result<Option<u64>> {
        self.store().size(path).map_err(|source| Error::Read { path: path.to_owned(), source })
    }

    pub(crate) fn read(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        self.store().read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
    }

    #[cfg(feature = "parquet")]
    pub(crate) fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>> {
        self.store().open(path).map_err(|source| Error::Read { path: path.to_owned(), source })
    }
}

/// The files on this machine that `paths` stands for, each entry's in sorted order.
///
/// An entry is a file, a folder (every file in it whose name begins neither with `.` nor with `_`, so that
/// neither hidden files nor markers like `_SUCCESS` are read), or a pattern with `*`, `?` or `[`.
///
/// # Errors
/// [`Error::NoMatch`] where an entry stands for no file, [`Error::Read`] where it cannot be looked at.
pub fn expand(paths: &Paths) -> Result<Vec<PathBuf>> {
    Storage::default().expand(paths)
}

/// Whether a file on this machine is to be read as Parquet: by its name, or by its first bytes.
///
/// # Errors
/// [`Error::Read`].
pub fn is_parquet(path: &Path) -> Result<bool> {
    Storage::default().is_parquet(path)
}
