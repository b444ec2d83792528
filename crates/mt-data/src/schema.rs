//! What a model is trained on: its numeric columns and its tasks. Stored with the model.

use serde::{Deserialize, Serialize};

use crate::config::TaskConfig;
use crate::error::{Error, Result};

/// The columns of a [`Batch`](crate::Batch), by name and in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schema {
    /// Names of the numeric feature columns, in order; `column 17` (counted from 0) where a file has no names.
    pub numeric: Vec<String>,
    /// The tasks, in order.
    pub tasks: Vec<Task>,
}

impl Schema {
    /// Position of the task called `name`.
    pub fn task(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
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
}

impl TaskKind {
    /// Logits a row.
    pub fn outputs(self) -> usize {
        match self {
            TaskKind::Binary => 1,
            TaskKind::BinarySoftmax => 2,
        }
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
    Ok(configs.iter().map(|task| Task { name: task.name.clone(), kind: task.kind }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ColumnRef;

    fn named(names: &[&str]) -> Vec<TaskConfig> {
        let task = |name: &&str| TaskConfig {
            name: (*name).to_owned(),
            label: ColumnRef::Index(0),
            kind: TaskKind::Binary,
        };
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
