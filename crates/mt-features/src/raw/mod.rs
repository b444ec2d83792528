//! Raw rows: values as a caller has them, through the same encoders, missing-value policy and normaliser as the rows of
//! a training file.
//!
//! ```
//! use std::sync::Arc;
//! use mt_features::{Encoder, Encoders, Field, Layout, MissingPolicy, Normalizer, RawRows, RowEncoder, Schema};
//! use mt_features::fields::TableEncoder;
//! let field = Field { name: "user".into(), column: "user".into(), table: "user".into(), list: None };
//! let schema = Schema { numeric: vec!["age".into()], fields: vec![field], ..Schema::default() };
//! let users = TableEncoder { name: "user".into(), encoder: Encoder::Vocabulary(["ann", "17"].iter().collect()) };
//! let encoders = Encoders { tables: vec![users] };
//! let normalizer = Normalizer::identity(1, Layout::Dense);
//! let encoder = RowEncoder::new(&schema, &encoders, &normalizer, &MissingPolicy::default())?;
//! let mut rows = RawRows::new(Arc::new(encoder));
//! rows.push([("user", 17.into()), ("age", 31.5.into())])?;
//! rows.push([("age", "31.5".into())])?;
//! assert_eq!(rows.fields()[0].rows, [3, mt_features::fields::MISSING]);
//! assert!(rows.push([("usr", 17.into())]).is_err());
//! # Ok::<(), mt_features::Error>(())
//! ```

mod compute;
mod encoder;
mod rows;

pub use encoder::{Column, RowEncoder};
pub use rows::RawRows;
