//! How well a model ranks a task's test rows, by whatever metric the kind of task has, with its error.

use mt_features::{Task, TaskKind};
use mt_metrics::{DeLong, Influence, OverRows};
use mt_train::Scored;

/// AUC by DeLong's method; XAUC of a regression, the mean AUC of classes.
#[derive(Debug, Clone)]
pub enum Ranked {
    Auc(DeLong),
    Other(Influence),
}

impl Ranked {
    /// `None` where the metric is undefined, as on rows of one class.
    pub fn new(task: &Task, rows: &Scored) -> Option<Self> {
        let Scored { predictions, labels, .. } = rows;
        let weights = rows.weights.as_deref();
        match task.kind {
            TaskKind::Binary | TaskKind::BinarySoftmax => {
                DeLong::new(predictions, labels, weights).map(Self::Auc)
            }
            TaskKind::Multiclass { classes } => {
                Influence::macro_auc(predictions, labels, classes as usize, weights).map(Self::Other)
            }
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => {
                Influence::xauc(predictions, labels, weights).map(Self::Other)
            }
        }
    }
}

impl OverRows for Ranked {
    fn value(&self) -> f64 {
        match self {
            Self::Auc(delong) => delong.value(),
            Self::Other(influence) => influence.value(),
        }
    }

    fn mean(seeds: &[Self]) -> Option<Self> {
        let (mut aucs, mut others) = (Vec::new(), Vec::new());
        for seed in seeds {
            match seed {
                Self::Auc(delong) => aucs.push(delong.clone()),
                Self::Other(influence) => others.push(influence.clone()),
            }
        }
        match others[..] {
            [] => DeLong::mean(&aucs).map(Self::Auc),
            _ => Influence::mean(&others).map(Self::Other),
        }
    }

    fn variance(&self) -> Option<f64> {
        match self {
            Self::Auc(delong) => delong.variance(),
            Self::Other(influence) => influence.variance(),
        }
    }

    fn difference(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Auc(own), Self::Auc(other)) => own.difference(other).map(Self::Auc),
            (Self::Other(own), Self::Other(other)) => own.difference(other).map(Self::Other),
            _ => None,
        }
    }
}
