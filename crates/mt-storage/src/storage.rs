//! What gets files, by what their paths say of where they lie.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
#[cfg(any(feature = "objects", feature = "arrow"))]
use std::sync::Arc;

#[cfg(not(feature = "objects"))]
use crate::error::NoFeature;
use crate::error::{Error, NoFile, Result};
use crate::format::{self, Format};
use crate::local::Local;
#[cfg(feature = "objects")]
use crate::objects::Objects;
use crate::partition::{self, Partition};
use crate::paths::Paths;
#[cfg(feature = "arrow")]
use crate::source::{Part, Source};
#[cfg(feature = "arrow")]
use crate::sources::Sources;
use crate::store::{ReadAt, Store, Version};

/// The storage of a data set. The default is this machine's files and, with the feature `objects`, the object stores that the
/// environment has credentials for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Storage {
    #[cfg(feature = "objects")]
    objects: Objects,
    #[cfg(feature = "arrow")]
    sources: Sources,
}

impl Storage {
    /// The same, where the files whose URL begins with `url`, such as `memory://log`, are those of `store`, by what follows.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use mt_storage::Storage;
    /// use mt_storage::object_store::{ObjectStoreExt, memory::InMemory, path::Path};
    ///
    /// # let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    /// let store = InMemory::new();
    /// # runtime.block_on(
    /// store.put(&Path::from("rows.csv"), "x,click\n1,0\n2,1\n".into())
    /// # ).expect("room")
    /// ;
    ///
    /// let storage = Storage::default().with_store("memory://log", Arc::new(store));
    /// assert_eq!(storage.expand(&"memory://log/".into())?, [std::path::Path::new("memory://log/rows.csv")]);
    /// # Ok::<(), mt_storage::Error>(())
    /// ```
    #[cfg(feature = "objects")]
    #[must_use]
    pub fn with_store(mut self, url: &str, store: Arc<dyn object_store::ObjectStore>) -> Self {
        self.objects.add(url, store);
        self
    }

    /// The same, where the URL `url`, such as `rows://log`, stands for the rows of `source`.
    #[cfg(feature = "arrow")]
    #[must_use]
    pub fn with_source(mut self, url: &str, source: Arc<dyn Source>) -> Self {
        self.sources.add(url, source);
        self
    }

    /// What is a part of a source, if a path is none of a file.
    #[cfg(feature = "arrow")]
    pub fn part(&self, path: &Path) -> Option<io::Result<(Arc<dyn Source>, Part)>> {
        let of_source = path.to_str().is_some_and(|url| self.sources.find(url).is_some());
        of_source.then(|| self.sources.part(path))
    }

    /// What has the file, or an entry of [`Paths`], of this name.
    fn store(&self, path: &str) -> Result<&dyn Store> {
        match path.split_once("://") {
            None => Ok(&Local),
            #[cfg(feature = "arrow")]
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
        #[cfg(feature = "arrow")]
        if self.part(path).is_some() {
            return Ok(true);
        }
        Ok(self.format(path)? != Format::Text)
    }

    /// How the rows of a file, which is none of a source, are written.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn format(&self, path: &Path) -> Result<Format> {
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
    pub fn partitions(&self, path: &Path) -> Vec<Partition> {
        #[cfg(feature = "arrow")]
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

    /// Bytes of a file; `None` for what can only be read once, such as a pipe.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn size(&self, path: &Path) -> Result<Option<u64>> {
        Ok(self.version(path)?.map(|version| version.bytes))
    }

    /// Opens a file that is read from its beginning to its end: a text file, or the first bytes of any.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn read(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        self.ask(path, |store| store.read(path))
    }

    /// Opens a file of which parts are read, in no order: a Parquet file.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>> {
        self.ask(path, |store| store.open(path))
    }
}
