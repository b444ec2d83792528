//! `data.csv`, as it is written.

use mt_features::ColumnRef;
use mt_storage::Paths;
use serde::{Deserialize, Serialize};

use super::choice::{BadRecords, Features};
use crate::error::{Error, Result};

/// Rows from text files with one record a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// Files to train on.
    pub train: Paths,
    /// Files for validation. Default: `valid_fraction` of the training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Paths>,
    /// Files for the final test. Default: `test_fraction` of the training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Paths>,
    /// Whether the first line of each file names the columns. Default true.
    #[serde(default = "yes")]
    pub header: bool,
    /// A file with the column names, one a line, for files without header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<std::path::PathBuf>,
    /// One character between fields. Default `,`.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// `all`, the default: every column that is nothing else and not excluded; `none`; or a list of columns.
    #[serde(default)]
    pub features: Features,
    /// Columns that are no features. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<ColumnRef>,
    /// `fail`, the default, at the first bad record; or `{skip: 100}` to leave out up to 100 of them.
    #[serde(default)]
    pub on_bad_record: BadRecords,
    /// Texts that, like an empty cell, say that a value is missing. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl CsvConfig {
    /// Files to train on, everything else at its default.
    pub fn new(train: impl Into<Paths>) -> Self {
        CsvConfig {
            train: train.into(),
            valid: None,
            test: None,
            header: true,
            names: None,
            delimiter: comma(),
            features: Features::All,
            exclude: Vec::new(),
            on_bad_record: BadRecords::Fail,
            missing: Vec::new(),
        }
    }

    /// Checks the delimiter and what contradicts `header`.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        self.delimiter_byte()?;
        if let (true, Some(names)) = (self.header, &self.names) {
            let found = names.display().to_string();
            let expected = "nothing, as `header: true` takes the names from the files";
            return Err(Error::Setting { key: "data.csv.names", expected, found });
        }
        Ok(())
    }

    /// The delimiter, which must not be able to occur in a number; control characters, as Hive has them, are good ones.
    pub(crate) fn delimiter_byte(&self) -> Result<u8> {
        let of_numbers = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '"');
        match self.delimiter {
            c if c.is_ascii() && !of_numbers(c) && !matches!(c, '\n' | '\r') => Ok(c as u8),
            c => Err(Error::Setting {
                key: "data.csv.delimiter",
                expected: "one ASCII character that no number contains and that ends no line",
                found: format!("{c:?}"),
            }),
        }
    }
}

fn yes() -> bool {
    true
}

fn comma() -> char {
    ','
}
