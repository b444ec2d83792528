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

pub(crate) use column::{BadCell, Column, Numbers};
pub use formula::{Formula, FormulaError};
pub(crate) use rows::{Rows, is_missing};

use lexer::Token;
use node::Node;

/// A parsed expression and the columns it names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    root: Node,
    /// Each column once, in order of first appearance; [`Node::Column`] counts in it.
    columns: Vec<Mention>,
}

/// A column that an expression names, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    pub name: String,
    /// Character in the expression, from 1.
    pub at: usize,
    /// Whether one value a row is read of it.
    pub single: bool,
    /// Whether its lists are read, and what stands between their values, where that is written.
    pub list: Option<Option<char>>,
}

/// What is wrong with the text of an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Character in the expression, from 1.
    pub at: usize,
    pub problem: String,
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        parser::parse(text)
    }

    /// Reads an expression that may be a text.
    pub fn parse_value(text: &str) -> Result<Self, Problem> {
        parser::parse_value(text)
    }

    /// The expression that is no more than a column.
    pub fn of_column(name: &str) -> Self {
        let columns = vec![Mention { name: name.to_owned(), at: 1, single: true, list: None }];
        Expression { root: Node::Column(0), columns }
    }

    /// The columns it names.
    pub fn columns(&self) -> &[Mention] {
        &self.columns
    }

    /// Takes the separators of lists that the expression does not write itself from `of`, by the column's name.
    pub fn separate(&mut self, of: impl Fn(&str) -> Option<char>) -> Result<(), Problem> {
        for mention in &mut self.columns {
            if let Some(separator @ None) = &mut mention.list {
                *separator = of(&mention.name);
                if separator.is_none() {
                    let Mention { name, at, .. } = mention;
                    let problem = format!(
                        "no field with a `separator` reads the column {name:?}, so write what stands between its values \
                         behind it: len({name}, \" \")"
                    );
                    return Err(Problem { at: *at, problem });
                }
            }
        }
        Ok(())
    }

    /// The columns that it reads as numbers, at least somewhere.
    pub fn read_as_numbers(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.root.read_as_numbers(self.root.gives() != node::Gives::Number, &mut columns);
        columns
    }

    /// Whether it can only be a text.
    pub fn is_text(&self) -> bool {
        self.root.gives() == node::Gives::Text
    }

    /// Whether it is a single column name.
    pub fn is_column(&self) -> bool {
        matches!(self.root, Node::Column(_))
    }
}
