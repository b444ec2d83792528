//! This machine's files.

use std::fs::File;
use std::io::{self, Read};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use crate::error::{Error, NoFile, Result};
use crate::partition::{check_folder, is_partition};
use crate::store::ReadAt;
use crate::store::{Store, Version};

/// The file system.
#[derive(Debug)]
pub(crate) struct Local;

impl Store for Local {
    fn list(&self, entry: &str) -> Result<Vec<PathBuf>> {
        let path = Path::new(entry);
        if is_input(path) {
            return Ok(vec![path.to_owned()]);
        }
        if path.is_dir() {
            let mut files = Vec::new();
            folder(path, &mut files)?;
            files.sort();
            return Ok(files);
        }
        if !entry.contains(['*', '?', '[']) || path.exists() {
            return Ok(vec![path.to_owned()]);
        }
        let found =
            glob::glob(entry).map_err(|source| Error::Pattern { pattern: entry.to_owned(), source })?;
        let mut files = Vec::new();
        for file in found {
            let file = file.map_err(|e| Error::Read { path: e.path().to_owned(), source: e.into() })?;
            match file.is_dir() {
                true if is_partition(name(&file)) => folder(&file, &mut files)?,
                true if is_hidden(&file) => {}
                _ => files.push(readable(file)?),
            }
        }
        // `glob` sorts within a folder, but not across them; `**` matches a folder and what is in it.
        files.sort();
        files.dedup();
        Ok(files)
    }

    fn version(&self, path: &Path) -> io::Result<Option<Version>> {
        if is_input(path) {
            return Ok(None);
        }
        let metadata = path.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified = u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX);
        let version = Version { bytes: metadata.len(), modified, tag: None };
        Ok(metadata.is_file().then_some(version))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        if is_input(path) {
            return Ok(Box::new(io::stdin()));
        }
        Ok(Box::new(File::open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Box::new(Parts { file: Mutex::new(file), size }))
    }
}

/// An open file. Systems differ in how they read at a position without moving the next one, so a move and a reading go
/// together under a lock.
struct Parts {
    file: Mutex<File>,
    size: u64,
}

impl ReadAt for Parts {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(buffer)
    }
}

/// Whether a path means standard input.
fn is_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_encoded_bytes()
}

fn is_hidden(path: &Path) -> bool {
    matches!(name(path).first(), Some(b'.' | b'_'))
}

/// The path, if rows can be read from it: nothing that was named is left out unsaid.
fn readable(path: PathBuf) -> Result<PathBuf> {
    match path.metadata() {
        Ok(found) if found.is_dir() => Err(Error::NoFile(NoFile { path, found: "a folder" })),
        Ok(_) => Ok(path),
        Err(source) if path.is_symlink() && source.kind() == io::ErrorKind::NotFound => {
            Err(Error::NoFile(NoFile { path, found: "a link that leads nowhere" }))
        }
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Adds the files in a folder, and those in its partitions.
fn folder(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    check_folder(path)?;
    for entry in path.read_dir().map_err(read)? {
        let path = entry.map_err(read)?.path();
        if is_partition(name(&path)) && path.is_dir() {
            folder(&path, files)?;
        } else if !is_hidden(&path) {
            files.push(readable(path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Paths;
    use crate::Storage;

    #[test]
    fn folders_and_patterns_give_sorted_files_and_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["b.csv", "a.csv", "c.csv.gz", ".hidden", "_SUCCESS"] {
            std::fs::write(at(name), "x").unwrap();
        }
        let names = |entries: &[String]| -> Vec<String> {
            let files = Storage::default().expand(&Paths(entries.to_vec())).unwrap();
            files.iter().map(|f| f.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&[at("")]), ["a.csv", "b.csv", "c.csv.gz"]);
        assert_eq!(names(&[at("*.csv")]), ["a.csv", "b.csv"]);
        assert_eq!(names(&[at("c.csv.gz"), at("a.csv")]), ["c.csv.gz", "a.csv"]);
        let none = at("*.parquet");
        let error = Storage::default().expand(&Paths(vec![none.clone()])).unwrap_err();
        assert_eq!(error.to_string(), format!("no file matches \"{none}\""));
    }
}
