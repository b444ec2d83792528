//! Sources of callers, by URL.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::by_url::ByUrl;
use crate::error::{Error, Result};
use crate::source::{Part, Source};
use crate::store::{ReadAt, Store, Version};

/// What callers have.
pub(crate) type Sources = ByUrl<dyn Source>;

impl Sources {
    /// The source and the part of a path that was listed.
    pub fn part(&self, path: &Path) -> io::Result<(Arc<dyn Source>, Part)> {
        let found = path.to_str().and_then(|url| self.find(url));
        let Some((source, _, name)) = found else { return Err(io::ErrorKind::NotFound.into()) };
        let part = source.parts()?.into_iter().find(|part| part.name == name);
        let none = || io::Error::new(io::ErrorKind::NotFound, "the source has no such part");
        Ok((source.clone(), part.ok_or_else(none)?))
    }
}

impl Store for Sources {
    fn list(&self, entry: &str) -> Result<Vec<PathBuf>> {
        let Some((source, base, part)) = self.find(entry) else { return Ok(Vec::new()) };
        if !part.is_empty() {
            return Ok(vec![PathBuf::from(entry)]);
        }
        let parts = source.parts().map_err(|source| Error::Read { path: entry.into(), source })?;
        Ok(parts.iter().map(|part| PathBuf::from(format!("{base}/{}", part.name))).collect())
    }

    fn version(&self, path: &Path) -> io::Result<Option<Version>> {
        let (_, part) = self.part(path)?;
        Ok(Some(Version { bytes: part.bytes, ..Version::default() }))
    }

    fn read(&self, _: &Path) -> io::Result<Box<dyn Read + Send>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a source has rows, where a text is needed"))
    }

    fn open(&self, _: &Path) -> io::Result<Box<dyn ReadAt>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a source has rows, where a file is needed"))
    }
}
