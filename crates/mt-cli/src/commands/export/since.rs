//! What a bundle of changes is written against.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mt_bundle::{Export, Manifest, TableFormat, write_delta};
use mt_models::Registry;
use mt_train::RunDir;
use tempfile::TempDir;

use crate::source;

/// The bundle before.
pub struct Since {
    path: PathBuf,
    /// How it keeps its tables.
    pub tables: TableFormat,
    /// Where it lies, if it was made of a run for this.
    _made: Option<TempDir>,
}

/// A folder for bundles on the way.
pub fn scratch() -> Result<TempDir> {
    TempDir::new().context("cannot make a temporary folder")
}

impl Since {
    /// The bundle in `dir`; or that of the best checkpoint of the run in `dir`, with its tables as `wanted`.
    pub fn find(dir: &Path, wanted: Option<TableFormat>, registry: &Registry) -> Result<Self> {
        if let Some(manifest) = Manifest::find(dir)? {
            return Ok(Self { path: dir.to_owned(), tables: manifest.tables, _made: None });
        }
        let (run, _) = RunDir::open_with(dir, registry)?;
        let (_, checkpoint) = source::one(source::checkpoints(&run, "best")?, "mt export --since")?;
        let (made, tables) = (scratch()?, wanted.unwrap_or_default());
        let path = made.path().join("base");
        // Neither rows nor configuration are a part of what changes rest on.
        let export = Export {
            checkpoint: &checkpoint,
            tables,
            rows: Vec::new(),
            config: "",
            registry: registry.clone(),
        };
        export.write::<mt_bundle::Error>(&path, |_| Ok(String::new()))?;
        Ok(Self { path, tables, _made: Some(made) })
    }

    /// Writes what the bundle `whole` has and this one has not into the folder `out`.
    pub fn write(&self, whole: &Path, out: &Path) -> Result<()> {
        write_delta(&self.path, whole, out)?;
        Ok(())
    }
}
