//! Sources of callers, by URL.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ReadAt, Store, Version};
use crate::error::{Error, Result};
use crate::source::{Part, Source};

/// What callers have, by the beginnings of the URLs.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(Vec<(String, Arc<dyn Source>)>);

/// Whether both have the same ones.
impl PartialEq for Sources {
    fn eq(&self, other: &Self) -> bool {
        let same = |((one, a), (other, b)): (&(String, _), &(String, _))| one == other && Arc::ptr_eq(a, b);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Sources {
    /// With one more.
    pub fn with(mut self, url: &str, source: Arc<dyn Source>) -> Self {
        self.0.push((url.trim_end_matches('/').to_owned(), source));
        self
    }

    /// The source of a URL, its own URL, and the part that is named.
    pub fn find<'a>(&'a self, url: &'a str) -> Option<(&'a Arc<dyn Source>, &'a str, &'a str)> {
        self.0.iter().find_map(|(base, source)| {
            let rest = url.strip_prefix(base.as_str())?;
            let part = if rest.is_empty() { Some("") } else { rest.strip_prefix('/') };
            part.map(|part| (source, base.as_str(), part))
        })
    }

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
