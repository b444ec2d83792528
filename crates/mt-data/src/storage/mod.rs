//! Where files lie: on this machine, in an object store, on standard input.
//!
//! All that is read of a data set (rows, side tables, lists of names, text or Parquet, compressed or not) comes through
//! the [`Storage`] of its [`DataConfig`](crate::DataConfig). A path is a file of this machine, `-` for standard input, or, with
//! the feature `objects`, a URL: `s3://bucket/train/`, `gs://`, `az://`, `https://`.

#[cfg(any(feature = "objects", feature = "parquet"))]
mod by_url;
#[cfg(feature = "objects")]
mod download;
mod format;
mod local;
#[cfg(feature = "objects")]
mod object;
#[cfg(feature = "objects")]
mod objects;
mod partition;
#[cfg(all(feature = "objects", feature = "parquet"))]
mod parts;
#[cfg(feature = "parquet")]
mod sources;
mod store;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
#[cfg(any(feature = "objects", feature = "parquet"))]
use std::sync::Arc;

use crate::config::Paths;
#[cfg(not(feature = "objects"))]
use crate::error::NoFeature;
use crate::error::{Error, NoFile, Result};
#[cfg(feature = "parquet")]
use crate::source::{Part, Source};
pub(crate) use format::Format;
use local::Local;
#[cfg(feature = "objects")]
use objects::Objects;
pub(crate) use partition::{Partition, append};
#[cfg(feature = "parquet")]
use sources::Sources;
#[cfg(feature = "parquet")]
pub(crate) use store::ReadAt;
use store::Store;
pub use store::Version;

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
    /// use mt_data::{CsvConfig, DataConfig, Dataset, Storage};
    /// use mt_features::{ColumnRef, TaskConfig};
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
    /// so that neither hidden files nor markers like `_SUCCESS` are read, and those of folders in it that are called
    /// `key=value`), or a pattern with `*`, `?` or `[`; so are URLs, but for those of `http` and `https`, which are files.
    ///
    /// # Errors
    /// [`Error::NoMatch`] where an entry stands for no file, [`Error::Read`] where it cannot be looked at,
    /// [`Error::Partition`] where its files are in folders `key=value` of other keys.
    pub fn expand(&self, paths: &Paths) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in &paths.0 {
            let found = self.store(entry)?.list(entry)?;
            if found.is_empty() {
                return Err(Error::NoMatch { pattern: entry.clone() });
            }
            partition::check(&found, |path| self.partitions(path))?;
            files.extend(found);
        }
        if files.is_empty() { Err(Error::NoMatch { pattern: "[]".to_owned() }) } else { Ok(files) }
    }

    /// Whether a file has typed columns: whether it is to be read as Parquet or as Arrow's, by its name or its first bytes, or
    /// has the rows of a source.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn is_typed(&self, path: &Path) -> Result<bool> {
        #[cfg(feature = "parquet")]
        if self.part(path).is_some() {
            return Ok(true);
        }
        Ok(self.format(path)? != Format::Text)
    }

    /// How the rows of a file, which is none of a source, are written.
    pub(crate) fn format(&self, path: &Path) -> Result<Format> {
        if let Some(format) = format::of_name(path) {
            return Ok(format);
        }
        // What is looked at in a pipe is gone.
        if self.size(path)?.is_none() {
            return Ok(Format::Text);
        }
        format::of_content(path, self.read(path)?)
    }

    /// The folders `key=value` that a file is in, outermost first; a part of a source is in none.
    pub(crate) fn partitions(&self, path: &Path) -> Vec<Partition> {
        #[cfg(feature = "parquet")]
        if path.to_str().is_some_and(|url| self.sources.find(url).is_some()) {
            return Vec::new();
        }
        partition::of(path)
    }

    /// The folders `key=value` that a file is in, right above it: `dt=2022-04-25/hour=07`; empty for a file in none.
    pub fn partition_folders(&self, path: &Path) -> PathBuf {
        partition::folders(path)
    }

    /// What is known of a file; `None` for what can only be read once, such as a pipe.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn version(&self, path: &Path) -> Result<Option<Version>> {
        self.ask(path, |store| store.version(path))
    }

    /// Bytes of a file that is to be read more than once.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::NoFile`] for a pipe, of which what has been read is gone.
    pub fn bytes(&self, path: &Path) -> Result<u64> {
        let pipe = || Error::NoFile(NoFile { path: path.to_owned(), found: "a pipe" });
        self.size(path)?.ok_or_else(pipe)
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
