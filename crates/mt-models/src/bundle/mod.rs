//! Bundles: a folder with everything needed to predict, and nothing else.
//!
//! | file | what |
//! |---|---|
//! | `bundle.json` | the [`Manifest`]: format, table format, fingerprint of the encoders, size and SHA-256 of each file |
//! | `model.json` | the [`Signature`](crate::Signature): network, schema, encoders, normaliser, missing values |
//! | `weights.safetensors` | the parameters by name |
//! | `tables.safetensors` | the trained rows of embedding tables, and of those that grew where the rows of keys are, see [`mt_layers::pack_tables`]; only with fields |
//! | `check.json` | some raw rows with their predictions, and the instruction set they were computed with |
//! | `config.yaml` | the configuration that the model was trained with |
//! | `README.md` | the model card |

mod check;
mod export;
pub(crate) mod hold;
mod manifest;
mod tables;

pub use check::Check;
pub(crate) use check::Recorded;
pub use export::Export;
pub use manifest::{Contents, Manifest};
pub use tables::TableRows;
