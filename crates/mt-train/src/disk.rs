//! Writing so that what can be seen is whole: to a temporary name, flushed, then renamed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result, io};

/// Writes `value` as JSON to `path`: to a temporary name first, then renamed.
///
/// # Errors
/// If it cannot be written; an older file stays as it was.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_file(path, &json(path, value)?)
}

/// Writes `bytes` to `path`: to a temporary name first, then renamed.
///
/// # Errors
/// If it cannot be written; an older file stays as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = beside(path)?;
    if let Err(error) = write_new(&partial, bytes) {
        let _ = fs::remove_file(&partial);
        return Err(io(path, "write the file")(error));
    }
    fs::rename(&partial, path).map_err(io(path, "put the file in place"))?;
    sync_parent(path)
}

/// Writes `bytes` through to the disk.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// `value` as the text of a JSON file; `path` is for the error.
pub(crate) fn json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::File { path: path.into(), problem: e.to_string() })?;
    text.push(b'\n');
    Ok(text)
}

/// Reads a JSON file.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path, action: &'static str) -> Result<T> {
    let text = fs::read(path).map_err(io(path, action))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::File { path: path.into(), problem: error.to_string() })
}

/// Fills the folder `dir` by `fill` under a temporary name (with [`write_new`], as no one else looks there), then puts it in place of one that may be there.
pub(crate) fn write_folder(dir: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let partial = beside(dir)?;
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(io(&partial, "remove the remains of an earlier checkpoint"))?;
    }
    fs::create_dir_all(&partial).map_err(io(&partial, "create the folder"))?;
    let filled = fill(&partial).and_then(|()| sync(&partial));
    if let Err(error) = filled {
        // A full disk must not be left fuller; the first error is the one to report.
        let _ = fs::remove_dir_all(&partial);
        return Err(error);
    }
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(io(dir, "replace the checkpoint"))?;
    }
    fs::rename(&partial, dir).map_err(io(dir, "put the checkpoint in place"))?;
    sync_parent(dir)
}

/// Removes what writers that were killed left in `dir`.
pub(crate) fn remove_partial(dir: &Path) -> Result<()> {
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
    sync(parent)
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(dir, "flush the folder"))
}
