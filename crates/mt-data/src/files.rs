//! `data.parquet`, as it is written, and what the readers of both kinds of file make of it.

use serde::{Deserialize, Serialize};

use crate::choice::{BadRecords, ColumnRef, Features, Paths};
use crate::config::{CsvConfig, DataConfig};

/// Rows from Parquet files. As [`CsvConfig`], less what is about text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParquetConfig {
    /// Files to train on.
    pub train: Paths,
    /// Files for validation. Default: `valid_fraction` of the training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Paths>,
    /// Files for the final test. Default: `test_fraction` of the training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Paths>,
    /// `all`, the default: every column that is nothing else and not excluded; `none`; or a list of columns.
    #[serde(default)]
    pub features: Features,
    /// Columns that are no features. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<ColumnRef>,
    /// `fail`, the default, at the first bad row; or `{skip: 100}` to leave out up to 100 of them.
    #[serde(default)]
    pub on_bad_record: BadRecords,
    /// Values that, like null, say that a value is missing, as text. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl From<ParquetConfig> for CsvConfig {
    /// The same files and columns, text files allowed among them.
    fn from(parquet: ParquetConfig) -> Self {
        let ParquetConfig { train, valid, test, features, exclude, on_bad_record, missing } = parquet;
        CsvConfig { valid, test, features, exclude, on_bad_record, missing, ..CsvConfig::new(train) }
    }
}

impl DataConfig {
    /// The files, if rows come from files, whatever their kind: where they are, and which columns count.
    pub fn row_files(&self) -> Option<CsvConfig> {
        self.csv.clone().or_else(|| self.parquet.clone().map(CsvConfig::from))
    }

    /// A key of the section that names the files.
    pub(crate) fn files_key(&self, key: &str) -> String {
        let section = if self.parquet.is_some() { "parquet" } else { "csv" };
        format!("data.{section}.{key}")
    }
}
