//! A bundle that is served to any number of threads, and replaced while they go on.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use candle_core::Device;
use mt_bundle::{Contents, Manifest, Predictor};

use crate::error::{Error, Result};
use crate::interface::Interface;

/// `mt_predictor`: what its rows share, which live as long as they need it.
#[derive(Debug)]
pub struct Handle(pub(crate) Arc<Shared>);

/// A bundle, whichever is there now.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The same for all that take each other's place, so that names and indices of a caller stay valid.
    pub interface: Interface,
    current: ArcSwap<Version>,
}

/// One bundle.
#[derive(Debug)]
pub(crate) struct Version {
    pub predictor: Predictor,
    /// The SHA-256 of its manifest, which has those of every other file.
    pub sha256: String,
}

impl Handle {
    /// Loads the bundle in `dir`.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let version = Version::load(dir)?;
        let interface = Interface::of(&version.predictor, dir)?;
        Ok(Self(Arc::new(Shared { interface, current: ArcSwap::from_pointee(version) })))
    }
}

impl Shared {
    /// Loads the bundle in `dir` and puts it in the place of the current one, which stays if that fails.
    pub fn reload(&self, dir: &Path) -> Result<()> {
        let version = Version::load(dir)?;
        self.interface.check(&Interface::of(&version.predictor, dir)?, dir)?;
        self.current.store(Arc::new(version));
        Ok(())
    }

    /// The bundle that is there now.
    pub fn version(&self) -> Arc<Version> {
        self.current.load_full()
    }
}

impl Version {
    fn load(dir: &Path) -> Result<Self> {
        let manifest = dir.join(Manifest::FILE);
        if !manifest.exists() {
            return Err(Error::NoBundle { path: dir.to_owned() });
        }
        // Read before and after, as the folder may be replaced in between.
        let sha256 = Contents::of(&manifest).map_err(Error::Bundle)?.sha256;
        let predictor = Predictor::load(dir, &Device::Cpu).map_err(Error::Bundle)?;
        match Contents::of(&manifest).map_err(Error::Bundle)?.sha256 == sha256 {
            true => Ok(Self { predictor, sha256 }),
            false => Err(Error::Bundle(mt_bundle::Error::File {
                path: dir.to_owned(),
                problem: "was replaced while it was loaded".to_owned(),
            })),
        }
    }
}
