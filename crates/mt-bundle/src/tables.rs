//! What the embedding tables of a saved model came to.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use mt_features::Encoder;
use safetensors::tensor::Metadata;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::signature::Signature;

/// One table in the file of a bundle or a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableRows {
    /// Its name.
    pub table: String,
    /// Rows it has room for.
    pub rows: usize,
    /// Rows that were trained, which are those in the file.
    pub trained: usize,
    /// Values a row.
    pub width: usize,
    /// Bytes of the values in the file.
    pub bytes: usize,
    /// Whether rows come and go with values.
    pub grows: bool,
}

impl TableRows {
    /// Those of the model in `dir`, which has this `signature`. Reads no more than the head of the file.
    ///
    /// # Errors
    /// [`Error::File`] if it is missing or damaged.
    pub fn of(dir: &Path, signature: &Signature) -> Result<Vec<Self>> {
        if signature.schema.fields.is_empty() {
            return Ok(Vec::new());
        }
        let path = dir.join(Signature::TABLES);
        let fail = |problem: String| Error::File { path: path.clone(), problem };
        let file = head(&path).map_err(|error| fail(error.to_string()))?;
        let table = |(table, width): (String, usize)| {
            let name = format!("{table}.values");
            let values = file.info(&name).ok_or_else(|| fail(format!("tensor {name:?} is missing")))?;
            let encoder = signature.encoders.encoder(&table);
            Ok(Self {
                rows: encoder.map_or(0, Encoder::rows),
                trained: values.shape.first().copied().unwrap_or(0),
                width,
                bytes: values.data_offsets.1.saturating_sub(values.data_offsets.0),
                grows: matches!(encoder, Some(Encoder::Growing(_))),
                table,
            })
        };
        signature.model.table_widths(&signature.schema)?.into_iter().map(table).collect()
    }
}

/// What a file of tensors says about them in front. Read, not mapped: somebody may truncate the file meanwhile.
fn head(path: &Path) -> io::Result<Metadata> {
    /// As the crate has it.
    const LONGEST: u64 = 100_000_000;
    let mut file = File::open(path)?;
    let (bytes, mut length) = (file.metadata()?.len(), [0; 8]);
    file.read_exact(&mut length)?;
    let mut text = Vec::new();
    file.take(u64::from_le_bytes(length).min(LONGEST)).read_to_end(&mut text)?;
    let head: Metadata = serde_json::from_slice(&text)?;
    match (length.len() + text.len() + head.data_len()) as u64 == bytes {
        true => Ok(head),
        false => Err(io::Error::other("its tensors end elsewhere than the file")),
    }
}
