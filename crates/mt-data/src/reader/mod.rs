//! Files, sources and what is on standard input as tables of rows.

mod block;
mod blocks;
mod cell;
mod cells;
mod columns;
mod encode;
mod head;
mod header;
mod kept;
mod large;
mod layout;
mod matrix;
mod merge;
mod named;
mod open;
mod others;
#[cfg(feature = "parquet")]
mod parquet;
mod parse;
mod partition;
mod plan;
mod prepare;
mod record;
mod records;
mod request;
mod resolve;
mod row;
mod rules;
pub mod scan;
mod side;
mod stream;
mod tables;
mod text_start;
#[cfg(feature = "parquet")]
mod typed;
mod unlabelled;

pub(crate) use columns::{Columns, Rule};
#[cfg(feature = "parquet")]
pub(crate) use kept::KeptCells;
pub use kept::{Kept, KeptColumns, KeptForm};
pub(crate) use large::ROWS as LOOKED_AT;
pub(crate) use prepare::{Coding, tables};
pub use records::Records;
pub use request::Labels;
pub(crate) use tables::Finished;
pub use tables::{Skipped, TableReader};
