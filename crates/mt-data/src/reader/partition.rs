//! The folders `key=value` that a file is in, as columns.

use std::path::Path;

use mt_features::Value;
use mt_storage::Partition;

use crate::error::{Error, Result};

/// The value of each row of the files in a folder.
pub(super) fn value(partition: &Partition) -> Value<'_> {
    partition.text().map_or(Value::Missing, Value::Text)
}

/// Adds the columns of the partitions that the file at `path` is in to the names of its own.
pub(super) fn append(names: &mut Vec<String>, path: &Path, partitions: &[Partition]) -> Result<()> {
    for (i, Partition { key, .. }) in partitions.iter().enumerate() {
        if names.contains(key) {
            let folder = path.ancestors().nth(partitions.len() - i).unwrap_or(path);
            let (first, second) = (path.to_owned(), folder.to_owned());
            return Err(Error::ColumnInBoth { name: key.clone(), first, second });
        }
        names.push(key.clone());
    }
    Ok(())
}
