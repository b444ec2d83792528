//! The checksums of a checkpoint: what a disk lost or changed is noticed before anything is made of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::contents::Contents;
use crate::disk::{read_json, write_json};
use crate::error::{Error, Result};

/// Size and SHA-256 of the files of a checkpoint, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checksums(BTreeMap<String, Contents>);

impl Checksums {
    /// Name of the file that holds them, beside the others.
    pub const FILE: &str = "checksums.json";
    /// Name of the file that says where training stood: only a checkpoint has it.
    pub const STATE: &str = "state.json";

    /// Writes those of the files `names` in `dir`.
    ///
    /// # Errors
    /// If a file cannot be read, or theirs not be written.
    pub fn write(dir: &Path, names: &[&str]) -> Result<()> {
        Self::write_known(dir, names, BTreeMap::new())
    }

    /// The same, where some of them are known from writing these files.
    ///
    /// # Errors
    /// As [`Checksums::write`].
    pub fn write_known(dir: &Path, names: &[&str], known: BTreeMap<String, Contents>) -> Result<()> {
        let mut all = known;
        for name in names {
            if !all.contains_key(*name) {
                all.insert((*name).to_owned(), Contents::of(&dir.join(name))?);
            }
        }
        write_json(&dir.join(Self::FILE), &Self(all))
    }

    /// Those of the checkpoint in `dir`.
    ///
    /// # Errors
    /// If their file is missing or damaged.
    pub fn read(dir: &Path) -> Result<Self> {
        read_json(&dir.join(Self::FILE))
    }

    /// The names of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Checks that the file `name` in `dir` is the one that was written.
    ///
    /// # Errors
    /// [`Error::File`] if it has no checksum or differs from it, [`Error::Io`] if it cannot be read.
    pub fn check(&self, dir: &Path, name: &str) -> Result<()> {
        let Some(expected) = self.0.get(name) else {
            return Err(Error::File {
                path: dir.join(Self::FILE),
                problem: format!("has no checksum of {name}"),
            });
        };
        let path = dir.join(name);
        if Contents::of(&path)? != *expected {
            return Err(Error::File { path, problem: "is damaged: it differs from its checksum".into() });
        }
        Ok(())
    }
}
