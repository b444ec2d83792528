//! The first records of a text file under a delimiter that may not be its own.

use std::path::Path;
use std::sync::Arc;

use mt_storage::Storage;

use super::blocks::{BLOCK, Blocks};
use super::cell::{Content, record_end};
use super::header;
use super::record::blank;
use crate::error::{Error, Result};

/// The cells of up to `most` records of the file's first block, its header among them, as far as they are text.
///
/// # Errors
/// A file that cannot be read, or holds nothing.
pub fn head(storage: &Storage, path: &Path, delimiter: u8, most: usize) -> Result<Vec<Vec<String>>> {
    let mut blocks = Blocks::open(storage, path, delimiter, BLOCK, Arc::default())?;
    let mut buffer = Vec::new();
    let length = blocks.next_into(&mut buffer)?;
    let text = &buffer[..length];
    let (mut at, mut records) = (header::bom(text), Vec::new());
    while at < length && records.len() < most {
        let skipped = blank(&text[at..]);
        if skipped > 0 {
            at += skipped;
            continue;
        }
        let cell = |content: Content| {
            let mut cell = Vec::new();
            content.write(text, &mut cell);
            String::from_utf8_lossy(&cell).into_owned()
        };
        records.push(Content::all(text, at, delimiter).map(cell).collect());
        at = record_end(text, at, delimiter);
    }
    if records.is_empty() { Err(Error::Empty { path: path.to_owned() }) } else { Ok(records) }
}
