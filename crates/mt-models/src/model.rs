//! Trunk and towers together.

use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;
use mt_data::{Numeric, Task, TaskKind};
use mt_layers::{Input, SparseRows, Towers, simd};

use crate::config::{Architecture, ModelConfig};
use crate::error::Error;
use crate::{Cgc, Mmoe, Ple, SharedBottom, SingleTask, Sizes, Trunk};

/// A network from an input to the logits of all tasks. Object safe.
pub trait Model: std::fmt::Debug + Send + Sync {
    /// `(B, D)` to logits `(B, L)`, task after task.
    fn forward(&self, xs: &Input) -> Result<Tensor>;
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
}

impl<T: Trunk> Model for MultiTask<T> {
    fn forward(&self, xs: &Input) -> Result<Tensor> {
        self.towers.forward(&self.trunk.forward(xs)?)
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
    Ok(Box::new(MultiTask::new(trunk, tasks, &cfg.tower, cfg.init, vb)?))
}

/// The numeric columns of a batch as a model's input. Takes them over without copying.
///
/// # Errors
/// If the rows do not hold together.
pub fn input(numeric: Numeric) -> crate::Result<Input> {
    Ok(match numeric {
        Numeric::Sparse(rows) => SparseRows::new(rows.width, rows.offsets, rows.columns, rows.values)?.into(),
        Numeric::Dense(rows) => {
            let count = rows.values.len() / rows.width.max(1);
            Tensor::from_vec(rows.values, (count, rows.width), &candle_core::Device::Cpu)?.into()
        }
    })
}

/// Logits `(B, L)` to the probability of each task's positive class, `(B, T)` row-major: the only sigmoid there is.
///
/// # Errors
/// If the logits do not fit the tasks.
pub fn probabilities(logits: &Tensor, tasks: &[Task]) -> crate::Result<Vec<f32>> {
    let (rows, columns) = logits.dims2()?;
    let expected: usize = tasks.iter().map(|task| task.kind.outputs()).sum();
    if columns != expected {
        return Err(Error::Logits { found: columns, expected });
    }
    let logits = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let mut probabilities = Vec::with_capacity(rows * tasks.len());
    for row in logits.chunks_exact(columns.max(1)) {
        let mut at = 0;
        for task in tasks {
            let logit = match task.kind {
                TaskKind::Binary => row[at],
                TaskKind::BinarySoftmax => row[at + 1] - row[at],
            };
            probabilities.push(simd::sigmoid(logit));
            at += task.kind.outputs();
        }
    }
    Ok(probabilities)
}
