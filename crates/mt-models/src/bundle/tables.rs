//! What the embedding tables of a saved model came to.

use std::path::Path;

use mt_data::Encoder;
use safetensors::SafeTensors;
use serde::Serialize;

use super::map;
use crate::error::{Error, Result};
use crate::signature::Signature;

/// One table in the file of a bundle or a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
        let bytes = map::map(&path).map_err(|error| fail(error.to_string()))?;
        let file =
            SafeTensors::deserialize(bytes.as_ref().as_ref()).map_err(|error| fail(error.to_string()))?;
        let table = |(table, width): (String, usize)| {
            let values = file.tensor(&format!("{table}.values")).map_err(|error| fail(error.to_string()))?;
            let encoder = signature.encoders.encoder(&table);
            Ok(Self {
                rows: encoder.map_or(0, Encoder::rows),
                trained: values.shape().first().copied().unwrap_or(0),
                width,
                bytes: values.data().len(),
                grows: matches!(encoder, Some(Encoder::Growing(_))),
                table,
            })
        };
        signature.model.table_widths(&signature.schema)?.into_iter().map(table).collect()
    }
}
