//! `data.join`: side tables.

use std::collections::BTreeMap;

use mt_features::fields::{SEPARATOR, separates};
use mt_features::{ColumnRef, FieldConfig};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A side table: a text file with a header, or a Parquet file, and one row a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinConfig {
    /// The file, compressed or not, with the delimiter of the rows' own files.
    pub file: std::path::PathBuf,
    /// The column, in both files, whose values must be equal byte for byte.
    pub key: String,
    /// What happens to a row without a partner. Default `empty`.
    #[serde(default)]
    pub missing: JoinMissing,
    /// Columns made of its lists: what another file says of each of their values. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<JoinList>,
}

/// Columns of lists, made of another one of the side table: each of its values is looked up in a second file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinList {
    /// The side table's column whose values are looked up.
    pub column: String,
    /// Between two values, of that column and of the new ones.
    pub separator: char,
    /// The file they are looked up in: one row a key, as a side table.
    pub file: std::path::PathBuf,
    /// Its column with these values.
    pub key: String,
    /// The new columns, by name, each with that of the file that is put in the place of the values.
    pub take: BTreeMap<String, String>,
}

/// What happens to a row whose key is not in the side table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum JoinMissing {
    /// The side table's columns are empty. The default.
    #[default]
    Empty,
    /// It is a bad record.
    Fail,
}

/// Checks that lists made of others can be read, and are, with their separator.
pub(super) fn check(joins: &[JoinConfig], fields: &[FieldConfig]) -> Result<()> {
    for (j, join) in joins.iter().enumerate() {
        for (l, list) in join.lists.iter().enumerate() {
            let refuse = |key: String, expected, found: String| {
                Err(mt_features::Error::Entry { key, expected, found }.into())
            };
            if !separates(list.separator) {
                let found = format!("{:?}", list.separator);
                return refuse(format!("data.join[{j}].lists[{l}].separator"), SEPARATOR, found);
            }
            let other = |field: &FieldConfig| match &field.column {
                Some(ColumnRef::Name(name)) => {
                    list.take.contains_key(name) && field.separator != Some(list.separator)
                }
                _ => false,
            };
            if let Some(field) = fields.iter().position(other) {
                let found = fields[field].separator.map_or("none".to_owned(), |found| format!("{found:?}"));
                let expected = "the separator that the list was made with (data.join[].lists)";
                return refuse(format!("data.fields[{field}].separator"), expected, found);
            }
        }
    }
    Ok(())
}
