//! What a cache holds: its last file, without which there is none.

use std::fs;
use std::path::{Path, PathBuf};

use mt_features::fields::Encoders;
use mt_features::{Identity, Normalizer, Rounded, Schema};
use serde::{Deserialize, Serialize};

use super::frames::{Frame, FrameReader, FrameWriter};
use crate::covered::Covered;
use crate::error::{Error, Result};
use crate::mentioned::Mentioned;

/// Changes with the form of the files: caches of another version are not used.
pub(super) const VERSION: u32 = 1;

/// Everything about a data set but its rows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub schema: Schema,
    pub normalizer: Normalizer,
    pub encoders: Encoders,
    pub identity: Identity,
    pub mentioned: Vec<Mentioned>,
    pub rounded: Vec<Rounded>,
    /// Records left out, and what was wrong with the first.
    pub skipped: (u64, Vec<String>),
    pub coverage: Covered,
    pub train: Stored,
    pub valid: Option<Stored>,
    pub test: Option<Stored>,
}

/// The rows of one part, in a file of their own.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub frames: Vec<Frame>,
    /// Length of the file.
    pub bytes: u64,
    /// Bytes of the rows in memory.
    pub memory: u64,
    /// For each field, the frame of the file of keys that has its keys.
    pub keys: Vec<Option<usize>>,
}

impl Stored {
    pub fn rows(&self) -> usize {
        self.frames.iter().map(|frame| frame.rows as usize).sum()
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("manifest")
}

/// The file of a part's rows.
pub(super) fn rows_file(dir: &Path, part: &str) -> PathBuf {
    dir.join(format!("{part}.rows"))
}

/// The file of a part's keys.
pub(super) fn keys_file(dir: &Path, part: &str) -> PathBuf {
    dir.join(format!("{part}.keys"))
}

/// There to say that a block of the cache was found damaged.
pub(super) fn mark(dir: &Path) -> PathBuf {
    dir.join("damaged")
}

impl Manifest {
    pub fn write(&self, dir: &Path) -> Result<()> {
        let json = serde_json::to_vec(self);
        let json = json.map_err(|error| Error::Cache { path: file(dir), problem: error.to_string() })?;
        let mut writer = FrameWriter::create(file(dir))?;
        writer.write(0, |out| out.extend(json))?;
        writer.sync()
    }

    /// That of the cache in `dir`; `None` where there is none.
    ///
    /// # Errors
    /// Says that it is damaged.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = file(dir);
        if !path.exists() {
            return Ok(None);
        }
        let damaged = |problem: String| Error::Cache { path: dir.to_owned(), problem };
        if mark(dir).exists() {
            return Err(damaged("a block of it was found damaged".to_owned()));
        }
        let bytes = FrameReader::open(path)?.next()?.unwrap_or_default();
        let read: Result<Self, _> = serde_json::from_slice(&bytes);
        let manifest = read.map_err(|error| damaged(format!("its manifest is damaged ({error})")))?;
        let parts = [("train", Some(&manifest.train)), ("valid", manifest.valid.as_ref())];
        for (part, stored) in parts.into_iter().chain([("test", manifest.test.as_ref())]) {
            let Some(stored) = stored else { continue };
            let path = rows_file(dir, part);
            let found = fs::metadata(&path).map_or(0, |file| file.len());
            if found != stored.bytes {
                let (name, expected) = (path.display(), stored.bytes);
                return Err(damaged(format!("{name} has {found} bytes, and had {expected}")));
            }
        }
        Ok(Some(manifest))
    }
}
