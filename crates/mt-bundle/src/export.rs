//! From a checkpoint to a bundle.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use mt_models::Registry;
use mt_tables::{TableFormat, pack_tables};
use serde_json::{Map, Value as Json};

use crate::disk::{io, write_file, write_folder, write_json};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::patch::tables;
use crate::predictor::Predictor;
use crate::recorded::Recorded;
use crate::signature::Signature;

/// Name of the model card.
pub(crate) const CARD: &str = "README.md";

/// What goes into a bundle.
#[derive(Debug)]
pub struct Export<'a> {
    /// The folder of a checkpoint.
    pub checkpoint: &'a Path,
    /// How the values of embedding tables are kept.
    pub tables: TableFormat,
    /// Raw rows to be recorded with their predictions, and checked whenever the bundle is loaded.
    pub rows: Vec<Map<String, Json>>,
    /// The run's configuration, as YAML.
    pub config: &'a str,
    /// What the network may be: [`Registry::default`] but for one of your own.
    pub registry: Registry,
}

impl Export<'_> {
    /// Writes the bundle `dir`, which must not exist. `card` gets its predictor and gives the text of the model card.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::File`] if the checkpoint is damaged, [`Error::Io`] if the bundle cannot be written,
    /// and what `card` says. Then there is no bundle.
    pub fn write<E: From<Error>>(
        self,
        dir: &Path,
        card: impl FnOnce(&Predictor) -> std::result::Result<String, E>,
    ) -> std::result::Result<(), E> {
        if dir.exists() {
            return Err(Error::Exists { path: dir.to_owned() }.into());
        }
        let registry = self.registry.clone();
        write_folder(dir, |partial| -> std::result::Result<(), E> {
            self.fill(partial)?;
            let predictor = Predictor::load_with(partial, &Device::Cpu, &registry)?;
            let card = card(&predictor)?;
            Ok(write_file(&partial.join(CARD), card.as_bytes())?)
        })
    }

    fn fill(self, dir: &Path) -> Result<()> {
        let signature = Signature::verified(self.checkpoint)?.with(&self.registry);
        write_json(&dir.join(Signature::FILE), &signature)?;
        let weights = self.checkpoint.join(Signature::WEIGHTS);
        let weights = std::fs::read(&weights).map_err(io(&weights, "read the weights"))?;
        write_file(&dir.join(Signature::WEIGHTS), &weights)?;
        write_file(&dir.join(Manifest::CONFIG), self.config.as_bytes())?;
        let mut names = vec![Signature::FILE, Signature::WEIGHTS, Manifest::CONFIG, Recorded::FILE];
        if !signature.schema.fields.is_empty() {
            write_tables(self.checkpoint, dir, &signature, self.tables)?;
            names.push(Signature::TABLES);
        }
        let recorded = Recorded::new(
            self.rows,
            &Predictor::of(Signature::read(dir)?.with(&self.registry), dir, &Device::Cpu)?,
        )?;
        write_json(&dir.join(Recorded::FILE), &recorded)?;
        let manifest = Manifest::of(dir, &names, self.tables, &signature.encoders)?;
        write_json(&dir.join(Manifest::FILE), &manifest)
    }
}

fn write_tables(from: &Path, to: &Path, signature: &Signature, format: TableFormat) -> Result<()> {
    let path = from.join(Signature::TABLES);
    let fail = |error: &dyn std::fmt::Display| Error::File { path: path.clone(), problem: error.to_string() };
    let tensors: BTreeMap<String, Tensor> =
        candle_core::safetensors::load(&path, &Device::Cpu).map_err(|e| fail(&e))?.into_iter().collect();
    let packed = pack_tables(&tensors, &tables(signature)?, format).map_err(|e| fail(&e))?;
    let bytes = safetensors::serialize(packed.iter(), None).map_err(candle_core::Error::from)?;
    write_file(&to.join(Signature::TABLES), &bytes)
}
