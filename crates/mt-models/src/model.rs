//! Trunk and towers together.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_data::Task;
use mt_layers::{Input, Norm, Towers};

use crate::config::{Architecture, ModelConfig};
use crate::{Cgc, Mmoe, Ple, SharedBottom, SingleTask, Sizes, Trunk};

/// A network from an input to the logits of all tasks. Object safe.
pub trait Model: std::fmt::Debug + Send + Sync {
    /// `(B, D)` to logits `(B, L)`, task after task.
    fn forward(&self, xs: &Input) -> Result<Tensor>;

    /// Prepares for predicting with the weights as they are: if they change after it, predictions do not follow.
    fn prepare(&mut self);
}

/// A trunk with one tower a task.
///
/// # Parameters
/// The trunk's, and `towers.{task}.{l}.weight` `(O, I)` and `.bias` `(O)`.
#[derive(Debug)]
pub struct MultiTask<T = Box<dyn Trunk>> {
    trunk: T,
    towers: Towers,
}

impl<T: Trunk> MultiTask<T> {
    /// Puts towers with `hidden` layers on a trunk.
    pub fn new(
        trunk: T,
        tasks: &[Task],
        hidden: &[usize],
        init: mt_layers::Initializer,
        vb: VarBuilder,
    ) -> Result<Self> {
        let heads = tasks.iter().map(|task| (task.name.as_str(), task.kind.outputs()));
        let towers = Towers::new(trunk.width(), hidden, heads, init, vb.pp("towers"))?;
        Ok(Self { trunk, towers })
    }

    /// The same with the hidden layers of the towers normalised.
    pub fn normalised(self, tasks: &[Task], norm: Norm, vb: VarBuilder) -> Result<Self> {
        let names = tasks.iter().map(|task| task.name.as_str());
        Ok(Self { towers: self.towers.normalised(norm, names, vb.pp("towers"))?, ..self })
    }
}

impl<T: Trunk> Model for MultiTask<T> {
    fn forward(&self, xs: &Input) -> Result<Tensor> {
        self.towers.forward(&self.trunk.forward(xs)?)
    }

    fn prepare(&mut self) {
        self.towers.prepare();
    }
}

impl Trunk for Box<dyn Trunk> {
    fn forward(&self, xs: &Input) -> Result<Tensor> {
        (**self).forward(xs)
    }

    fn width(&self) -> usize {
        (**self).width()
    }
}

/// Builds the configured model for `inputs` columns and `tasks`.
///
/// # Errors
/// If the configuration does not hold together, or `vb` cannot provide a parameter.
pub fn build(
    cfg: &ModelConfig,
    inputs: usize,
    tasks: &[Task],
    vb: VarBuilder,
) -> crate::Result<Box<dyn Model>> {
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    let sizes = Sizes { inputs, tasks: &names };
    let trunk: Box<dyn Trunk> = match cfg.resolve()? {
        Architecture::SharedBottom(cfg) => Box::new(SharedBottom::new(&cfg, sizes, vb.clone())?),
        Architecture::SingleTask(cfg) => Box::new(SingleTask::new(&cfg, sizes, vb.clone())?),
        Architecture::Mmoe(cfg) => Box::new(Mmoe::new(&cfg, sizes, vb.clone())?),
        Architecture::Cgc(cfg) => Box::new(Cgc::new(&cfg, sizes, vb.clone())?),
        Architecture::Ple(cfg) => Box::new(Ple::new(&cfg, sizes, vb.clone())?),
    };
    let model = MultiTask::new(trunk, tasks, &cfg.tower, cfg.init, vb.clone())?;
    Ok(Box::new(model.normalised(tasks, cfg.norm, vb)?))
}
