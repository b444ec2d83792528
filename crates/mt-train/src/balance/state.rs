//! What a balancing method remembers, for a run to be continued exactly.

use serde::{Deserialize, Serialize};

use super::config::BalanceKind;
use super::{dwa, famo, gradnorm, uncertainty};

/// What a [`Balancer`](super::Balancer) remembers: a few numbers a task, as JSON exact to the last bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceState {
    /// Whole epochs.
    pub(super) epochs: u32,
    /// Batches, also of the epoch under way.
    pub(super) batches: u64,
    /// What the method keeps for each task.
    pub(super) tasks: TaskStates,
}

/// What a method keeps for each task, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TaskStates {
    /// Nothing.
    None,
    /// The learned variances.
    Uncertainty(Vec<uncertainty::Variance>),
    /// The losses of the last epochs.
    Dwa(Vec<dwa::Losses>),
    /// The learned logits.
    Famo(Vec<famo::Logit>),
    /// The learned weights.
    Gradnorm(Vec<gradnorm::Weight>),
}

impl BalanceState {
    /// The state of a method before its first step with so many tasks.
    pub(super) fn new(kind: BalanceKind, tasks: usize) -> Self {
        let tasks = match kind {
            BalanceKind::Uncertainty => TaskStates::Uncertainty(vec![Default::default(); tasks]),
            BalanceKind::Dwa => TaskStates::Dwa(vec![Default::default(); tasks]),
            BalanceKind::Famo => TaskStates::Famo(vec![Default::default(); tasks]),
            BalanceKind::Gradnorm => TaskStates::Gradnorm(vec![Default::default(); tasks]),
            _ => TaskStates::None,
        };
        Self { epochs: 0, batches: 0, tasks }
    }

    /// Whether it is of the same method and as many tasks as another.
    pub(super) fn fits(&self, other: &Self) -> bool {
        use TaskStates::{Dwa, Famo, Gradnorm, None, Uncertainty};
        match (&self.tasks, &other.tasks) {
            (None, None) => true,
            (Uncertainty(a), Uncertainty(b)) => a.len() == b.len(),
            (Dwa(a), Dwa(b)) => a.len() == b.len(),
            (Famo(a), Famo(b)) => a.len() == b.len(),
            (Gradnorm(a), Gradnorm(b)) => a.len() == b.len(),
            _ => false,
        }
    }
}
