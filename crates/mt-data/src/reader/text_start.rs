//! The beginning of a text file: its mark, blank lines and header, up to the first row.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use mt_storage::Storage;

use super::blocks::Blocks;
use super::cell::line_breaks;
use super::header;
use crate::config::CsvConfig;
use crate::error::{Error, Result};

/// A text file before its first row.
pub(super) struct TextStart {
    /// What comes behind the first block.
    pub blocks: Blocks,
    /// The first block, of `length` bytes, whose rows begin at `at`.
    pub buffer: Vec<u8>,
    pub length: usize,
    pub at: usize,
    /// The line there, from 1.
    pub line: u64,
    /// Its columns, as its header names them, or else numbered.
    pub names: Vec<String>,
}

impl TextStart {
    /// Opens a file that `csv` describes. Without a header, a first line of nothing but texts is only taken for a row where
    /// `texts` may be.
    pub fn open(
        storage: &Storage,
        path: &Path,
        csv: &CsvConfig,
        texts: bool,
        block: usize,
        bytes: Arc<AtomicU64>,
    ) -> Result<Self> {
        let delimiter = csv.delimiter_byte()?;
        let mut blocks = Blocks::open(storage, path, delimiter, block, bytes)?;
        let mut buffer = Vec::new();
        let length = blocks.next_into(&mut buffer)?;
        let text = &buffer[..length];
        let mut at = header::bom(text);
        at += text[at..].iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        if at == length {
            return Err(Error::Empty { path: path.to_owned() });
        }
        let names = match csv.header {
            true => {
                let (names, skipped) = header::read(&text[at..], delimiter, path)?;
                at += skipped;
                names
            }
            false => header::count(&text[at..], delimiter, texts, path)?,
        };
        let line = 1 + line_breaks(&text[..at]);
        Ok(TextStart { blocks, buffer, length, at, line, names })
    }

    /// Takes the names of a file of names, if they are as many.
    pub fn named(mut self, given: Option<&Vec<String>>) -> Self {
        if let Some(given) = given.filter(|given| given.len() == self.names.len()) {
            self.names.clone_from(given);
        }
        self
    }
}
