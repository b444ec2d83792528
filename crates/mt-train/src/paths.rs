//! What of a model leaves the fast path, and why: of a step that is taken, or of a configuration before it is trained.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, TensorId};
use mt_features::Schema;
use mt_layers::candle_nn::VarBuilder;
use mt_layers::{Detour, Input, Params, Run, Values};
use mt_models::{Embedded, Inputs, ModelConfig, SequenceInput, build};
use serde::Serialize;

use crate::balance::Balancer;
use crate::config::Config;
use crate::error::Result;
use crate::labelled::Labelled;
use crate::objective::Objective;

/// Layers that leave the fast path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OffPath {
    /// Their first layer, by the name that its parameters share.
    pub layer: String,
    /// What runs instead, and why, with the key of the configuration that asks for it.
    pub why: String,
}

/// What leaves the fast path in a training step, and in a prediction; see [`paths`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Paths {
    /// In a step of training.
    pub training: Vec<OffPath>,
    /// In a prediction of a trained model.
    pub prediction: Vec<OffPath>,
}

impl OffPath {
    /// Detours, with the names of parameters in the place of these.
    pub(crate) fn named<'a>(
        detours: &[Detour],
        parameters: impl Iterator<Item = (&'a str, TensorId)> + Clone,
    ) -> Vec<Self> {
        let named = |detour: &Detour| {
            let own = parameters.clone().find(|(_, id)| *id == detour.parameter.id());
            let name = own.map_or("", |(name, _)| name);
            let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer).to_owned();
            Self { layer, why: detour.why.to_string() }
        };
        detours.iter().map(named).collect()
    }
}

/// Runs a configured network, `model` with its widths, on rows of zeros: nothing is read but the schema, and nothing is kept. Dropout,
/// behind which gradients pass through candle, is left out.
///
/// # Errors
/// If the configuration does not hold together.
pub fn paths(cfg: &Config, model: &ModelConfig, schema: &Schema) -> Result<Paths> {
    let (heads, inputs) = (schema.heads(), model.inputs(schema)?);
    let params = Params::new(cfg.train.seed);
    let (dtype, device) = (DType::F32, &Device::Cpu);
    let network = build(model, inputs.clone(), &heads, params.builder(dtype, device))?;
    let xs = zeros(&inputs)?;
    let labels = vec![0.0; ROWS * schema.tasks.len()];
    let batch = Labelled { rows: ROWS, mask: vec![1.0; labels.len()], labels, groups: Some(vec![0; ROWS]) };
    let objective = Objective::new(cfg, &schema.tasks)?;
    let mut balancer = Balancer::new(&cfg.train, &schema.tasks);
    let (_, training) = Run::training().detours(|run| {
        let forward = |run: &mut Run| network.forward(&network.read(&xs, run)?, run);
        balancer.collect(&params.gradients(), &objective, &batch, run, forward)
    })?;
    let params = params.all();
    let training = OffPath::named(&training, params.iter().map(|p| (&*p.name, p.var.id())));
    let tensors = params.into_iter().map(|p| (p.name, p.var.as_detached_tensor()));
    let tensors: HashMap<String, Tensor> = tensors.collect();
    let frozen = build(model, inputs, &heads, VarBuilder::from_tensors(tensors.clone(), dtype, device))?;
    let (_, prediction) = Run::evaluation().detours(|run| frozen.forward(&frozen.read(&xs, run)?, run))?;
    #[expect(clippy::disallowed_methods, reason = "looked through for one name")]
    let prediction = OffPath::named(&prediction, tensors.iter().map(|(name, tensor)| (&**name, tensor.id())));
    Ok(Paths { training, prediction })
}

/// Rows that are tried.
const ROWS: usize = 2;

/// What the network reads of rows of zeros, each with lists of one value.
fn zeros(inputs: &Inputs) -> Result<Embedded> {
    let zeros = |width: usize| Tensor::zeros((ROWS, width), DType::F32, &Device::Cpu);
    let list = |list: &SequenceInput| {
        let values = zeros(list.sides.iter().map(|side| side.width).sum())?;
        Ok(Values { values, offsets: (0..=ROWS as u32).collect() })
    };
    let lists = inputs.sequences().iter().map(list).collect::<candle_core::Result<_>>()?;
    Ok(Embedded { xs: Input::from(zeros(inputs.width())?), lists })
}
