//! Operations on the CPU with hand-written backward passes, and how they reach candle's buffers.
//!
//! Each is used when all of its parameters either need no gradient (inference) or have a gradient slot
//! ([`crate::Params::backward`]); otherwise the plain candle composition beside it runs. Work is split over rows or
//! over weight rows so that every sum has one fixed order: results do not depend on the number of threads.

pub(crate) mod affine;
pub(crate) mod attention;
mod delta;
pub(crate) mod gated;
pub(crate) mod loss;
pub(crate) mod mixture;
pub(crate) mod normal;
pub(crate) mod operation;
mod parameter;
pub(crate) mod stack;
pub(crate) mod towers;

pub(crate) use crate::values::{add_values, readable, slice, with_all, with_values};
pub(crate) use parameter::{Parameter, parameters};
