//! Parquet files: the columns that are needed, some thousand rows at a time.
//!
//! A numeric column goes straight to numbers. What a plan keeps becomes the text that a text file would hold: whole
//! numbers as digits, fractions in their shortest form, a list joined by its field's separator. Labels, fields, keys
//! and expressions are then made of it by the code that reads text, so both kinds of file give the same rows.

mod chunks;
mod decoder;
mod dictionary;
mod file;
mod hybrid;
mod leaf;
mod quiet;
mod rows;
mod types;
mod value;
mod values;

pub(super) use file::{File, Refused};
pub(crate) use leaf::Leaf;
pub(super) use rows::{LISTED, Stripe, rows};
