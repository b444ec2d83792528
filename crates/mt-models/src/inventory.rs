//! Names, shapes and counts of a model's parameters without allocating them, and widths for a parameter budget.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use mt_features::Head;
use mt_layers::Norm;

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::inputs::Inputs;
use crate::model::build;

/// The parameters of a model, by name.
pub type Inventory = BTreeMap<String, Shape>;

/// Number of values of all parameters; [running statistics](Norm::is_statistic) are none.
pub fn count(inventory: &Inventory) -> usize {
    let trained = inventory.iter().filter(|(name, _)| !Norm::is_statistic(name));
    trained.map(|(_, shape)| shape.elem_count()).sum()
}

/// Lists the parameters the configured model will have.
///
/// # Errors
/// If the configuration does not hold together.
pub fn inventory(cfg: &ModelConfig, inputs: impl Into<Inputs>, heads: &[Head]) -> Result<Inventory> {
    let recorder = Recorder::default();
    build(cfg, inputs, heads, VarBuilder::from_backend(Box::new(recorder.clone()), DType::F32, Device::Cpu))?;
    Ok(std::mem::take(&mut *recorder.0.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Scales the units of the bottom or the experts so that the model has at most `cfg.budget` parameters; returns the
/// configuration with the units written out and no budget. Without a budget it is returned as it is.
///
/// # Errors
/// [`Error::Config`] if not even one unit a layer fits.
pub fn fit_budget(cfg: &ModelConfig, inputs: impl Into<Inputs>, heads: &[Head]) -> Result<ModelConfig> {
    let Some(budget) = cfg.budget else { return Ok(cfg.clone()) };
    let inputs = inputs.into();
    let plain = ModelConfig { budget: None, ..cfg.clone() };
    // The widest layer has `w` units, the others keep their proportion to it.
    let architecture = plain.resolve()?;
    let sized = |w: usize| {
        let mut cfg = plain.clone();
        architecture.scale(w, &mut cfg.keys);
        cfg
    };
    let fits = |w: usize| -> Result<bool> { Ok(count(&inventory(&sized(w), &inputs, heads)?) <= budget) };
    if !fits(1)? {
        let least = count(&inventory(&sized(1), &inputs, heads)?);
        let problem = format!("expected at least {least} parameters for this shape, found {budget}");
        return Err(Error::Config { key: "model.budget".into(), problem });
    }
    let (mut low, mut high) = (1, 2);
    while fits(high)? && high < 65_536 {
        (low, high) = (high, high * 2);
    }
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if fits(middle)? { low = middle } else { high = middle }
    }
    Ok(sized(low))
}

/// Notes what is asked for and answers with a single zero, broadcast.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Inventory>>);

impl SimpleBackend for Recorder {
    fn get(&self, s: Shape, name: &str, _: Init, dtype: DType, dev: &Device) -> candle_core::Result<Tensor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), s.clone());
        Tensor::zeros((), dtype, dev)?.broadcast_as(s)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("the shape of {name:?} is not known")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
