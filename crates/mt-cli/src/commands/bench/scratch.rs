//! A folder for files that are gone afterwards.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mt_train::RunDir;

/// A new folder, removed with all that is in it when this is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// `name`, or `name-2` and so on, beside the system's other temporary files.
    pub fn new(name: &str) -> Result<Self> {
        let path = RunDir::next_free(&std::env::temp_dir().join(name));
        // Fails where someone else was faster, so that what is removed is our own.
        std::fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over is the system's to clean up, as with any temporary file.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
