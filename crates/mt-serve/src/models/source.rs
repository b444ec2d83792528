//! Where bundles are looked for.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mt_bundle::Manifest;

use crate::error::{Error, Result};

/// Bundles on disk. What is served does not change with their files, but a bundle that is changed file by file is refused
/// until it is whole: replace its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A single bundle. Its version is the start of the SHA-256 of its manifest.
    Bundle {
        /// The name in paths and answers.
        name: String,
        /// The folder.
        dir: PathBuf,
    },
    /// A folder `NAME/VERSION/` of bundles. The version, a whole number, that is the largest is served.
    Folder(PathBuf),
}

/// A bundle that may be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub name: String,
    /// What its folder is called, of [`Source::Folder`].
    pub version: Option<u64>,
    pub dir: PathBuf,
    pub state: State,
}

/// The files of a folder, by which a change is noticed: name, bytes and time.
pub(crate) type State = Vec<(OsString, u64, Option<SystemTime>)>;

impl Source {
    /// The bundle in `dir` under this name.
    pub fn named(name: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Source::Bundle { name: name.into(), dir: dir.into() }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Source::Bundle { name, .. } => Some(name),
            Source::Folder(_) => None,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        match self {
            Source::Bundle { dir, .. } | Source::Folder(dir) => dir,
        }
    }

    /// By name, the versions there are, the newest first.
    pub(crate) fn find(&self) -> io::Result<Vec<Vec<Found>>> {
        match self {
            Source::Bundle { name, dir } => Ok(vec![vec![Found {
                name: name.clone(),
                version: None,
                dir: dir.clone(),
                state: state(dir)?,
            }]]),
            Source::Folder(dir) => {
                let mut names: Vec<_> =
                    folders(dir)?.into_iter().filter(|(name, _)| check_name(name).is_ok()).collect();
                names.sort();
                names.into_iter().map(|(name, dir)| versions(&name, &dir)).collect()
            }
        }
    }
}

fn versions(name: &str, dir: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for (folder, dir) in folders(dir)? {
        let version = folder.parse::<u64>().ok().filter(|version| version.to_string() == folder);
        // One without a manifest is still being written.
        if let Some(version) = version.filter(|_| dir.join(Manifest::FILE).exists()) {
            found.push(Found { name: name.to_owned(), version: Some(version), state: state(&dir)?, dir });
        }
    }
    found.sort_by_key(|found| std::cmp::Reverse(found.version));
    Ok(found)
}

fn folders(dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_dir()) {
            folders.push((name.to_owned(), path.clone()));
        }
    }
    Ok(folders)
}

pub(crate) fn state(dir: &Path) -> io::Result<State> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((entry.file_name(), metadata.len(), metadata.modified().ok()));
    }
    files.sort();
    Ok(files)
}

/// Names stand in paths of URLs as they are.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match !name.is_empty() && !name.starts_with('.') && name.bytes().all(good) {
        true => Ok(()),
        false => Err(Error::Name { name: name.to_owned() }),
    }
}
