//! An `mt` with a network, a stage and a loss of its own: `cargo run -- train own.yaml`, and every other command.

use std::collections::BTreeMap;
use std::process::ExitCode;

use mt_layers::candle_core::{Result, Tensor};
use mt_layers::candle_nn::{Init, VarBuilder};
use mt_layers::{Bank, Columns, Initializer, Input, Run};
use mt_models::{Architecture, Facts, Graph, LossRows, Registry, Section, Sizes, Stage, TaskKind, TaskLoss, Transform, Trunk};

fn main() -> ExitCode {
    let registry = Registry::default()
        .with("cross-stitch", CrossStitchConfig::read)
        .with_stage("weigh", |_| Ok(Box::new(Weigh)))
        .with_loss("costly", |section| Ok(Box::new(Costly(section.above_zero("positive", 1.0)?))));
    mt_cli::main(registry)
}

/// Cross-stitch units (I. Misra et al., *Cross-stitch Networks for Multi-task Learning*, CVPR 2016): each task has a bottom of its
/// own and learns what to take of the others', `y_t = tower_t(f_t(x) + Σ_s δ_ts f_s(x))`.
#[derive(Debug)]
struct CrossStitchConfig {
    bottom: Vec<usize>,
    init: Initializer,
}

#[derive(Debug)]
struct CrossStitch {
    bottoms: Bank,
    stitch: Tensor,
}

impl CrossStitchConfig {
    fn read(section: &mut Section<'_>) -> mt_models::Result<Box<dyn Architecture>> {
        Ok(Box::new(Self { bottom: section.layers("bottom", &[32])?, init: section.init() }))
    }
}

impl Architecture for CrossStitchConfig {
    fn build(
        &self,
        sizes: Sizes<'_>,
        _: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> Result<Box<dyn Trunk>> {
        let heads = sizes.heads.len();
        let bottoms = Bank::experts(sizes.inputs, heads, &self.bottom, self.init, vb.pp("bottoms"))?;
        // Nothing is taken at first.
        Ok(Box::new(CrossStitch { bottoms, stitch: vb.get((heads, heads), "stitch")? }))
    }

    fn facts(&self, _: &[&str]) -> Facts {
        Facts::default()
    }

    /// Widths for a budget of parameters.
    fn scale(&self, widest: usize, keys: &mut BTreeMap<String, serde_json::Value>) {
        let most = self.bottom.iter().max().copied().unwrap_or(1);
        let scaled = self.bottom.iter().map(|units| (units * widest / most).max(1)).collect();
        keys.insert("bottom".to_owned(), scaled);
    }

    fn graph(
        &self,
        graph: &mut dyn Graph,
        heads: &[&str],
        xs: &str,
        _: &[String],
    ) -> mt_models::Result<Vec<String>> {
        let bottoms = graph.experts("bottoms", self.bottom.len(), xs)?; // (B, T, H)
        let stitch = graph.parameter("stitch")?;
        let takes = (Tensor::eye(heads.len(), stitch.dtype(), stitch.device())? + stitch)?;
        let mut streams = Vec::new();
        for (t, head) in heads.iter().enumerate() {
            let takes = graph.constant(&format!("stitch.{head}"), &takes.narrow(0, t, 1)?)?; // (1, T)
            let stream = graph.node("MatMul", &[&takes, &bottoms], &[]); // (B, 1, H)
            streams.push(graph.node("Flatten", &[&stream], &[])); // (B, H)
        }
        Ok(streams)
    }
}

impl Trunk for CrossStitch {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let own = self.bottoms.forward(xs, run)?;
        // All tasks may read all of it, so that is what a balancing method looks at.
        let columns = own.dim(1)?;
        let own = run.tap(own, 0..columns)?;
        let streams = own.reshape(((), self.bottoms.len(), self.width()))?;
        own + self.stitch.broadcast_matmul(&streams)?.flatten_from(1)?
    }

    fn width(&self) -> usize {
        self.bottoms.outputs()
    }
}

/// Weighs each column of the input by a number that is learned.
#[derive(Debug)]
struct Weigh;

#[derive(Debug)]
struct Weighing(Tensor);

impl Stage for Weigh {
    fn build(&self, inputs: usize, _: &[u32], vb: VarBuilder<'_>) -> Result<Box<dyn Transform>> {
        Ok(Box::new(Weighing(vb.get_with_hints(inputs, "weight", Init::Const(1.0))?)))
    }

    fn graph(&self, graph: &mut dyn Graph, name: &str, xs: &str, _: &[u32]) -> mt_models::Result<String> {
        let weight = graph.parameter(&format!("{name}.weight"))?;
        let weight = graph.constant(&format!("{name}.weight"), &weight)?;
        Ok(graph.node("Mul", &[xs, &weight], &[]))
    }
}

impl Transform for Weighing {
    fn forward(&self, xs: &Input, _: &mut Run) -> Result<Input> {
        let xs = xs.to_dense(self.0.dtype(), self.0.device())?;
        Ok(xs.broadcast_mul(&self.0)?.into())
    }
}

/// Cross-entropy in which a positive costs as much as so many negatives.
#[derive(Debug)]
struct Costly(f64);

impl TaskLoss for Costly {
    fn is_for(&self, kind: TaskKind) -> bool {
        kind == TaskKind::Binary
    }

    fn forward(&self, rows: &LossRows<'_>) -> Result<Tensor> {
        let (z, y) = (rows.logits, rows.targets()?);
        // `ln(1 + e^z) - y z`, without overflow.
        let loss = ((z.relu()? - (z * &y)?)? + (z.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
        rows.mean(&(loss * y.affine(self.0 - 1.0, 1.0)?)?)
    }
}
