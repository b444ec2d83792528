//! What a model is trained on: its numeric columns, its fields and its tasks. Stored with the model.

use serde::{Deserialize, Serialize};

use crate::computed::Computed;
use crate::error::{Error, Result};
use crate::fields::{self, Pooling};
use crate::task::TaskConfig;

/// The columns of a [`Batch`](crate::Batch), by name and in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schema {
    /// Names of the numeric feature columns, in order; `column 17` (counted from 0) where a file has no names.
    pub numeric: Vec<String>,
    /// Columns looked up in embedding tables, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The tasks, in order.
    pub tasks: Vec<Task>,
    /// Columns that are computed of those of the files. Of numbers, the computed ones come last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed: Vec<Computed>,
}

/// A categorical or multi-valued column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Unique name.
    pub name: String,
    /// Name of its column, as in [`Schema::numeric`].
    pub column: String,
    /// Its embedding table, which other fields may share.
    pub table: String,
    /// Set where a cell holds several values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<List>,
}

/// How a cell holds several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Between two values; ASCII.
    pub separator: char,
    /// How the embeddings of several values become one.
    pub pooling: Pooling,
    /// Which values count; all of them where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
}

/// Which values of a list count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// So many from its start.
    First(usize),
    /// So many before its end.
    Last(usize),
}

impl Schema {
    /// Position of the task called `name`.
    pub fn task(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }

    /// Position of the field called `name`.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Checks what the fields of a configuration are checked for: a schema may come from a file that anyone wrote.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_computed()?;
        let refuse = |field: &Field, part: &str, expected, found: String| {
            Err(Error::Entry { key: format!("field {:?}: {part}", field.name), expected, found })
        };
        for field in &self.fields {
            if self.numeric.contains(&field.column) {
                return refuse(field, "column", "one that is no number", format!("{:?}", field.column));
            }
            match field.list {
                Some(List { separator, .. }) if !fields::separates(separator) => {
                    return refuse(field, "separator", fields::SEPARATOR, format!("{separator:?}"));
                }
                Some(List { keep: Some(Keep::First(0) | Keep::Last(0)), .. }) => {
                    return refuse(field, "keep", "at least 1", "0".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// One user action that the model predicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Unique, and part of parameter names: neither `shared` nor with a dot.
    pub name: String,
    /// What kind of label it has.
    #[serde(default)]
    pub kind: TaskKind,
}

/// The kind of a task's label and of the model's output for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Label 0 or 1; one logit. The default.
    #[default]
    Binary,
    /// Label 0 or 1; two logits and a softmax, which is PaddleRec's head.
    BinarySoftmax,
    /// Label from 0 to `classes - 1`; that many logits and a softmax.
    Multiclass {
        /// Number of classes, at least 2.
        classes: u32,
    },
    /// Any finite number; one output.
    Regression,
}

impl TaskKind {
    /// Logits a row.
    pub fn outputs(self) -> usize {
        match self {
            TaskKind::Binary | TaskKind::Regression => 1,
            TaskKind::BinarySoftmax => 2,
            TaskKind::Multiclass { classes } => classes as usize,
        }
    }

    /// Whether the label is 0 or 1.
    pub fn is_binary(self) -> bool {
        matches!(self, TaskKind::Binary | TaskKind::BinarySoftmax)
    }

    /// What a label has to be.
    pub(crate) fn expected(self) -> std::borrow::Cow<'static, str> {
        match self {
            TaskKind::Binary | TaskKind::BinarySoftmax => "0 or 1".into(),
            TaskKind::Multiclass { classes } => format!("a class from 0 to {}", classes - 1).into(),
            TaskKind::Regression => "a number".into(),
        }
    }

    /// The label, if it is one of this kind.
    pub(crate) fn label(self, value: f64) -> Option<f32> {
        let good = match self {
            TaskKind::Binary | TaskKind::BinarySoftmax => value == 0.0 || value == 1.0,
            TaskKind::Multiclass { classes } => {
                value.fract() == 0.0 && (0.0..f64::from(classes)).contains(&value)
            }
            // A number that only an `f64` holds is no label.
            TaskKind::Regression => (value as f32).is_finite(),
        };
        good.then_some(value as f32)
    }
}

/// The schema's tasks from their configuration.
///
/// # Errors
/// No task, two tasks of one name, or a name that cannot be part of a parameter name.
pub fn tasks(configs: &[TaskConfig]) -> Result<Vec<Task>> {
    if configs.is_empty() {
        return Err(Error::NoTasks);
    }
    for (i, TaskConfig { name, .. }) in configs.iter().enumerate() {
        let reason = if name.is_empty() {
            "it is empty"
        } else if name == "shared" {
            "it is reserved for the experts that all tasks share"
        } else if name.contains(|c: char| c == '.' || c == '/' || c.is_whitespace() || c.is_control()) {
            "dots, slashes and blanks have a meaning in parameter names"
        } else if configs[..i].iter().any(|other| other.name == *name) {
            return Err(Error::DuplicateTask { name: name.clone() });
        } else {
            continue;
        };
        return Err(Error::TaskName { name: name.clone(), reason });
    }
    for TaskConfig { name, kind, .. } in configs {
        let TaskKind::Multiclass { classes } = kind else { continue };
        // A class is an `f32` among the labels, which holds so many whole numbers exactly.
        if !(2..=1 << 24).contains(classes) {
            let (key, found) = (format!("tasks.{name}.classes"), classes.to_string());
            return Err(Error::Entry { key, expected: "2 to 16777216", found });
        }
    }
    Ok(configs.iter().map(|task| Task { name: task.name.clone(), kind: task.kind }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ColumnRef;

    fn named(names: &[&str]) -> Vec<TaskConfig> {
        let task = |name: &&str| TaskConfig::new(*name, ColumnRef::Index(0));
        names.iter().map(task).collect()
    }

    #[test]
    fn task_names_that_would_break_parameter_names_are_refused() {
        let message = |names: &[&str]| tasks(&named(names)).unwrap_err().to_string();
        assert_eq!(message(&[]), "tasks: at least one task is needed");
        assert_eq!(message(&["like", "like"]), "tasks: two tasks are named \"like\"");
        assert_eq!(
            message(&["like", "shared"]),
            "tasks: \"shared\" cannot name a task: it is reserved for the experts that all tasks share"
        );
        assert_eq!(message(&[""]), "tasks: \"\" cannot name a task: it is empty");
        assert_eq!(
            message(&["a.b"]),
            "tasks: \"a.b\" cannot name a task: dots, slashes and blanks have a meaning in parameter names"
        );
        assert_eq!(tasks(&named(&["completion", "like"])).unwrap().len(), 2);
    }
}
