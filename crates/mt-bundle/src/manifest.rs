//! What belongs to a bundle, and whether it is there as it was written.

use std::collections::BTreeMap;
use std::path::Path;

use mt_features::Encoders;
use mt_tables::TableFormat;
use serde::{Deserialize, Serialize};

use crate::contents::Contents;
use crate::disk::{io, read_json};
use crate::error::{Error, Result};
use crate::signature::Signature;

/// The table of contents of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// Version of the bundle's format.
    pub format: u32,
    /// How the values of embedding tables are kept.
    pub tables: TableFormat,
    /// [`Encoders::fingerprint`] of the encoders, in hexadecimal.
    pub encoders: String,
    /// The files by name. The model card is not among them, so that people may write into it.
    pub files: BTreeMap<String, Contents>,
    /// Of a bundle that holds changes, what they rest on, and what comes of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

/// What changes rest on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Base {
    /// [`Manifest::content`] of the bundle that they are changes of.
    pub sha256: String,
    /// The files of the bundle that comes of that one and these.
    pub files: BTreeMap<String, Contents>,
}

impl Manifest {
    /// The format that this version writes.
    pub const FORMAT: u32 = 1;
    /// The format of bundles that hold changes, and the newest this version reads.
    pub const DELTA: u32 = 2;
    /// Name of the file.
    pub const FILE: &str = "bundle.json";
    /// Name of the configuration's file.
    pub const CONFIG: &str = "config.yaml";

    /// The manifest of the bundle in `dir`, `None` where it holds no bundle.
    ///
    /// # Errors
    /// [`Error::File`] if it is damaged or of a newer format.
    pub fn find(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(Self::FILE);
        if !path.exists() {
            return Ok(None);
        }
        let manifest: Self = read_json(&path)?;
        let fail = |problem: String| Error::File { path: path.clone(), problem };
        if manifest.format > Self::DELTA {
            let (found, known) = (manifest.format, Self::DELTA);
            return Err(fail(format!("format {found} is newer than this version reads, {known}")));
        }
        let plain = |name: &&String| Path::new(name).file_name() != Some(name.as_ref());
        let made = manifest.base.iter().flat_map(|base| base.files.keys());
        match manifest.files.keys().chain(made).find(plain) {
            Some(name) => Err(fail(format!("{name:?} is no name of a file in the bundle"))),
            None => Ok(Some(manifest)),
        }
    }

    /// The manifest of the files `names` in `dir`.
    pub(super) fn of(dir: &Path, names: &[&str], tables: TableFormat, encoders: &Encoders) -> Result<Self> {
        let contents = |name: &&str| Ok(((*name).to_owned(), Contents::of(&dir.join(name))?));
        Ok(Self {
            format: Self::FORMAT,
            tables,
            encoders: fingerprint(encoders),
            files: names.iter().map(contents).collect::<Result<_>>()?,
            base: None,
        })
    }

    /// SHA-256 of all that predictions follow from: the hashes of model, weights and tables of the bundle that is here, or that comes of
    /// changes. It is the same whatever was recorded and written beside them.
    pub fn content(&self) -> String {
        let files = self.base.as_ref().map_or(&self.files, |base| &base.files);
        let of = |name: &str| files.get(name).map(|contents| format!("{} {name}\n", contents.sha256));
        let text = [Signature::FILE, Signature::WEIGHTS, Signature::TABLES].into_iter().filter_map(of);
        Contents::of_bytes(text.collect::<String>().as_bytes()).sha256
    }

    /// The manifest of the bundle that comes of changes; else this one.
    pub(crate) fn whole(&self) -> Self {
        match &self.base {
            Some(base) => {
                Self { format: Self::FORMAT, files: base.files.clone(), base: None, ..self.clone() }
            }
            None => self.clone(),
        }
    }

    /// Checks the sizes of all files, and the hashes of all but the tables: those may be larger than memory.
    pub(crate) fn check(&self, dir: &Path) -> Result<()> {
        self.compare(dir, |name| name != Signature::TABLES)
    }

    /// Checks every file of the bundle in `dir` against its hash.
    ///
    /// # Errors
    /// [`Error::File`] for the first one that is missing or different.
    pub fn verify(&self, dir: &Path) -> Result<()> {
        self.compare(dir, |_| true)
    }

    fn compare(&self, dir: &Path, hashed: impl Fn(&str) -> bool) -> Result<()> {
        for (name, expected) in &self.files {
            let path = dir.join(name);
            let bytes = path.metadata().map_err(io(&path, "find a file of the bundle"))?.len();
            let problem = if bytes != expected.bytes {
                format!("has {bytes} bytes, {} has {} for it", Self::FILE, expected.bytes)
            } else if hashed(name) && Contents::of(&path)? != *expected {
                format!("is damaged: its SHA-256 is not the one in {}", Self::FILE)
            } else {
                continue;
            };
            return Err(Error::File { path, problem });
        }
        Ok(())
    }

    /// Checks that the encoders are those the model was trained with.
    pub(crate) fn check_encoders(&self, dir: &Path, encoders: &Encoders) -> Result<()> {
        let found = fingerprint(encoders);
        if found == self.encoders {
            return Ok(());
        }
        let problem = format!("its encoders are {found}, those in {} {}", Self::FILE, self.encoders);
        Err(Error::File { path: dir.join(Signature::FILE), problem })
    }
}

fn fingerprint(encoders: &Encoders) -> String {
    format!("{:016x}", encoders.fingerprint())
}
