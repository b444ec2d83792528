//! From what a configuration says about files to a sorted list of them.

use std::path::{Path, PathBuf};

use crate::config::Paths;
use crate::error::{Error, Result};

/// The files that `paths` stands for, each entry's in sorted order.
///
/// An entry is a file, a folder (every file in it whose name begins neither with `.` nor with `_`, so that
/// neither hidden files nor markers like `_SUCCESS` are read), or a pattern with `*`, `?` or `[`.
///
/// # Errors
/// [`Error::NoMatch`] where an entry stands for no file, [`Error::Read`] where it cannot be looked at.
pub fn expand(paths: &Paths) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in &paths.0 {
        let path = Path::new(entry);
        let pattern = || entry.clone();
        if path.is_dir() {
            let before = files.len();
            files.extend(folder(path)?);
            if files.len() == before {
                return Err(Error::NoMatch { pattern: pattern() });
            }
        } else if entry.contains(['*', '?', '[']) && !path.exists() {
            let found = glob::glob(entry).map_err(|source| Error::Pattern { pattern: pattern(), source })?;
            let before = files.len();
            for file in found {
                let file = file.map_err(|e| Error::Read { path: e.path().to_owned(), source: e.into() })?;
                if file.is_file() {
                    files.push(file);
                }
            }
            if files.len() == before {
                return Err(Error::NoMatch { pattern: pattern() });
            }
            // `glob` sorts within a folder, but not across them.
            files[before..].sort();
        } else {
            files.push(path.to_owned());
        }
    }
    if files.is_empty() { Err(Error::NoMatch { pattern: "[]".to_owned() }) } else { Ok(files) }
}

fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name();
        let hidden = matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_'));
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_give_sorted_files_and_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["b.csv", "a.csv", "c.csv.gz", ".hidden", "_SUCCESS"] {
            std::fs::write(at(name), "x").unwrap();
        }
        let names = |entries: &[String]| -> Vec<String> {
            let files = expand(&Paths(entries.to_vec())).unwrap();
            files.iter().map(|f| f.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&[at("")]), ["a.csv", "b.csv", "c.csv.gz"]);
        assert_eq!(names(&[at("*.csv")]), ["a.csv", "b.csv"]);
        assert_eq!(names(&[at("c.csv.gz"), at("a.csv")]), ["c.csv.gz", "a.csv"]);
        let none = at("*.parquet");
        let error = expand(&Paths(vec![none.clone()])).unwrap_err();
        assert_eq!(error.to_string(), format!("no file matches \"{none}\""));
    }
}
