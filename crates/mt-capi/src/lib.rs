//! Predictions from C, and from whatever calls C. `include/mt_predict.h` documents each function; this is what is behind it.
//!
//! | module | what |
//! |---|---|
//! | `predictor` | a bundle, and putting another in its place |
//! | `interface` | names and kinds of its tasks and columns, the same for all bundles put in its place |
//! | `rows` | rows as a caller gives them, value by value, and their predictions |
//! | `status`, `error` | what goes wrong, as a code and as a text |
//! | `boundary` | pointers of a caller as references, panics as codes |
//! | [`exports`] | the functions that C sees |
//!
//! `unsafe` is in the last two alone. In a program in Rust, use [`mt_models::Predictor`].

mod boundary;
mod error;
pub mod exports;
mod interface;
mod predictor;
mod rows;
mod status;

pub use predictor::Handle;
pub use rows::Rows;
pub use status::{ColumnKind, Failure, Status, TaskKind};
