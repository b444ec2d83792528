//! Metrics of multi-task ranking models: exact and streaming AUC, DeLong tests, log loss, calibration.
//!
//! Slices in, numbers out: this crate knows no models, tensors or files.
//!
//! # Conventions
//! - A *label* is an `f32`; above 0.5 it is positive, so `0.0` and `1.0` are the values to use.
//! - A *score* is any `f32`, larger meaning more likely positive; where a metric needs a *probability* it says so.
//! - A metric that is undefined (no rows, one class only, a NaN among the scores) is `None`, never a
//!   stand-in such as 0.5.
//! - Slices that must pair up row by row are checked; a mismatch is a programming error and panics.
//! - Sums are `f64`, counts are integers; everything runs on the caller's thread.
//!
//! ```
//! use mt_metrics::{DeLong, StreamingAuc, auc, binary_summary};
//!
//! let labels = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0];
//! let first = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9];
//! let second = [0.3, 0.6, 0.2, 0.5, 0.4, 0.7];
//!
//! assert_eq!(auc(&first, &labels), Some(8.0 / 9.0));
//! assert_eq!(binary_summary(&first, &labels).positives, 3);
//!
//! // Is the first model better than the second, on the same rows?
//! let (first, second) = (DeLong::new(&first, &labels).unwrap(), DeLong::new(&second, &labels).unwrap());
//! assert!(first.paired(&second).unwrap().p_value > 0.05);
//!
//! // In a training loop: constant memory, batch by batch, with a known error.
//! let mut streaming = StreamingAuc::new();
//! streaming.push(&[0.1, 0.4, 0.35], &[0.0, 0.0, 1.0]);
//! assert_eq!(streaming.auc(), Some(0.5));
//! assert_eq!(streaming.error_bound(), Some(0.0));
//! ```

mod accuracy;
mod auc;
mod calibration;
mod delong;
mod histogram;
mod log_loss;
mod normal;
mod order;
mod paddlerec;
mod paired;
mod radix;
mod streaming;
mod summary;

pub use accuracy::accuracy;
pub use auc::auc;
pub use calibration::calibration;
pub use delong::DeLong;
pub use log_loss::{log_loss, log_loss_from_logits, normalised_entropy};
pub use paddlerec::paddlerec_auc;
pub use paired::PairedTest;
pub use streaming::StreamingAuc;
pub use summary::{BinarySummary, binary_summary};
