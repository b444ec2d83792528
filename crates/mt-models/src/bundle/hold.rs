//! The memory map of a file.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use mt_layers::Bytes;

/// Maps a file for reading.
pub(crate) fn map(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    // SAFETY: the file must not be changed while it is mapped. Nothing here ever writes into a file that can be seen:
    // folders are replaced by renaming, which leaves a mapped file as it was. `Predictor::load` asks the same of others.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    Ok(Arc::new(map))
}
