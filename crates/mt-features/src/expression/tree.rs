//! An expression that has been read.

use super::node::{Gives, Node};

/// A parsed expression and the columns it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    pub(super) root: Node,
    /// Each column once, in order of first appearance; [`Node::Column`] counts in it.
    pub(super) columns: Vec<Mention>,
}

/// A column that an expression names, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The column.
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
pub struct Problem {
    /// Character in the expression, from 1.
    pub at: usize,
    /// What is wrong there.
    pub problem: String,
}

impl Expression {
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
        self.root.read_as_numbers(self.root.gives() != Gives::Number, &mut columns);
        columns
    }

    /// Whether it can only be a text.
    pub fn is_text(&self) -> bool {
        self.root.gives() == Gives::Text
    }

    /// Whether it is a single column name.
    pub fn is_column(&self) -> bool {
        matches!(self.root, Node::Column(_))
    }
}
