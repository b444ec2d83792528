//! Metrics of multi-task ranking models.
//!
//! | for | |
//! |---|---|
//! | ranking | [`auc()`], [`pr_auc()`], [`StreamingAuc`], [`paddlerec_auc`], [`roc_curve()`] |
//! | errors and comparison of AUC | [`DeLong`], [`PairedTest`] |
//! | comparison of configurations, each trained from several seeds | [`Seeds`] |
//! | errors and comparison of XAUC and the mean AUC of classes | [`Influence`] |
//! | ranking within users, sessions or queries | [`group_auc()`], [`ndcg()`] |
//! | log loss | [`log_loss()`], [`log_loss_from_logits`], [`normalised_entropy`] |
//! | calibration | [`calibration()`], [`calibration_table()`] |
//! | decisions | [`accuracy()`] |
//! | numbers, such as watch times | [`rmse`], [`mae`], [`xauc()`], [`normalised_gini`], [`regression_table`] |
//! | all metrics of a task | [`binary_summary`], [`regression_summary`], [`multiclass_summary`] |
//!
//! Slices in, numbers out: this crate knows no models, tensors or files.
//!
//! # Conventions
//! - A *label* is an `f32`; above 0.5 it is positive, so `0.0` and `1.0` are the values to use.
//! - A *score* is any `f32`, larger meaning more likely positive; where a metric needs a *probability* it says so.
//! - A *group* (a user, a session, a query) is a `u32` code for each row, in any order.
//! - A *weight* is a finite `f32` of at least 0 for each row, or `None` for all rows alike. A weight of 2 is the row twice, one
//!   of 0 no row, whatever else it holds; only the size of weights relative to each other matters, and equal ones give what
//!   none give, to the bit. A metric with a weight that is negative or not finite is undefined. Errors and tests take a row as
//!   one draw, whatever it weighs.
//! - A metric that is undefined (no rows, one class only, a NaN among the scores) is `None`, never a
//!   stand-in such as 0.5.
//! - Slices that must pair up row by row are checked; a mismatch is a programming error and panics.
//! - Sums are `f64`, counts are integers; everything runs on the caller's thread.
//! - Memory is O(n) for what sorts, and is stated; the rest takes none.
//!
//! ```
//! use mt_metrics::{DeLong, StreamingAuc, auc, binary_summary};
//!
//! let labels = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0];
//! let first = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9];
//! let second = [0.3, 0.6, 0.2, 0.5, 0.4, 0.7];
//!
//! assert_eq!(auc(&first, &labels, None), Some(8.0 / 9.0));
//! assert_eq!(binary_summary(&first, &labels, None).positives, 3);
//! // The third row counts twice: two pairs of twelve are lost, not one of nine.
//! assert_eq!(auc(&first, &labels, Some(&[1.0, 1.0, 2.0, 1.0, 1.0, 1.0])), Some(10.0 / 12.0));
//!
//! // Is the first model better than the second, on the same rows? (Of configurations, `Seeds` tells.)
//! let (first, second) = (DeLong::new(&first, &labels, None), DeLong::new(&second, &labels, None));
//! assert!(first.unwrap().paired(&second.unwrap()).unwrap().p_value > 0.05);
//!
//! // In a training loop: constant memory, batch by batch, with a known error.
//! let mut streaming = StreamingAuc::new();
//! streaming.push(&[0.1, 0.4, 0.35], &[0.0, 0.0, 1.0], None);
//! assert_eq!(streaming.auc(), Some(0.5));
//! assert_eq!(streaming.error_bound(), Some(0.0));
//! ```

mod accuracy;
mod auc;
mod calibration;
mod calibration_table;
mod delong;
mod gini;
mod group_auc;
mod histogram;
mod influence;
mod log_loss;
mod multiclass;
mod ndcg;
mod normal;
mod order;
mod over_rows;
mod paddlerec;
mod paired;
mod pr_auc;
mod radix;
mod regression;
mod roc_curve;
mod seeds;
mod streaming;
mod student;
mod summary;
mod weights;
mod xauc;

pub use accuracy::accuracy;
pub use auc::auc;
pub use calibration::calibration;
pub use calibration_table::{
    CALIBRATION_BINS, CalibrationBin, CalibrationTable, RegressionBin, calibration_table, regression_table,
};
pub use delong::DeLong;
pub use gini::normalised_gini;
pub use group_auc::{GroupAuc, GroupWeighting, group_auc};
pub use influence::Influence;
pub use log_loss::{log_loss, log_loss_from_logits, normalised_entropy};
pub use multiclass::{MulticlassSummary, multiclass_summary};
pub use ndcg::{GroupNdcg, ndcg};
pub use over_rows::OverRows;
pub use paddlerec::paddlerec_auc;
pub use paired::PairedTest;
pub use pr_auc::pr_auc;
pub use regression::{RegressionSummary, mae, regression_summary, rmse};
pub use roc_curve::{RocPoint, roc_curve};
pub use seeds::Seeds;
pub use streaming::StreamingAuc;
pub use summary::{BinarySummary, binary_summary};
pub use xauc::xauc;

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
