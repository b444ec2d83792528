//! Small expressions over the columns of a record: labels, sample spaces, weights and splits.
//!
//! ```text
//! play_time_ms / duration_ms            min(play_time_ms / duration_ms, 5)
//! income == "50000+."                   date == 20220429 && !(`is rand` == 1)
//! ```
//!
//! From the weakest: `||`, `&&`, one of `== != < <= > >=`, `+ -`, `* / %`, `!` and `-` in front, then `^` (a power,
//! from the right: `-a ^ b ^ c` is `-(a ^ (b ^ c))`). Truth is 1 and 0, and any number but 0 is true. A column whose name is no
//! word stands in backquotes, a text in quotes of either kind. The functions stand in `call.rs`.
//!
//! Numbers are computed in `f64`. Two whole numbers are compared exactly, however large. What an empty cell enters
//! is missing, as is what has no finite value (a division by zero); only `x && 0` and `x || 1` know their value
//! whatever `x` is. A list is never missing: where there is none, it is empty.
//!
//! An expression is evaluated over some rows at once: each node of its tree gives a column, which has a number or a text a row
//! and, beside it, the rows where a cell could not be used.

mod call;
mod column;
mod eval;
mod formula;
mod lexer;
mod node;
mod parser;
mod rows;
#[cfg(test)]
mod tests;
mod texts;
mod tree;

pub use column::{BadCell, Column, Numbers};
pub use formula::{Formula, FormulaError};
pub use rows::{Rows, is_missing};
pub use tree::{Expression, Mention, Problem};
