//! Tests of the public API.

mod calibration_table;
mod golden;
mod identities;
mod influence;
mod multiclass;
mod ranking;
mod regression;
mod roc_curve;
mod samples;
mod seeds;
mod undefined;
mod weights;
mod weights_error;
mod weights_golden;
