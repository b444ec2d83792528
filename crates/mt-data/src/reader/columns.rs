//! The columns of one file, and what a configuration means by a name, an index or an expression.

use std::path::Path;

use mt_features::expression::{Expression, Problem};
use mt_features::fields::{self, FieldConfig};
use mt_features::{ColumnRef, TaskConfig};
use mt_storage::Partition;

use crate::error::{Error, Nearest, Result};

/// The columns of a file, those of the folders it is in and, behind them, those of the side tables joined to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub path: &'a Path,
    pub names: &'a [String],
    /// Whether those are real names, not made from positions.
    pub named: bool,
    /// Whether the file has typed columns, not lines of text.
    pub typed: bool,
    /// How many are the file's own and its folders'.
    pub own: usize,
    /// The last of these: those of its folders, whose value is the same in each row.
    pub partitions: &'a [Partition],
    /// Whether label columns were left out of a file without names: indices then mean the names they gave.
    pub shifted: bool,
    /// The fields as the configuration writes them: they say how lists are separated.
    pub fields: &'a [FieldConfig],
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
        Self::absent_as("")
    }

    fn absent_as(text: &str) -> Self {
        Rule { text: text.to_owned(), expression: Expression::of_column(""), columns: vec![None] }
    }

    /// The column, if it is no more than that and there.
    pub fn plain(&self) -> Option<usize> {
        if self.expression.is_column() { self.columns[0] } else { None }
    }

    /// Its columns, as far as they are there.
    pub fn present(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().flatten().copied()
    }

    /// What is wrong at a character of it.
    pub fn error(&self, key: &str, at: usize, problem: String, nearest: Nearest) -> Error {
        mt_features::Error::Expression { key: key.to_owned(), text: self.text.clone(), at, problem, nearest }
            .into()
    }

    /// Whether all its columns are there.
    pub fn is_whole(&self) -> bool {
        self.columns.iter().all(Option::is_some)
    }
}

impl Columns<'_> {
    /// How many the file itself has.
    pub fn width(&self) -> usize {
        self.own - self.partitions.len()
    }

    /// The column called `name` that a model was trained on.
    pub fn named(self, name: &str) -> Result<usize> {
        self.names.iter().position(|n| n == name).ok_or_else(|| {
            let (path, nearest) = (self.path.to_owned(), Nearest::of(name, self.names));
            Error::MissingFeature { path, name: name.to_owned(), nearest }
        })
    }

    /// The column that `column` means.
    pub fn find(&self, column: &ColumnRef, key: &str) -> Result<usize> {
        let (key, path) = (key.to_owned(), self.path.to_owned());
        match column {
            &ColumnRef::Index(index) if self.shifted => {
                let name = format!("column {index}");
                let out_of_range = Error::ColumnOutOfRange { key, index, width: self.width(), path };
                self.names[..self.width()].iter().position(|n| *n == name).ok_or(out_of_range)
            }
            &ColumnRef::Index(index) if index < self.width() => Ok(index),
            &ColumnRef::Index(index) => {
                Err(Error::ColumnOutOfRange { key, index, width: self.width(), path })
            }
            ColumnRef::Name(name) => match self.position(name) {
                Some(column) if self.named || column >= self.width() => Ok(column),
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
            expression: Expression::of_column(name),
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
        let expression = match self.parse(text, Expression::parse) {
            Ok(expression) => expression,
            Err(_) if absent => return Ok(column(None, text)),
            Err(Problem { at, problem }) => {
                return Err(Rule::absent_as(text).error(key, at, problem, Nearest::of(text, self.names)));
            }
        };
        let rule = self.bind(text, expression);
        match rule.expression.is_column() && !rule.is_whole() && !absent {
            true => Err(found),
            false if absent => Ok(rule),
            false => self.whole(rule, key),
        }
    }

    /// The expression `text` of an input, which may be a text itself if `texts` says so.
    pub fn value(&self, text: &str, key: &str, texts: bool) -> Result<Rule> {
        let parse = if texts { Expression::parse_value } else { Expression::parse };
        let expression = self.parse(text, parse).map_err(|Problem { at, problem }| {
            Rule::absent_as(text).error(key, at, problem, Nearest(None))
        })?;
        self.whole(self.bind(text, expression), key)
    }

    fn parse(
        &self,
        text: &str,
        parse: fn(&str) -> std::result::Result<Expression, Problem>,
    ) -> std::result::Result<Expression, Problem> {
        let mut expression = parse(text)?;
        expression.separate(|column| fields::separator_of(self.fields, column))?;
        Ok(expression)
    }

    fn bind(&self, text: &str, expression: Expression) -> Rule {
        let columns = expression.columns().iter().map(|mention| self.position(&mention.name)).collect();
        Rule { text: text.to_owned(), expression, columns }
    }

    /// A rule all of whose columns are there.
    fn whole(&self, rule: Rule, key: &str) -> Result<Rule> {
        let Some(lost) = rule.columns.iter().position(Option::is_none) else { return Ok(rule) };
        let mention = &rule.expression.columns()[lost];
        let problem = format!("no column {:?} in {}", mention.name, self.path.display());
        Err(rule.error(key, mention.at, problem, Nearest::of(&mention.name, self.names)))
    }

    /// Where each task's label is; two tasks may have the same plain column only in different sample spaces, or for different
    /// predictions.
    pub fn labels(&self, tasks: &[TaskConfig], absent: bool) -> Result<Vec<Rule>> {
        let rule = |task: &TaskConfig| self.rule(&task.label, &label_key(task), absent);
        let labels: Vec<Rule> = tasks.iter().map(rule).collect::<Result<_>>()?;
        for (second, label) in labels.iter().enumerate() {
            let Some(column) = label.plain() else { continue };
            let asked = |task: usize| (&tasks[task].within, &tasks[task].prediction);
            let same =
                |first: &usize| labels[*first].plain() == Some(column) && asked(*first) == asked(second);
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
