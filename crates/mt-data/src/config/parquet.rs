//! `data.parquet`, as it is written.

use mt_features::ColumnRef;
use mt_storage::Paths;
use serde::{Deserialize, Serialize};

use super::choice::{BadRecords, Features};
use super::csv::CsvConfig;

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
