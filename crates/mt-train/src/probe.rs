//! What a training step works on, for the loop and for whoever looks into a step.

use candle_core::{Device, Tensor};
use mt_data::Dataset;
use mt_features::{Batch, Table};
use mt_layers::{Gradients, Input, Param, Run};
use mt_models::{Features, InputLayer, Model};

use crate::config::{Config, TrainConfig};
use crate::labelled::Labelled;
use crate::objective::Objective;
use crate::order::Draw;

/// The model being trained, and what it is trained on.
pub(crate) struct Probe<'a> {
    pub cfg: &'a Config,
    pub data: &'a Dataset,
    pub layer: &'a InputLayer,
    /// With the parameters that are trained.
    pub model: &'a dyn Model,
    pub params: &'a [Param],
    pub gradients: &'a Gradients,
    pub objective: &'a Objective,
    /// How the rows of its epochs are drawn.
    pub draw: Draw<'a>,
    pub device: &'a Device,
}

impl Probe<'_> {
    /// What `model`, on the parameters that are trained, reads of shard number `shard` of the step after `step` others.
    pub fn input(
        &self,
        model: &dyn Model,
        xs: &Features,
        step: u64,
        shard: usize,
        run: &mut Run,
    ) -> candle_core::Result<Input> {
        let TrainConfig { dropout, seed, shards, .. } = self.cfg.train;
        // Seed and step in different halves, so that two seeds share no mask.
        let key = seed.rotate_left(32) ^ (step * shards as u64 + shard as u64);
        let xs = self.layer.forward(xs, run).map_err(candle_core::Error::wrap)?;
        model.read(&xs, run)?.dropout(dropout, key)
    }

    /// Some rows, and what they should have predicted.
    pub fn labelled(&self, rows: Table) -> (Batch, Labelled) {
        let groups = rows.groups().filter(|_| self.objective.reads_groups()).map(<[u32]>::to_vec);
        let mut batch = rows.into_batch();
        let labelled = Labelled::take(&mut batch, groups);
        (batch, labelled)
    }

    /// The logits of that batch from a model on the parameters that are trained.
    pub fn logits(
        &self,
        model: &dyn Model,
        xs: &Features,
        step: u64,
        shard: usize,
        run: &mut Run,
    ) -> candle_core::Result<Tensor> {
        model.forward(&self.input(model, xs, step, shard, run)?, run)
    }
}
