//! The `data` and `tasks` sections of a configuration, as written.
//!
//! ```yaml
//! data:
//!   csv:
//!     train: data/train.csv      # a file, a list of files, a folder, or a pattern with `*`; may be compressed
//!     valid: data/valid.csv
//!     test: data/test.csv
//! tasks:
//!   - { name: completion, label: 0 }
//!   - { name: like, label: like }
//! ```

pub use mt_storage::Paths;
use mt_storage::Storage;
use serde::{Deserialize, Serialize};

mod asked;
mod cache;
mod choice;
mod csv;
mod join;
mod parquet;

use mt_datasets::synth::SynthConfig;
use mt_features::fields::{self, FieldConfig};
use mt_features::{ColumnRef, Computed, MissingPolicy, Normalize, NumericMissing};

#[cfg(feature = "parquet")]
pub(crate) use asked::separator_of;
pub(crate) use asked::{Asked, asked};
pub use cache::{CacheConfig, Memory};
pub use choice::{BadRecords, Features};
pub use csv::CsvConfig;
pub use join::{JoinConfig, JoinList, JoinMissing};
pub use parquet::ParquetConfig;

use crate::error::{Error, Result};

/// Where the rows come from and how they are prepared. Exactly one of `csv`, `parquet` and `synth` is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Rows from text files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvConfig>,
    /// Rows from Parquet files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parquet: Option<ParquetConfig>,
    /// Rows from the built-in generator, which needs no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synth: Option<SynthConfig>,
    /// Share of the training rows set aside for validation where no validation files are given. Default 0.1;
    /// 0 for none.
    #[serde(default = "tenth")]
    pub valid_fraction: f64,
    /// Share of the rows set aside for the final test where no test files are given. Default 0.1 with `synth`,
    /// 0 with files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_fraction: Option<f64>,
    /// Decides which rows are set aside. Default 1.
    #[serde(default = "one")]
    pub split_seed: u64,
    /// What is done to the numeric columns. Default `standard`.
    #[serde(default)]
    pub normalize: Normalize,
    /// A run or a bundle whose scaling, vocabularies and edges of buckets are used, in place of fitting them on the training rows.
    /// Default none. Whoever reads the data passes them in: see [`Dataset::load_with`](crate::Dataset::load_with).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted: Option<std::path::PathBuf>,
    /// What an empty cell of a numeric column is. Default `fail`.
    #[serde(default)]
    pub numeric_missing: NumericMissing,
    /// Columns looked up in embedding tables. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldConfig>,
    /// Numeric inputs that are computed from columns. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<Computed>,
    /// Side tables whose columns stand beside those of each row. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<JoinConfig>,
    /// Weight of each row, from 0, a column or an expression. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<ColumnRef>,
    /// Column whose values group rows for metrics a group. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<ColumnRef>,
    /// Which rows of the training files are for validation and for the test, in place of shares of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitConfig>,
    /// Rows to train on stay on disk, parsed once. Default none: they are in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheConfig>,
    /// Where the files of all sections lie. Default: on this machine. It cannot be written in a file.
    #[serde(skip)]
    pub storage: Storage,
}

/// Which rows of the training files are set aside; both parts are optional, and no row may be in both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// Rows for validation: a column or an expression that is true there. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<ColumnRef>,
    /// Rows for the test. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<ColumnRef>,
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

    /// Rows from files, everything else at its default.
    pub fn files(csv: CsvConfig) -> Self {
        DataConfig { csv: Some(csv), ..Self::default() }
    }

    /// Rows from the generator, everything else at its default.
    pub fn synthetic(synth: SynthConfig) -> Self {
        DataConfig { synth: Some(synth), ..Self::default() }
    }

    /// Checks what no single key shows: one source, fractions that leave something to train on.
    ///
    /// # Errors
    /// [`Error::Source`] or [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match (&self.csv, &self.parquet, &self.synth) {
            (Some(csv), None, None) => csv.check()?,
            (None, Some(_), None) => {}
            (None, None, Some(synth)) => {
                synth.check()?;
                self.check_synth()?;
            }
            (None, None, None) => return Err(Error::Source { found: "none" }),
            _ => return Err(Error::Source { found: "several" }),
        }
        self.check_fields()?;
        if let (Some(_), true) = (&self.fitted, self.normalize != Normalize::default()) {
            let found = format!("{:?}", self.normalize).to_lowercase();
            let expected = "nothing, as `data.fitted` has the scaling";
            return Err(Error::Setting { key: "data.normalize", expected, found });
        }
        let written = [
            ("data.valid_fraction", self.valid_fraction),
            ("data.test_fraction", self.test_fraction.unwrap_or_default()),
        ];
        for (key, fraction) in written {
            if !(0.0..1.0).contains(&fraction) {
                let found = fraction.to_string();
                return Err(Error::Setting { key, expected: "a share from 0 to below 1", found });
            }
        }
        let sum: f64 = self.set_aside().iter().sum();
        if sum >= 1.0 {
            let found = sum.to_string();
            let expected = "a sum below 1 (something must be left to train on)";
            return Err(Error::Setting { key: "data.valid_fraction + data.test_fraction", expected, found });
        }
        Ok(())
    }

    /// Fields, joins and expressions need the text of a file.
    fn check_synth(&self) -> Result<()> {
        let written = [
            ("data.fitted", self.fitted.is_some()),
            ("data.fields", !self.fields.is_empty()),
            ("data.numbers", !self.numbers.is_empty()),
            ("data.join", !self.join.is_empty()),
            ("data.weight", self.weight.is_some()),
            ("data.group", self.group.is_some()),
            ("data.split", self.split.is_some()),
            ("data.cache", self.cache.is_some()),
        ];
        match written.iter().find(|(_, written)| *written) {
            None => Ok(()),
            Some(&(key, _)) => {
                let found = "data.synth".to_owned();
                Err(Error::Setting { key, expected: "rows from files", found })
            }
        }
    }

    /// Checks what fields and the split say against each other and the rest.
    fn check_fields(&self) -> Result<()> {
        for (i, field) in self.fields.iter().enumerate() {
            field.check(i)?;
        }
        let name = |field: &FieldConfig| match (&field.name, &field.column) {
            (Some(name), _) => name.clone(),
            (None, Some(ColumnRef::Name(column))) => fields::default_name(column),
            (None, Some(ColumnRef::Index(column))) => format!("column_{column}"),
            (None, None) => String::new(),
        };
        asked::check(&self.fields, &self.numbers)?;
        join::check(&self.join, &self.fields)?;
        let names: Vec<String> = self.fields.iter().map(name).collect();
        fields::tables(&self.fields, &names)?;
        // What a column by its place is called, only a file says.
        let placed =
            |field: &FieldConfig| field.name.is_none() && matches!(field.column, Some(ColumnRef::Index(_)));
        if !self.fields.iter().any(placed) {
            fields::check_attention(&self.fields, &names)?;
        }
        let (Some(split), Some(csv)) = (&self.split, self.row_files()) else { return Ok(()) };
        let refuse = |key, expected, found: &dyn ToString| {
            Err(Error::Setting { key, expected, found: found.to_string() })
        };
        let files = [("valid", &csv.valid, &split.valid), ("test", &csv.test, &split.test)];
        for (key, files, rule) in files {
            if let (Some(files), Some(_)) = (files, rule) {
                let expected = "nothing, as `data.split` picks these rows";
                let (key, found) = (self.files_key(key), files.0.join(", "));
                return Err(mt_features::Error::Entry { key, expected, found }.into());
            }
        }
        // The default is in every configuration that was written out, so it cannot count as a wish.
        if self.valid_fraction != tenth() && self.valid_fraction != 0.0 {
            return refuse("data.valid_fraction", "nothing, as there is `data.split`", &self.valid_fraction);
        }
        match self.test_fraction {
            Some(fraction) if fraction != 0.0 => {
                refuse("data.test_fraction", "nothing, as there is `data.split`", &fraction)
            }
            _ => Ok(()),
        }
    }

    /// Which values are missing, and what a missing number is: of the files, whatever kind they are.
    pub fn missing_policy(&self) -> MissingPolicy {
        let texts = self.row_files().map(|files| files.missing).unwrap_or_default();
        MissingPolicy { numeric: self.numeric_missing, texts }
    }

    /// Shares of the training rows that are set aside for validation and for the test: none where there are files or rules.
    pub fn set_aside(&self) -> [f64; 2] {
        if self.split.is_some() {
            return [0.0; 2];
        }
        let files = self.row_files();
        let files = files.as_ref();
        let default_test = if files.is_some() { 0.0 } else { tenth() };
        let share = |files: Option<&Paths>, fraction| if files.is_some() { 0.0 } else { fraction };
        [
            share(files.and_then(|csv| csv.valid.as_ref()), self.valid_fraction),
            share(files.and_then(|csv| csv.test.as_ref()), self.test_fraction.unwrap_or(default_test)),
        ]
    }
}

impl Default for DataConfig {
    /// No source yet, every other key at its default.
    fn default() -> Self {
        DataConfig {
            csv: None,
            parquet: None,
            synth: None,
            valid_fraction: tenth(),
            test_fraction: None,
            split_seed: one(),
            normalize: Normalize::default(),
            fitted: None,
            numeric_missing: NumericMissing::default(),
            fields: Vec::new(),
            numbers: Vec::new(),
            join: Vec::new(),
            weight: None,
            group: None,
            split: None,
            cache: None,
            storage: Storage::default(),
        }
    }
}

fn tenth() -> f64 {
    0.1
}

fn one() -> u64 {
    1
}
