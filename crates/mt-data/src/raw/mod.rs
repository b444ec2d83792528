//! Raw rows: values as a caller has them, through the same encoders, missing-value policy and normaliser as the rows of
//! a training file.
//!
//! ```
//! use std::sync::Arc;
//! use mt_data::{Encoder, Encoders, Field, Layout, MissingPolicy, Normalizer, RawRows, RowEncoder, Schema};
//! use mt_data::fields::TableEncoder;
//! let field = Field { name: "user".into(), column: "user".into(), table: "user".into(), list: None };
//! let schema = Schema { numeric: vec!["age".into()], fields: vec![field], ..Schema::default() };
//! let users = TableEncoder { name: "user".into(), encoder: Encoder::Vocabulary(["ann", "17"].iter().collect()) };
//! let encoders = Encoders { tables: vec![users] };
//! let normalizer = Normalizer::identity(1, Layout::Dense);
//! let encoder = RowEncoder::new(&schema, &encoders, &normalizer, &MissingPolicy::default())?;
//! let mut rows = RawRows::new(Arc::new(encoder));
//! rows.push([("user", 17.into()), ("age", 31.5.into())])?;
//! rows.push([("age", "31.5".into())])?;
//! assert_eq!(rows.fields()[0].rows, [3, mt_data::fields::MISSING]);
//! assert!(rows.push([("usr", 17.into())]).is_err());
//! # Ok::<(), mt_data::Error>(())
//! ```

mod compute;
mod encoder;
mod rows;

use serde::{Deserialize, Serialize};

pub use encoder::{Column, RowEncoder};
pub use rows::RawRows;

use crate::config::{DataConfig, NumericMissing};

/// Which values are missing, and what a missing number is; stored with the model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingPolicy {
    /// What a missing number is. Default: an error.
    #[serde(default)]
    pub numeric: NumericMissing,
    /// Texts that, like an empty one, say that a value is missing. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
}

impl MissingPolicy {
    /// The policy of a configuration's data.
    pub fn of(data: &DataConfig) -> Self {
        // Of whatever kind the files are: a section that is forgotten here is one that serving reads otherwise.
        let texts = data.row_files().map(|files| files.missing).unwrap_or_default();
        Self { numeric: data.numeric_missing, texts }
    }

    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
