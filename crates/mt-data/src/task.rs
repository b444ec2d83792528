//! The `tasks` section of a configuration, as written.

use serde::{Deserialize, Serialize};

use crate::config::ColumnRef;
use crate::schema::TaskKind;

/// One task and where its label is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct TaskConfig {
    /// Unique name; part of parameter names.
    pub name: String,
    /// The label: a column by its name or its index from 0, or an expression over columns. A text that is exactly
    /// a column's name is that column.
    pub label: ColumnRef,
    /// `binary`, the default, `binary-softmax`, `multiclass` with `classes: n`, or `regression`.
    pub kind: TaskKind,
    /// Sample space: the label counts only where this column or expression is true. Default everywhere.
    pub within: Option<ColumnRef>,
    /// What the loss that is chosen for the task takes as a label, where that is not every number. Not written in a file:
    /// whoever knows the loss sets it.
    pub range: Option<LabelRange>,
}

/// Labels that a loss takes.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRange {
    /// The least label.
    pub from: f32,
    /// Whether it is one itself.
    pub inclusive: bool,
    /// The loss, as it is written in a configuration.
    pub loss: String,
}

impl LabelRange {
    /// Whether a label is within.
    pub(crate) fn contains(&self, label: f32) -> bool {
        label > self.from || (self.inclusive && label == self.from)
    }

    /// What a label of the task called `name` has to be, and why.
    pub(crate) fn expected(&self, name: &str) -> String {
        let Self { from, inclusive, loss } = self;
        let bound = if *inclusive { "from" } else { "above" };
        format!("a number {bound} {from}, as the loss {loss} of task \"{name}\" needs (train.task_losses)")
    }
}

impl TaskConfig {
    /// A binary task with its label in `label`.
    pub fn new(name: impl Into<String>, label: ColumnRef) -> Self {
        TaskConfig { name: name.into(), label, kind: TaskKind::Binary, within: None, range: None }
    }
}

/// A task with the number of classes beside the kind.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    label: ColumnRef,
    #[serde(default)]
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<u32>,
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    within: Option<ColumnRef>,
}

#[derive(Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Binary,
    BinarySoftmax,
    Multiclass,
    Regression,
}

impl TryFrom<Written> for TaskConfig {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { name, label, kind, classes, within } = written;
        let kind = match (kind, classes) {
            (Kind::Multiclass, None) => return Err(format!("task {name:?}: `multiclass` needs `classes`")),
            (Kind::Multiclass, Some(classes)) => TaskKind::Multiclass { classes },
            (_, Some(_)) => return Err(format!("task {name:?}: `classes` is only for `kind: multiclass`")),
            (Kind::Binary, None) => TaskKind::Binary,
            (Kind::BinarySoftmax, None) => TaskKind::BinarySoftmax,
            (Kind::Regression, None) => TaskKind::Regression,
        };
        Ok(TaskConfig { name, label, kind, within, range: None })
    }
}

impl From<TaskConfig> for Written {
    fn from(task: TaskConfig) -> Self {
        let (kind, classes) = match task.kind {
            TaskKind::Binary => (Kind::Binary, None),
            TaskKind::BinarySoftmax => (Kind::BinarySoftmax, None),
            TaskKind::Multiclass { classes } => (Kind::Multiclass, Some(classes)),
            TaskKind::Regression => (Kind::Regression, None),
        };
        Written { name: task.name, label: task.label, kind, classes, within: task.within }
    }
}
