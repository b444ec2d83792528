//! Parsed rows on disk, before anything is fitted on them.

use std::path::PathBuf;

use mt_features::{Layout, Table};

use super::codec::{decode, encode};
use super::frames::{FrameReader, FrameWriter};
use super::{BLOCK, append};
use crate::error::Result;

/// A part of the rows of the training files.
pub(super) const TRAIN: u8 = 0;

/// Rows as they were parsed, in one file, and the part of each.
pub(super) struct Raw {
    path: PathBuf,
    writer: Option<FrameWriter>,
    rows: usize,
    bytes: u64,
    /// That of the first rows, which others take: so it would be in memory.
    layout: Option<Layout>,
    /// The part of each row; empty where all are to train on.
    pub parts: Vec<u8>,
}

impl Raw {
    pub fn create(path: PathBuf) -> Result<Self> {
        let writer = Some(FrameWriter::create(path.clone())?);
        Ok(Self { path, writer, rows: 0, bytes: 0, layout: None, parts: Vec::new() })
    }

    /// Adds rows.
    pub fn add(&mut self, table: Table) -> Result<()> {
        let (mut table, Some(writer)) = (table, self.writer.as_mut()) else { return Ok(()) };
        if table.is_empty() {
            return Ok(());
        }
        table.set_layout(*self.layout.get_or_insert(table.numeric().layout()));
        self.rows += table.len();
        u32::try_from(self.rows).map_err(|_| mt_features::Error::TooLarge)?;
        writer.write(table.len(), |out| encode(&table, out))?;
        self.bytes = writer.bytes();
        Ok(())
    }

    /// Rows of all parts.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hands out the rows to train on in blocks of [`BLOCK`], and others as they come with the number of their part; `told` hears the
    /// bytes read.
    pub fn each(
        &self,
        told: &dyn Fn(u64),
        mut aside: impl FnMut(u8, Table) -> Result<()>,
        mut block: impl FnMut(Table) -> Result<()>,
    ) -> Result<()> {
        let mut reader = FrameReader::open(self.path.clone())?;
        let (mut waiting, mut first, mut read) = (Table::empty(0, 0), 0, 0);
        while let Some(bytes) = reader.next()? {
            read += bytes.len() as u64;
            let table = decode(&mut &bytes[..], &Vec::new()).ok_or_else(|| reader.damaged())?;
            let end = first + table.len();
            let table = match self.parts.get(first..end) {
                None => table,
                Some(parts) => {
                    let rows = |of: u8| -> Vec<u32> {
                        (0..).zip(parts).filter(|&(_, &part)| part == of).map(|(row, _)| row).collect()
                    };
                    for part in [1, 2] {
                        let rows = rows(part);
                        if !rows.is_empty() {
                            aside(part, table.take(&rows))?;
                        }
                    }
                    table.take(&rows(TRAIN))
                }
            };
            first = end;
            if !table.is_empty() {
                append(&mut waiting, table)?;
            }
            let whole = (waiting.len() / BLOCK * BLOCK) as u32;
            for start in (0..whole).step_by(BLOCK) {
                let rows: Vec<u32> = (start..start + BLOCK as u32).collect();
                block(waiting.take(&rows))?;
            }
            if whole > 0 {
                waiting.retain(&(whole..waiting.len() as u32).collect::<Vec<_>>());
            }
            told(read);
        }
        if waiting.is_empty() { Ok(()) } else { block(waiting) }
    }

    /// Closes the file for writing.
    pub fn written(&mut self) {
        self.writer = None;
    }

    /// Removes the file.
    pub fn remove(self) -> Result<()> {
        let failed = super::failed(&self.path, "remove it");
        std::fs::remove_file(&self.path).map_err(failed)
    }
}
