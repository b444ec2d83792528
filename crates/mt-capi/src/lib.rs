//! Predictions from C, and from whatever calls C. `include/mt_predict.h` documents each function; this is what is behind it.
//!
//! | module | what |
//! |---|---|
//! | `predictor` | a bundle, and putting another in its place |
//! | `interface` | names and kinds of its tasks and columns, the same for all bundles put in its place |
//! | `rows` | rows as a caller gives them, value by value, and their predictions |
//! | `status`, `error`, `failure` | what goes wrong, as a code and as a text |
//! | `boundary` | pointers of a caller as references, panics as codes |
//! | [`exports`] | the functions that C sees |
//!
//! `unsafe` is in the last two alone. In a program in Rust, use [`mt_bundle::Predictor`].
//!
//! ```
//! use mt_predict::exports::mt_predictor_load;
//! use mt_predict::{Failure, Status};
//!
//! let mut failure = Failure { status: Status::Ok, message: [0; _] };
//! // SAFETY: the path ends in a zero, and there is room for the error.
//! let predictor = unsafe { mt_predictor_load(c"no such bundle".as_ptr(), &mut failure) };
//! assert!(predictor.is_null());
//! assert_ne!(failure.status, Status::Ok); // `failure.message` says which file is missing
//! ```

mod boundary;
mod error;
pub mod exports;
mod failure;
mod interface;
mod predictor;
mod rows;
mod status;
#[cfg(feature = "testing")]
pub mod testing;

pub use failure::Failure;
pub use predictor::Handle;
pub use rows::Rows;
pub use status::{ColumnKind, Status, TaskKind};
