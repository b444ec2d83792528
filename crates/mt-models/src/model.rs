//! Attention, trunk and towers together.

use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use mt_features::Head;
use mt_layers::{Attention, AttentionKind, Columns, Input, Norm, Run, Towers};

use crate::config::ModelConfig;
use crate::input::Embedded;
use crate::inputs::{HeadColumns, Inputs};
use crate::lists::SequenceInput;
use crate::stage::Transform;
use crate::{Sizes, Trunk};

/// A network from an input to the logits of all heads. Object safe.
pub trait Model: std::fmt::Debug + Send + Sync {
    /// What the network reads `(B, D)`, of what the tables give: lists that are read with attention in their columns.
    fn read(&self, xs: &Embedded, run: &mut Run) -> Result<Input>;

    /// `(B, D)` to logits `(B, L)`, head after head.
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor>;

    /// Prepares for predicting with the weights as they are: if they change after it, predictions do not follow.
    fn prepare(&mut self);
}

/// A trunk with one tower a head, and lists in front of it that are read with attention.
///
/// # Parameters
/// The trunk's, and `towers.{head}.{l}.weight` `(O, I)` and `.bias` `(O)`.
#[derive(Debug)]
pub struct MultiTask<T = Box<dyn Trunk>> {
    trunk: T,
    towers: Towers,
    /// What each tower reads of the input beside its stream.
    columns: Vec<Option<Columns>>,
    /// What reads lists with an eye on the candidate.
    attention: Vec<Attention>,
    /// What the input passes through behind it.
    stages: Vec<Box<dyn Transform>>,
}

impl<T: Trunk> MultiTask<T> {
    /// Puts towers with `hidden` layers on a trunk. That of head `t` reads its stream and, if there are any, `columns[t]` of
    /// the input behind it.
    ///
    /// # Errors
    /// If `columns` has not an entry a head, or `vb` cannot provide a parameter.
    pub fn new(
        trunk: T,
        heads: &[Head],
        columns: Vec<Option<Columns>>,
        hidden: &[usize],
        init: mt_layers::Initializer,
        vb: VarBuilder,
    ) -> Result<Self> {
        if columns.len() != heads.len() {
            bail!("columns of {} towers, and {} heads", columns.len(), heads.len())
        }
        let sized = heads.iter().zip(&columns).map(|(head, columns)| {
            let inputs = trunk.width() + columns.as_ref().map_or(0, Columns::len);
            (head.name.as_str(), inputs, head.outputs())
        });
        let towers = Towers::each(hidden, sized, init, vb.pp("towers"))?;
        Ok(Self { trunk, towers, columns, attention: Vec::new(), stages: Vec::new() })
    }

    /// The same with the hidden layers of the towers normalised.
    pub fn normalised(self, heads: &[Head], norm: Norm, vb: VarBuilder) -> Result<Self> {
        let names = heads.iter().map(|head| head.name.as_str());
        Ok(Self { towers: self.towers.normalised(norm, names, vb.pp("towers"))?, ..self })
    }

    /// The same with lists that are read value by value.
    ///
    /// # Parameters
    /// Those of [`Attention`] under `attention.{name}` or `self_attention.{name}`.
    pub fn attentive(
        self,
        sequences: &[SequenceInput],
        init: mt_layers::Initializer,
        vb: VarBuilder,
    ) -> Result<Self> {
        let unit = |SequenceInput { name, sides, kind }: &SequenceInput| {
            let of = match kind {
                AttentionKind::Activation { .. } => "attention",
                AttentionKind::SelfAttention(_) => "self_attention",
            };
            Attention::new(sides.clone(), kind.clone(), init, vb.pp(of).pp(name))
        };
        Ok(Self { attention: sequences.iter().map(unit).collect::<Result<_>>()?, ..self })
    }

    /// The same with these stages between its input and its trunk.
    #[must_use]
    pub fn staged(self, stages: Vec<Box<dyn Transform>>) -> Self {
        Self { stages, ..self }
    }

    /// What the towers read: the stream of each, with its columns of the input behind it.
    fn reads(&self, streams: Tensor, xs: &Input, run: &mut Run) -> Result<Tensor> {
        if self.columns.iter().all(Option::is_none) {
            return Ok(streams);
        }
        let width = self.trunk.width();
        let shared = streams.dim(1)? == width;
        let mut parts = Vec::new();
        for (head, columns) in self.columns.iter().enumerate() {
            let start = if shared { 0 } else { head * width };
            // Side by side, only contiguous tensors come out contiguous, as fused towers want them.
            parts.push(streams.narrow(1, start, width)?.contiguous()?);
            if let Some(columns) = columns {
                let own = columns.of(xs)?.to_dense(streams.dtype(), streams.device())?;
                // Read by one head, so nothing in it is shared.
                parts.push(run.tap(own, 0..0)?);
            }
        }
        Tensor::cat(&parts, 1)
    }
}

impl<T: Trunk> Model for MultiTask<T> {
    fn read(&self, Embedded { xs, lists }: &Embedded, run: &mut Run) -> Result<Input> {
        let mut xs = match xs {
            Input::Dense(xs) if !lists.is_empty() => Attention::fill(&self.attention, xs, lists, run)?.into(),
            xs => xs.clone(),
        };
        for stage in &self.stages {
            xs = stage.forward(&xs, run)?;
        }
        Ok(xs)
    }

    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let streams = self.trunk.forward(xs, run)?;
        self.towers.forward(&self.reads(streams, xs, run)?, run)
    }

    fn prepare(&mut self) {
        self.towers.prepare();
    }
}

impl Trunk for Box<dyn Trunk> {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        (**self).forward(xs, run)
    }

    fn width(&self) -> usize {
        (**self).width()
    }
}

/// Builds the configured model for `inputs` ([`ModelConfig::inputs`], or a number of columns where no head reads columns
/// of its own) and `heads`, which are those of a schema ([`Schema::heads`](mt_features::Schema::heads)).
///
/// # Errors
/// If the configuration does not hold together, or `vb` cannot provide a parameter.
pub fn build(
    cfg: &ModelConfig,
    inputs: impl Into<Inputs>,
    heads: &[Head],
    vb: VarBuilder,
) -> crate::Result<Box<dyn Model>> {
    let names: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
    let inputs = inputs.into();
    let sizes = Sizes { inputs: cfg.read_width(&inputs)?, heads: &names };
    let architecture = cfg.resolve()?;
    architecture.check(&names)?;
    let HeadColumns { gates, towers } = cfg.head_columns(&inputs, heads)?;
    let gathered = |columns: Vec<Option<Vec<u32>>>| {
        let own = |own: Option<Vec<u32>>| own.map(|places| Columns::new(places, vb.device())).transpose();
        columns.into_iter().map(own).collect::<Result<Vec<_>>>()
    };
    let (gates, towers) = (gathered(gates)?, gathered(towers)?);
    let trunk = architecture.build(sizes, &gates, vb.clone())?;
    let model = MultiTask::new(trunk, heads, towers, &cfg.tower, cfg.init, vb.clone())?;
    let model = model.attentive(inputs.sequences(), cfg.init, vb.clone())?;
    let stages = cfg.stages()?.into_iter().zip(cfg.stage_columns(&inputs)?).enumerate();
    let stages =
        stages.map(|(i, (stage, columns))| stage.build(columns.inputs, &columns.own, vb.pp("stages").pp(i)));
    let model = model.staged(stages.collect::<Result<_>>()?);
    Ok(Box::new(model.normalised(heads, cfg.norm, vb)?))
}
