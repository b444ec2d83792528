//! What training tells of itself while it runs, and what it came to.

use std::collections::BTreeMap;

use mt_tables::TableSize;
use serde::Serialize;

use crate::best::Best;
use crate::evaluate::{Evaluation, Scorer};
use crate::health::Health;
use crate::paths::OffPath;
use crate::running::TaskProgress;
use crate::warm_start::WarmStarted;

/// What happens during training, in order; also the lines of `metrics.jsonl`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The model stands.
    Started {
        /// Trainable values, those of embedding tables left out.
        parameters: usize,
        /// Values of embedding tables.
        #[serde(skip_serializing_if = "Option::is_none")]
        embeddings: Option<usize>,
        /// Training rows.
        rows: usize,
        /// Steps an epoch.
        steps: u64,
    },
    /// An earlier run goes on.
    Resumed {
        /// Name of the checkpoint, the whole path of one of another run; `None` if there is no whole one, and the run begins anew.
        checkpoint: Option<String>,
        /// Whole epochs done.
        epoch: usize,
        /// Rows done of the epoch after these.
        rows: usize,
        /// Steps done.
        step: u64,
        /// What is wrong with newer checkpoints.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        damaged: Vec<String>,
        /// Of a run that is extended: in what its rows differ, and what follows from that.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        changed: Vec<String>,
        /// Whether the checkpoint, of an earlier version, does not say which rows it was trained on: only columns, scaling
        /// and encoders could be compared.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        unknown_rows: bool,
    },
    /// How the model that a run goes on from, of another run, does on the training rows of this one, before it is trained on them.
    Prequential {
        /// Steps since the start, those of the other run included.
        step: u64,
        /// How many rows.
        rows: usize,
        /// Metrics by task.
        metrics: Evaluation,
    },
    /// Weights were taken over from another model.
    WarmStarted(WarmStarted),
    /// Something is not as it should be, and training goes on.
    Warning {
        /// Steps since the start.
        step: u64,
        /// What, and what to write instead.
        text: String,
    },
    /// Layers left the fast path in the first step, and will in all others; only where some do.
    Paths {
        /// Steps since the start.
        step: u64,
        /// Which, and why.
        off: Vec<OffPath>,
    },
    /// Some steps were taken.
    Progress {
        /// Epoch, from 1.
        epoch: usize,
        /// Steps since the start.
        step: u64,
        /// Rows of this epoch so far.
        rows: usize,
        /// Mean loss since the last such event.
        loss: f64,
        /// By task, over the same steps.
        tasks: BTreeMap<String, TaskProgress>,
        /// Mean cosine of the angle between two tasks' gradients of what they share, over the same steps, under `a/b`;
        /// only where loss balancing looks at it.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        cosines: BTreeMap<String, f64>,
    },
    /// How the model uses its experts at the end of an epoch, and how the gradient reaches its parts.
    Health {
        /// Epoch, from 1.
        epoch: usize,
        /// Steps since the start.
        step: u64,
        /// Levels of experts and gates, norms and angles of gradients, and what is wrong with them.
        #[serde(flatten)]
        health: Health,
    },
    /// What tables that grow came to in an epoch; only where there are any.
    Tables {
        /// Epoch, from 1.
        epoch: usize,
        /// Steps since the start.
        step: u64,
        /// Their sizes.
        tables: Vec<TableSize>,
    },
    /// An epoch ended.
    Epoch {
        /// Epoch, from 1.
        epoch: usize,
        /// Steps since the start.
        step: u64,
        /// Seconds of training, without evaluation and checkpoint.
        seconds: f64,
        /// Seconds of those spent waiting for data.
        waited: f64,
        /// Training rows a second.
        rows_per_second: f64,
        /// Metrics on the validation rows, if there are any.
        valid: Option<Evaluation>,
        /// What `train.select` says of them.
        selected: Option<f64>,
        /// Whether this is the best epoch so far.
        best: bool,
    },
}

/// What training came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The model with the weights of the best epoch.
    pub scorer: Scorer,
    /// Trainable values, those of embedding tables left out.
    pub parameters: usize,
    /// The best epoch; the last one without validation rows, `None` if not even one was completed.
    pub best: Option<Best>,
    /// Whole epochs trained.
    pub epochs: usize,
    /// Seconds of training steps, without evaluation and checkpoints.
    pub seconds: f64,
    /// Rows trained on, over all epochs.
    pub rows: u64,
    /// Whether `stop` was set.
    pub interrupted: bool,
}
