//! What is made of small files, and made again when they change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tracing::{info, warn};

use crate::error::{Error, Result};

/// A certificate or a token, as its files were when they were last good.
pub(crate) struct Fresh<T> {
    what: &'static str,
    files: Vec<PathBuf>,
    make: Make<T>,
    current: ArcSwap<T>,
    /// What was last found, good or not.
    found: Mutex<Found>,
}

/// Of files and what is in them.
type Make<T> = fn(&[PathBuf], &[Vec<u8>]) -> Result<T>;

/// The content of the files, or why they cannot be read.
type Found = std::result::Result<Vec<Vec<u8>>, String>;

impl<T> Fresh<T> {
    /// Makes it of these files.
    ///
    /// # Errors
    /// If one cannot be read, and what `make` has to say.
    pub fn new(what: &'static str, files: Vec<PathBuf>, make: Make<T>) -> Result<Self> {
        let contents = read(&files)?;
        let current = ArcSwap::from_pointee(make(&files, &contents)?);
        Ok(Self { what, files, make, current, found: Mutex::new(Ok(contents)) })
    }

    pub fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Makes it again if the files have changed. What cannot be used is logged, and what was made before stays.
    pub fn look(&self) {
        let contents = read(&self.files);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        // Files this small are compared whole: times and sizes may be equal.
        let now = contents.as_ref().map(Vec::clone).map_err(ToString::to_string);
        if *found == now {
            return;
        }
        *found = now;
        match contents.and_then(|contents| (self.make)(&self.files, &contents)) {
            Ok(made) => {
                self.current.store(Arc::new(made));
                info!(what = self.what, "read again");
            }
            Err(error) => warn!(what = self.what, "cannot be read again, the one before stays: {error}"),
        }
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| Error::Secret { path: path.clone(), problem: error.to_string() })
    };
    files.iter().map(read).collect()
}
