//! Tasks: what the model predicts, and the `tasks` section of a configuration.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::column::ColumnRef;
use crate::error::{Error, Result};
use crate::product::{Product, unfit};

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
    /// Of a binary task, the heads whose probabilities are multiplied. Default its own head.
    pub prediction: Option<Product>,
    /// A head that estimates what the task's loss is where it has no label. Not written in a file: whoever trains the task sets it.
    pub imputed: Option<String>,
    /// What the loss that is chosen for the task takes as a label. Not written in a file: whoever knows the loss sets it.
    pub labels: Option<LabelRule>,
}

/// Labels that the loss of a task takes, as whoever knows the loss says.
#[derive(Clone)]
pub struct LabelRule {
    loss: String,
    refuses: Arc<dyn Fn(f32) -> Option<String> + Send + Sync>,
}

impl LabelRule {
    /// The rule of a loss by its name in a configuration: in words what it takes in place of a label, `None` where it takes it.
    pub fn new(
        loss: impl Into<String>,
        refuses: impl Fn(f32) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { loss: loss.into(), refuses: Arc::new(refuses) }
    }

    /// What a label of the task called `name` has to be, and why, where this one is refused.
    pub fn refuses(&self, label: f32, name: &str) -> Option<String> {
        let expected = (self.refuses)(label)?;
        Some(format!("{expected}, as the loss {} of task \"{name}\" needs (train.task_losses)", self.loss))
    }
}

/// Whether both are of the same loss.
impl PartialEq for LabelRule {
    fn eq(&self, other: &Self) -> bool {
        self.loss == other.loss
    }
}

impl fmt::Debug for LabelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "labels of {}", self.loss)
    }
}

impl TaskConfig {
    /// A binary task with its label in `label`.
    pub fn new(name: impl Into<String>, label: ColumnRef) -> Self {
        TaskConfig {
            name: name.into(),
            label,
            kind: TaskKind::Binary,
            within: None,
            prediction: None,
            imputed: None,
            labels: None,
        }
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prediction: Option<Product>,
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
        let Written { name, label, kind, classes, within, prediction } = written;
        let kind = match (kind, classes) {
            (Kind::Multiclass, None) => return Err(format!("task {name:?}: `multiclass` needs `classes`")),
            (Kind::Multiclass, Some(classes)) => TaskKind::Multiclass { classes },
            (_, Some(_)) => return Err(format!("task {name:?}: `classes` is only for `kind: multiclass`")),
            (Kind::Binary, None) => TaskKind::Binary,
            (Kind::BinarySoftmax, None) => TaskKind::BinarySoftmax,
            (Kind::Regression, None) => TaskKind::Regression,
        };
        Ok(TaskConfig { name, label, kind, within, prediction, imputed: None, labels: None })
    }
}

impl From<TaskConfig> for Written {
    fn from(task: TaskConfig) -> Self {
        let (kind, classes) = match task.kind {
            TaskKind::Binary => (Kind::Binary, None),
            TaskKind::BinarySoftmax => (Kind::BinarySoftmax, None),
            TaskKind::Multiclass { classes } => (Kind::Multiclass, Some(classes)),
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => {
                (Kind::Regression, None)
            }
        };
        let TaskConfig { name, label, within, prediction, .. } = task;
        Written { name, label, kind, classes, within, prediction }
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
    /// The heads whose probabilities its prediction is the product of; `None` where it has a head of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Product>,
    /// A head of one logit that estimates the task's loss where there is no label: read in training alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imputed: Option<String>,
}

impl Task {
    /// A task with a head of its own.
    pub fn new(name: impl Into<String>, kind: TaskKind) -> Self {
        Self { name: name.into(), kind, prediction: None, imputed: None }
    }
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
    /// Any number from 0, often exactly 0; three outputs: of a value above 0 whether there is one, and mean and spread of its
    /// logarithm. In a configuration a `regression` whose loss needs these outputs: whoever knows the loss sets it.
    ZeroInflated,
    /// Any finite number; an output for each of some thresholds: whether it is above that. In a configuration likewise.
    Ordinal {
        /// Number of thresholds, at least 1.
        thresholds: u32,
    },
}

impl TaskKind {
    /// Logits a row.
    pub fn outputs(self) -> usize {
        match self {
            TaskKind::Binary | TaskKind::Regression => 1,
            TaskKind::BinarySoftmax => 2,
            TaskKind::ZeroInflated => 3,
            TaskKind::Multiclass { classes: outputs } | TaskKind::Ordinal { thresholds: outputs } => {
                outputs as usize
            }
        }
    }

    /// Its name in a configuration.
    pub fn written(self) -> &'static str {
        match self {
            TaskKind::Binary => "binary",
            TaskKind::BinarySoftmax => "binary-softmax",
            TaskKind::Multiclass { .. } => "multiclass",
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => "regression",
        }
    }

    /// Whether the label is 0 or 1.
    pub fn is_binary(self) -> bool {
        matches!(self, TaskKind::Binary | TaskKind::BinarySoftmax)
    }

    /// Whether the label is a number.
    pub fn is_regression(self) -> bool {
        matches!(self, TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. })
    }

    /// What a label has to be.
    pub fn expected(self) -> std::borrow::Cow<'static, str> {
        match self {
            TaskKind::Binary | TaskKind::BinarySoftmax => "0 or 1".into(),
            TaskKind::Multiclass { classes } => format!("a class from 0 to {}", classes - 1).into(),
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => "a number".into(),
        }
    }

    /// The label, if it is one of this kind.
    pub fn label(self, value: f64) -> Option<f32> {
        let good = match self {
            TaskKind::Binary | TaskKind::BinarySoftmax => value == 0.0 || value == 1.0,
            TaskKind::Multiclass { classes } => {
                value.fract() == 0.0 && (0.0..f64::from(classes)).contains(&value)
            }
            // A number that only an `f64` holds is no label.
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => {
                (value as f32).is_finite()
            }
        };
        good.then_some(value as f32)
    }
}

/// The schema's tasks from their configuration.
///
/// # Errors
/// No task, two tasks of one name, a name that cannot be part of a parameter name, or a product of what is no probability.
pub fn tasks(configs: &[TaskConfig]) -> Result<Vec<Task>> {
    if configs.is_empty() {
        return Err(Error::NoTasks);
    }
    for (i, TaskConfig { name, .. }) in configs.iter().enumerate() {
        if let Some(reason) = unfit(name) {
            return Err(Error::TaskName { name: name.clone(), reason });
        }
        if configs[..i].iter().any(|other| other.name == *name) {
            return Err(Error::DuplicateTask { name: name.clone() });
        }
    }
    for TaskConfig { name, kind, .. } in configs {
        let TaskKind::Multiclass { classes } = kind else { continue };
        // A class is an `f32` among the labels, which holds so many whole numbers exactly.
        if !(2..=1 << 24).contains(classes) {
            let (key, found) = (format!("tasks.{name}.classes"), classes.to_string());
            return Err(Error::Entry { key, expected: "2 to 16777216", found });
        }
    }
    let task = |task: &TaskConfig| Task {
        name: task.name.clone(),
        kind: task.kind,
        prediction: task.prediction.clone(),
        imputed: task.imputed.clone(),
    };
    let tasks: Vec<Task> = configs.iter().map(task).collect();
    check_products(&tasks)?;
    Ok(tasks)
}

/// What is wrong with a head of this name that only the loss of a task reads.
pub fn imputed_problem(name: &str, tasks: &[TaskConfig]) -> Option<String> {
    let factor = |task: &TaskConfig| {
        task.prediction.as_ref().is_some_and(|all| all.heads().iter().any(|head| head == name))
    };
    if let Some(why) = unfit(name) {
        Some(format!("{name:?} cannot name a head: {why}"))
    } else if tasks.iter().any(|task| task.name == name) {
        Some(format!("{name:?} is a task; expected a name of its own"))
    } else if tasks.iter().any(factor) {
        Some(format!("{name:?} is a factor of a prediction; expected a name of its own"))
    } else if tasks.iter().filter(|task| task.imputed.as_deref() == Some(name)).count() > 1 {
        Some(format!("{name:?} is imputed for two tasks; expected a name of its own for each"))
    } else {
        None
    }
}

/// Checks that every product is one of probabilities: of binary tasks with a head of their own, and of heads without a label.
///
/// # Errors
/// [`Error::Prediction`] for the first that is not.
pub(crate) fn check_products(tasks: &[Task]) -> Result<()> {
    let products =
        tasks.iter().enumerate().filter_map(|(i, task)| Some((i, task, task.prediction.as_ref()?)));
    for (i, task, product) in products {
        let refuse = |problem| Err(Error::Prediction { key: format!("tasks[{i}].prediction"), problem });
        if task.kind != TaskKind::Binary {
            let kind = task.kind.written();
            return refuse(format!("a product of probabilities is of kind: binary, found {kind}"));
        }
        for factor in tasks.iter().filter(|other| product.heads().contains(&other.name)) {
            let Task { name, kind, prediction, .. } = factor;
            match prediction {
                _ if name == &task.name => return refuse(format!("task {name:?} is a factor of itself")),
                Some(other) => {
                    return refuse(format!(
                        "task {name:?} has no head of its own; write its factors: {other}"
                    ));
                }
                None if *kind != TaskKind::Binary => {
                    let (kind, more) = (kind.written(), "expected a task with one logit, of kind: binary");
                    return refuse(format!("{more}, found {name:?}, of kind: {kind}"));
                }
                None => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn products_of_what_is_no_probability_are_refused() {
        let refused = |product: &str, kinds: [TaskKind; 2]| {
            let mut configs = named(&["buy", "pay", "click"]);
            configs[0].prediction = Some("click * cvr".parse().unwrap());
            configs[1].prediction = Some(product.parse().unwrap());
            (configs[1].kind, configs[2].kind) = (kinds[0], kinds[1]);
            tasks(&configs).err().map(|error| error.to_string())
        };
        let (binary, softmax) = (TaskKind::Binary, TaskKind::BinarySoftmax);
        assert_eq!(refused("click * cart", [binary; 2]), None);
        for (product, kinds, problem) in [
            ("click * pay", [binary; 2], "tasks[1].prediction: task \"pay\" is a factor of itself"),
            (
                "buy * x",
                [binary; 2],
                "tasks[1].prediction: task \"buy\" has no head of its own; write its factors: click * cvr",
            ),
            (
                "click * x",
                [softmax, binary],
                "tasks[1].prediction: a product of probabilities is of kind: binary, found binary-softmax",
            ),
            (
                "click * x",
                [binary, softmax],
                "tasks[0].prediction: expected a task with one logit, of kind: binary, found \"click\", of kind: \
                 binary-softmax",
            ),
        ] {
            assert_eq!(refused(product, kinds).as_deref(), Some(problem));
        }
    }
}
