//! Files and folders that are whole or not there: written under a temporary name, flushed, renamed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Names the file and the action of an i/o error.
pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path, action, source }
}

/// Writes the folder `dir`: `fill` writes its files into the folder it is given, which then takes the place of one that
/// is there. Gives what `fill` does.
///
/// # Errors
/// What `fill` says, or [`Error::Io`]; an older folder stays as it was.
pub fn write_folder<T, E: From<Error>>(
    dir: &Path,
    fill: impl FnOnce(&Path) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let partial = beside(dir)?;
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(io(&partial, "remove the remains of an earlier attempt"))?;
    }
    fs::create_dir_all(&partial).map_err(io(&partial, "create the folder"))?;
    let filled = fill(&partial).inspect_err(|_| {
        // A full disk must not be left fuller; the first error is the one to report.
        let _ = fs::remove_dir_all(&partial);
    })?;
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(io(dir, "replace the folder"))?;
    }
    fs::rename(&partial, dir).map_err(io(dir, "put the folder in place"))?;
    sync_parent(dir)?;
    Ok(filled)
}

/// Writes `value` as JSON to `path`: to a temporary name first, then renamed.
///
/// # Errors
/// If it cannot be written; an older file stays as it was.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::File { path: path.into(), problem: error.to_string() })?;
    text.push(b'\n');
    write_file(path, &text)
}

/// Writes `bytes` to `path`: to a temporary name first, then renamed.
///
/// # Errors
/// If it cannot be written; an older file stays as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// The same of what `fill` writes, piece by piece.
pub(crate) fn write_with<T>(path: &Path, fill: impl FnOnce(&mut File) -> std::io::Result<T>) -> Result<T> {
    let partial = beside(path)?;
    let written = (|| {
        let mut file = File::create(&partial)?;
        let filled = fill(&mut file)?;
        file.sync_all()?;
        Ok(filled)
    })();
    let filled = written.map_err(|error| {
        let _ = fs::remove_file(&partial);
        io(path, "write the file")(error)
    })?;
    fs::rename(&partial, path).map_err(io(path, "put the file in place"))?;
    sync_parent(path)?;
    Ok(filled)
}

/// Reads a JSON file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::File`] if it is damaged.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(io(path, "read the file"))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::File { path: path.into(), problem: error.to_string() })
}

/// Removes what writers that were killed left in the folder `dir`.
///
/// # Errors
/// If it cannot be listed or something not be removed.
pub fn remove_partial(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(io(dir, "list the folder"))? {
        let path = entry.map_err(io(dir, "list the folder"))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if name.starts_with('.') && name.ends_with(PARTIAL) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(io(&path, "remove what a stopped run left"))?;
        }
    }
    Ok(())
}

/// Ending of temporary names.
const PARTIAL: &str = ".partial";

fn beside(path: &Path) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::File { path: path.into(), problem: "is no file name".into() })?;
    Ok(path.with_file_name(format!(".{}{PARTIAL}", name.to_string_lossy())))
}

/// Makes a rename durable.
fn sync_parent(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io(parent, "flush the folder"))
}
