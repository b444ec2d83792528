//! A trained model from its folder, after all files were found to be as they were written.

use std::path::Path;

use candle_core::Device;
use mt_models::Registry;

use crate::checksums::Checksums;
use crate::error::Result;
use crate::manifest::Manifest;
use crate::predictor::Predictor;
use crate::recorded::Recorded;
use crate::signature::Signature;
use crate::whole::Whole;

impl Signature {
    /// Reads the signature of the model in `dir`, after all that its predictions follow from was found to be as it was
    /// written: of a checkpoint by its [`Checksums`], of a bundle as its [`Manifest`] checks it. Every reader of a trained
    /// model begins here.
    ///
    /// A folder with neither is taken as it is: somebody put it together by hand.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) for the first file that is missing or damaged.
    pub fn verified(dir: &Path) -> Result<Self> {
        if let Some(manifest) = Manifest::find(dir)? {
            if manifest.base.is_some() {
                return Self::verified(Whole::of(dir)?.path());
            }
            manifest.check(dir)?;
            let signature = Self::read(dir)?;
            manifest.check_encoders(dir, &signature.encoders)?;
            return Ok(signature);
        }
        // What training leaves has checksums, so one without has lost them.
        if ![Checksums::FILE, Checksums::STATE].iter().any(|file| dir.join(file).exists()) {
            return Self::read(dir);
        }
        let checksums = Checksums::read(dir)?;
        checksums.check(dir, Self::FILE)?;
        checksums.check(dir, Self::WEIGHTS)?;
        let signature = Self::read(dir)?;
        if !signature.schema.fields.is_empty() {
            checksums.check(dir, Self::TABLES)?;
        }
        Ok(signature)
    }
}

impl Predictor {
    /// Loads the model in `dir`: a bundle, or a checkpoint of a run.
    ///
    /// Its files may be changed and removed afterwards: embedding tables are read into memory, those of more than 1 GiB
    /// (`MT_TABLE_MEMORY` in the environment) copied to a temporary file without a name, which is mapped. Of a bundle,
    /// sizes of all files, hashes of all but the tables and the predictions of the rows recorded with it are checked; of a
    /// checkpoint, the hashes of all files that are read. A bundle that holds changes is [made whole](Whole::of) first.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) if a file is missing or damaged, the weights are those of another model, or the recorded rows
    /// come out further from what they were than rounding explains, see [`Predictor::check`].
    pub fn load(dir: &Path, device: &Device) -> Result<Self> {
        Self::load_with(dir, device, &Registry::default())
    }

    /// As [`Predictor::load`], for a network of one of the kinds of `registry`.
    ///
    /// # Errors
    /// As [`Predictor::load`].
    pub fn load_with(dir: &Path, device: &Device, registry: &Registry) -> Result<Self> {
        let whole = Whole::of(dir)?;
        let dir = whole.path();
        let mut predictor = Self::of(Signature::verified(dir)?.with(registry), dir, device)?;
        if Manifest::find(dir)?.is_some() {
            predictor.check = Some(Recorded::read(dir)?.check(dir, &predictor)?);
        }
        Ok(predictor)
    }
}
