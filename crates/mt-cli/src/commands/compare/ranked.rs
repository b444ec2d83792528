//! How well a model ranks a task's test rows, by whatever metric the kind of task has, with its error.

use mt_data::{Task, TaskKind};
use mt_metrics::{DeLong, Influence, PairedTest};
use mt_train::Scored;

/// AUC by DeLong's method; XAUC of a regression, the mean AUC of classes.
#[derive(Debug, Clone)]
pub enum Ranked {
    Auc(DeLong),
    Other(Influence),
}

impl Ranked {
    /// `None` where the metric is undefined, as on rows of one class.
    pub fn new(task: &Task, Scored { predictions, labels, .. }: &Scored) -> Option<Self> {
        match task.kind {
            TaskKind::Binary | TaskKind::BinarySoftmax => DeLong::new(predictions, labels).map(Self::Auc),
            TaskKind::Multiclass { classes } => {
                Influence::macro_auc(predictions, labels, classes as usize).map(Self::Other)
            }
            TaskKind::Regression => Influence::xauc(predictions, labels).map(Self::Other),
        }
    }

    /// The average of several seeds.
    pub fn mean(seeds: &[Self]) -> Option<Self> {
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

    pub fn value(&self) -> f64 {
        match self {
            Self::Auc(delong) => delong.auc(),
            Self::Other(influence) => influence.value(),
        }
    }

    /// Over draws of rows; `None` if a class has a single row.
    pub fn standard_error(&self) -> Option<f64> {
        match self {
            Self::Auc(delong) => delong.standard_error(),
            Self::Other(influence) => Some(influence.standard_error()),
        }
    }

    /// Compares with another model on the same rows; `seeds` is the variance of the difference between seeds.
    pub fn paired(&self, other: &Self, seeds: f64) -> Option<PairedTest> {
        match (self, other) {
            (Self::Auc(own), Self::Auc(other)) => own.paired_with_variance(other, seeds),
            (Self::Other(own), Self::Other(other)) => own.paired_with_variance(other, seeds),
            _ => None,
        }
    }
}
