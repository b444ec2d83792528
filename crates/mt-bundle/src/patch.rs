//! What changed in the large files of a bundle, and the file from that and the one before.

use std::collections::BTreeMap;

use mt_tables::{changed_rows, with_changed_rows};
use safetensors::SafeTensorError;
use safetensors::tensor::{SafeTensors, TensorView};

use crate::error::Result;
use crate::signature::Signature;

/// What the names of files end with.
const ENDING: &str = ".safetensors";

/// What those of changes end with.
const CHANGED: &str = ".changed.safetensors";

/// The file with the changes of the file `name`; `None` of one that is always whole.
pub(crate) fn name_of_changes(name: &str) -> Option<String> {
    Some(format!("{}{CHANGED}", name.strip_suffix(ENDING)?))
}

/// What changed in the file `name` of models of this `signature`.
pub(crate) fn changes(name: &str, base: &[u8], new: &[u8], signature: &Signature) -> Result<Vec<u8>> {
    match name {
        Signature::TABLES => {
            Ok(changed_rows(base, new, &tables(signature)?).map_err(mt_models::Error::from)?)
        }
        _ => Ok(changed_tensors(base, new).map_err(candle_core::Error::from)?),
    }
}

/// The file that `changes` were made for, from the one before.
pub(crate) fn with_changes(
    name: &str,
    base: &[u8],
    changes: &[u8],
    signature: &Signature,
) -> Result<Vec<u8>> {
    match name {
        Signature::TABLES => {
            Ok(with_changed_rows(base, changes, &tables(signature)?).map_err(mt_models::Error::from)?)
        }
        _ => Ok(with_changed_tensors(base, changes).map_err(candle_core::Error::from)?),
    }
}

/// The tables by name, with their rows.
pub(crate) fn tables(signature: &Signature) -> Result<Vec<(String, usize)>> {
    let rows = |(table, _): (String, usize)| {
        let rows = signature.encoders.rows(&table);
        rows.map(|rows| (table.clone(), rows)).ok_or(mt_models::Error::NoEncoder { table }.into())
    };
    signature.model.table_widths(&signature.schema)?.into_iter().map(rows).collect()
}

fn changed_tensors(base: &[u8], new: &[u8]) -> std::result::Result<Vec<u8>, SafeTensorError> {
    let (there, here) = (SafeTensors::deserialize(base)?, SafeTensors::deserialize(new)?);
    let (_, header) = SafeTensors::read_metadata(new)?;
    let changed = |(name, view): &(&str, TensorView<'_>)| there.tensor(name).ok().as_ref() != Some(view);
    let changed: BTreeMap<&str, TensorView<'_>> = here.iter().filter(changed).collect();
    safetensors::serialize(changed, header.metadata().clone())
}

fn with_changed_tensors(base: &[u8], changes: &[u8]) -> std::result::Result<Vec<u8>, SafeTensorError> {
    let (there, changed) = (SafeTensors::deserialize(base)?, SafeTensors::deserialize(changes)?);
    let (_, header) = SafeTensors::read_metadata(changes)?;
    let tensors: BTreeMap<&str, TensorView<'_>> = there.iter().chain(changed.iter()).collect();
    safetensors::serialize(tensors, header.metadata().clone())
}
