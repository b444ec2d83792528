//! Where files lie: on this machine, in an object store, on standard input.
//!
//! All that is read of a data set (rows, side tables, lists of names, text or Parquet, compressed or not) comes through
//! the [`Storage`] of its [`DataConfig`](crate::DataConfig). A path is a file of this machine, `-` for standard input, or, with
//! the feature `objects`, a URL: `s3://bucket/train/`, `gs://`, `az://`, `https://`.

#[cfg(any(feature = "objects", feature = "parquet"))]
mod by_url;
#[cfg(feature = "objects")]
mod download;
mod local;
#[cfg(feature = "objects")]
mod objects;
#[cfg(all(feature = "objects", feature = "parquet"))]
mod parts;
#[cfg(feature = "parquet")]
mod sources;

use std::fmt;
use std::io::{self, Read};
#[cfg(feature = "parquet")]
use std::ops::Range;
use std::path::{Path, PathBuf};
#[cfg(any(feature = "objects", feature = "parquet"))]
use std::sync::Arc;

use crate::config::Paths;
#[cfg(not(feature = "objects"))]
use crate::error::NoFeature;
use crate::error::{Error, Result};
#[cfg(feature = "parquet")]
use crate::source::{Part, Source};
use local::Local;
#[cfg(feature = "objects")]
use objects::Objects;
#[cfg(feature = "parquet")]
use sources::Sources;

/// What gets files from where they lie. Reading asks for nothing else, from several threads at once, holds no lock meanwhile, and
/// leaves rayon's workers free for it.
trait Store: fmt::Debug + Send + Sync {
    /// The files that one entry of [`Paths`] stands for, in the order in which they are to be read; none where nothing
    /// is like a folder or a pattern. The entry for a single file is that file, even if it is not there.
    fn list(&self, entry: &str) -> Result<Vec<PathBuf>>;

    /// What is known of a file; `None` for what can only be read once, and therefore not looked at before, such as a pipe.
    fn version(&self, path: &Path) -> io::Result<Option<Version>>;

    /// Opens a file that is read from its beginning to its end: a text file, or the first bytes of any.
    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Opens a file of which parts are read, in no order: a Parquet file.
    #[cfg(feature = "parquet")]
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
#[cfg(feature = "parquet")]
pub(crate) trait ReadAt: Send + Sync {
    /// Its bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes from `at` on; there are as many.
    fn read_exact_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Fills the beginning of `buffer` with bytes from `at` on, and says how many: all, but where more would take another
    /// request.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_exact_at(at, buffer).map(|()| buffer.len())
    }

    /// Says that these bytes will be read next, and none before them any more: what is far away gets them at once.
    fn expect(&self, _: &[Range<u64>]) -> io::Result<()> {
        Ok(())
    }
}

/// The storage of a data set. The default is this machine's files and, with the feature `objects`, the object stores that the
/// environment has credentials for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Storage {
    #[cfg(feature = "objects")]
    objects: Objects,
    #[cfg(feature = "parquet")]
    sources: Sources,
}

impl Storage {
    /// The same, where the files whose URL begins with `url`, such as `memory://log`, are those of `store`, by what follows.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use mt_data::object_store::{ObjectStoreExt, memory::InMemory, path::Path};
    /// use mt_data::{ColumnRef, CsvConfig, DataConfig, Dataset, Storage, TaskConfig};
    ///
    /// # let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    /// let store = InMemory::new();
    /// # runtime.block_on(
    /// store.put(&Path::from("rows.csv"), "x,click\n1,0\n2,1\n".into())
    /// # ).expect("room")
    /// ;
    ///
    /// let mut data = DataConfig::files(CsvConfig::new("memory://log/rows.csv"));
    /// data.storage = Storage::default().with_store("memory://log", Arc::new(store));
    /// data.valid_fraction = 0.0;
    /// let tasks = [TaskConfig::new("click", ColumnRef::Name("click".to_owned()))];
    /// assert_eq!(Dataset::load(&data, &tasks, &|_| ())?.train.len(), 2);
    /// # Ok::<(), mt_data::Error>(())
    /// ```
    #[cfg(feature = "objects")]
    #[must_use]
    pub fn with_store(mut self, url: &str, store: Arc<dyn object_store::ObjectStore>) -> Self {
        self.objects.add(url, store);
        self
    }

    /// The same, where the URL `url`, such as `rows://log`, stands for the rows of `source`.
    #[cfg(feature = "parquet")]
    #[must_use]
    pub fn with_source(mut self, url: &str, source: Arc<dyn Source>) -> Self {
        self.sources.add(url, source);
        self
    }

    /// What is a part of a source, if a path is none of a file.
    #[cfg(feature = "parquet")]
    pub(crate) fn part(&self, path: &Path) -> Option<io::Result<(Arc<dyn Source>, Part)>> {
        let of_source = path.to_str().is_some_and(|url| self.sources.find(url).is_some());
        of_source.then(|| self.sources.part(path))
    }

    /// What has the file, or an entry of [`Paths`], of this name.
    fn store(&self, path: &str) -> Result<&dyn Store> {
        match path.split_once("://") {
            None => Ok(&Local),
            #[cfg(feature = "parquet")]
            Some(_) if self.sources.find(path).is_some() => Ok(&self.sources),
            #[cfg(feature = "objects")]
            Some(_) => Ok(&self.objects),
            #[cfg(not(feature = "objects"))]
            Some(_) => {
                Err(Error::NoFeature(NoFeature { path: path.into(), what: "a URL", feature: "objects" }))
            }
        }
    }

    /// As [`store`](Self::store), with what is asked of it.
    fn ask<T>(&self, path: &Path, what: impl FnOnce(&dyn Store) -> io::Result<T>) -> Result<T> {
        // A path that is no text is a file of this machine.
        let store = path.to_str().map_or(Ok(&Local as &dyn Store), |path| self.store(path))?;
        what(store).map_err(|source| Error::Read { path: path.to_owned(), source })
    }

    /// The files that `paths` stands for, each entry's in sorted order.
    ///
    /// An entry is a file, `-` for standard input, a folder (every file in it whose name begins neither with `.` nor with `_`,
    /// so that neither hidden files nor markers like `_SUCCESS` are read), or a pattern with `*`, `?` or `[`; so are URLs, but
    /// for those of `http` and `https`, which are files.
    ///
    /// # Errors
    /// [`Error::NoMatch`] where an entry stands for no file, [`Error::Read`] where it cannot be looked at.
    pub fn expand(&self, paths: &Paths) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in &paths.0 {
            let found = self.store(entry)?.list(entry)?;
            if found.is_empty() {
                return Err(Error::NoMatch { pattern: entry.clone() });
            }
            files.extend(found);
        }
        if files.is_empty() { Err(Error::NoMatch { pattern: "[]".to_owned() }) } else { Ok(files) }
    }

    /// Whether a file has typed columns: whether it is to be read as Parquet, by its name or its first bytes, or has the rows of
    /// a source.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn is_typed(&self, path: &Path) -> Result<bool> {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) {
            return Ok(true);
        }
        #[cfg(feature = "parquet")]
        if self.part(path).is_some() {
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

    /// What is known of a file; `None` for what can only be read once, such as a pipe.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn version(&self, path: &Path) -> Result<Option<Version>> {
        self.ask(path, |store| store.version(path))
    }

    pub(crate) fn size(&self, path: &Path) -> Result<Option<u64>> {
        Ok(self.version(path)?.map(|version| version.bytes))
    }

    pub(crate) fn read(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        self.ask(path, |store| store.read(path))
    }

    #[cfg(feature = "parquet")]
    pub(crate) fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>> {
        self.ask(path, |store| store.open(path))
    }
}
