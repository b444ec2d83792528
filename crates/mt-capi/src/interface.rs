//! What a caller relies on: tasks and columns, by name, kind and order.

use std::ffi::{CStr, CString};
use std::path::Path;

use mt_bundle::Predictor;
use mt_features::Column;
use mt_features::error::Nearest;

use crate::error::{Error, Result};
use crate::status::{ColumnKind, TaskKind};

/// The tasks and columns of a model.
#[derive(Debug, PartialEq)]
pub(crate) struct Interface {
    pub tasks: Vec<Task>,
    pub columns: Vec<Input>,
}

/// A task, or a head without a label.
#[derive(Debug, PartialEq)]
pub(crate) struct Task {
    pub name: CString,
    pub kind: TaskKind,
    /// Numbers a row.
    pub width: usize,
}

/// A column that the model reads.
#[derive(Debug, PartialEq)]
pub(crate) struct Input {
    pub name: CString,
    pub kind: ColumnKind,
    pub column: Column,
}

impl Interface {
    /// That of the bundle in `dir`.
    pub fn of(predictor: &Predictor, dir: &Path) -> Result<Self> {
        let schema = &predictor.signature().schema;
        let c_name = |name: &str| {
            CString::new(name).map_err(|_| Error::Zero { path: dir.to_owned(), name: name.to_owned() })
        };
        let task = |task: &mt_models::Task| {
            let kind = match task.kind {
                mt_models::TaskKind::Binary | mt_models::TaskKind::BinarySoftmax => TaskKind::Binary,
                mt_models::TaskKind::Multiclass { .. } => TaskKind::Multiclass,
                mt_models::TaskKind::Regression
                | mt_models::TaskKind::ZeroInflated
                | mt_models::TaskKind::Ordinal { .. } => TaskKind::Regression,
            };
            Ok(Task { name: c_name(&task.name)?, kind, width: mt_models::predictions(task.kind) })
        };
        let rows = predictor.rows();
        let input = |name: &String| {
            let column = rows.encoder().column(name).map_err(Error::Name)?;
            let kind = match (rows.encoder().is_number(column), rows.encoder().is_list(column)) {
                (true, _) => ColumnKind::Number,
                (false, true) => ColumnKind::List,
                (false, false) => ColumnKind::Value,
            };
            Ok(Input { name: c_name(name)?, kind, column })
        };
        Ok(Self {
            tasks: schema.predicted().iter().map(task).collect::<Result<_>>()?,
            columns: rows.encoder().columns().iter().map(input).collect::<Result<_>>()?,
        })
    }

    /// An error unless the bundle in `dir` with the interface `new` can take this one's place.
    pub fn check(&self, new: &Self, dir: &Path) -> Result<()> {
        let tasks = |part: &Self| part.tasks.iter().map(shown_task).collect();
        let columns = |part: &Self| part.columns.iter().map(shown_column).collect();
        let (expected, found): (Vec<String>, Vec<String>) = (tasks(self), tasks(new));
        compare("task", &expected, &found, dir)?;
        let (expected, found): (Vec<String>, Vec<String>) = (columns(self), columns(new));
        compare("column", &expected, &found, dir)
    }

    /// The index of a column.
    pub fn column(&self, name: &str) -> Result<usize> {
        let found = self.columns.iter().position(|input| input.name.as_bytes() == name.as_bytes());
        found.ok_or_else(|| {
            let names: Vec<String> = self.columns.iter().map(|input| text(&input.name)).collect();
            let nearest = Nearest::of(name, &names);
            Error::Name(mt_features::Error::UnknownInput { name: name.to_owned(), nearest })
        })
    }
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

fn shown_task(task: &Task) -> String {
    format!("{:?} ({:?}, {} a row)", text(&task.name), task.kind, task.width)
}

fn shown_column(input: &Input) -> String {
    format!("{:?} ({:?})", text(&input.name), input.kind)
}

/// An error at the first difference.
fn compare(what: &str, expected: &[String], found: &[String], dir: &Path) -> Result<()> {
    for i in 0..expected.len().max(found.len()) {
        let (a, b) = (expected.get(i), found.get(i));
        if a != b {
            let shown = |x: Option<&String>| x.cloned().unwrap_or_else(|| "nothing".to_owned());
            let (expected, found) = (shown(a), shown(b));
            return Err(Error::Interface {
                path: dir.to_owned(),
                what: format!("{what} {i}"),
                expected,
                found,
            });
        }
    }
    Ok(())
}
