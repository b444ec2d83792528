//! The columns of one file, and what a configuration means by a name, an index or an expression.

use std::path::Path;

use crate::config::{ColumnRef, TaskConfig};
use crate::error::{Error, Nearest, Result};
use crate::expression::{Expression, Problem};

/// The columns of a file and, behind them, those of the side tables joined to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub path: &'a Path,
    pub names: &'a [String],
    /// Whether those are real names, not made from positions.
    pub named: bool,
    /// Whether the file has typed columns, not lines of text.
    pub typed: bool,
    /// How many are the file's own.
    pub own: usize,
    /// Whether label columns were left out of a file without names: indices then mean the names they gave.
    pub shifted: bool,
}

/// A column or an expression, with its columns found.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// As a message shows it.
    pub text: String,
    pub expression: Expression,
    /// The expression's columns; `None` for one that is not there.
    pub columns: Vec<Option<usize>>,
}

impl Rule {
    /// A rule without a value.
    pub fn absent() -> Self {
        Rule { text: String::new(), expression: Expression::column(""), columns: vec![None] }
    }

    /// The column, if it is no more than that and there.
    pub fn plain(&self) -> Option<usize> {
        if self.expression.is_column() { self.columns[0] } else { None }
    }

    /// Whether all its columns are there.
    pub fn is_whole(&self) -> bool {
        self.columns.iter().all(Option::is_some)
    }
}

impl Columns<'_> {
    /// The column that `column` means.
    pub fn find(&self, column: &ColumnRef, key: &str) -> Result<usize> {
        let (key, path) = (key.to_owned(), self.path.to_owned());
        match column {
            &ColumnRef::Index(index) if self.shifted => {
                let name = format!("column {index}");
                let out_of_range = Error::ColumnOutOfRange { key, index, width: self.own, path };
                self.names[..self.own].iter().position(|n| *n == name).ok_or(out_of_range)
            }
            &ColumnRef::Index(index) if index < self.own => Ok(index),
            &ColumnRef::Index(index) => Err(Error::ColumnOutOfRange { key, index, width: self.own, path }),
            ColumnRef::Name(name) => match self.position(name) {
                Some(column) if self.named || column >= self.own => Ok(column),
                _ if !self.named => Err(Error::Unnamed { key, name: name.clone(), path }),
                _ => {
                    let nearest = Nearest::of(name, self.names);
                    Err(Error::UnknownColumn { key, name: name.clone(), path, nearest })
                }
            },
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    /// What `written` means: a column where it is exactly one's name or an index, else an expression. With `absent`,
    /// columns need not be there.
    pub fn rule(&self, written: &ColumnRef, key: &str, absent: bool) -> Result<Rule> {
        let column = |column: Option<usize>, name: &str| Rule {
            text: name.to_owned(),
            expression: Expression::column(name),
            columns: vec![column],
        };
        let (found, text) = match (self.find(written, key), written) {
            (Ok(index), _) => return Ok(column(Some(index), &self.names[index])),
            (Err(_), ColumnRef::Index(index)) if absent => {
                return Ok(column(None, &format!("column {index}")));
            }
            (Err(error), ColumnRef::Index(_)) => return Err(error),
            (Err(error), ColumnRef::Name(text)) => (error, text),
        };
        let problem = |Problem { at, problem }, nearest| {
            Err(Error::Expression { key: key.to_owned(), text: text.clone(), at, problem, nearest })
        };
        let expression = match Expression::parse(text) {
            Ok(expression) => expression,
            Err(_) if absent => return Ok(column(None, text)),
            Err(error) => return problem(error, Nearest::of(text, self.names)),
        };
        let columns: Vec<Option<usize>> =
            expression.columns().iter().map(|mention| self.position(&mention.name)).collect();
        let lost = columns.iter().position(Option::is_none).filter(|_| !absent);
        if let Some(lost) = lost {
            if expression.is_column() {
                return Err(found);
            }
            let mention = &expression.columns()[lost];
            let error = format!("no column {:?} in {}", mention.name, self.path.display());
            let nearest = Nearest::of(&mention.name, self.names);
            return problem(Problem { at: mention.at, problem: error }, nearest);
        }
        Ok(Rule { text: text.clone(), expression, columns })
    }

    /// Where each task's label is; two tasks may have the same plain column only in different sample spaces.
    pub fn labels(&self, tasks: &[TaskConfig], absent: bool) -> Result<Vec<Rule>> {
        let rule = |task: &TaskConfig| self.rule(&task.label, &label_key(task), absent);
        let labels: Vec<Rule> = tasks.iter().map(rule).collect::<Result<_>>()?;
        for (second, label) in labels.iter().enumerate() {
            let Some(column) = label.plain() else { continue };
            let same = |first: &usize| {
                labels[*first].plain() == Some(column) && tasks[*first].within == tasks[second].within
            };
            if let Some(first) = (0..second).find(same) {
                let name = |i: usize| tasks[i].name.clone();
                let column = self.names[column].clone();
                return Err(Error::SharedLabel { first: name(first), second: name(second), column });
            }
        }
        Ok(labels)
    }
}

fn label_key(task: &TaskConfig) -> String {
    format!("tasks.{}.label", task.name)
}
