//! The functions that C sees: each turns pointers into references and calls what is safe. What a caller must hold to is in
//! `include/mt_predict.h`, and a test compares the names here and there.

mod predictor;
mod rows;

pub use predictor::*;
pub use rows::*;

// What the header says of threads: a predictor is shared by them, rows move from one to another.
const fn shared<T: Send + Sync>() {}
const fn moved<T: Send>() {}
const _: () = shared::<crate::predictor::Handle>();
const _: () = moved::<crate::rows::Rows>();
