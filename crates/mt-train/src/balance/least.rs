//! What keeps losses away from 0.

/// The least loss that is divided by or whose logarithm is taken.
pub(super) const LEAST: f64 = 1e-8;
