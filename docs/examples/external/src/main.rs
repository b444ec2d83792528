//! An MMoE from this workspace in a program of its own: candle's `VarMap` and `AdamW`, a hand-written loop, no
//! configuration and no files.

use candle_core::{DType, Device, Result, Tensor, bail};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use mt_layers::{Initializer, Input, LossKind, LossTerm, MultiTaskLoss, Norm, Run, Towers};
use mt_models::{Mmoe, MmoeConfig, Sizes, Trunk};

const ROWS: usize = 512;
const INPUTS: usize = 8;
const TASKS: [&str; 2] = ["completion", "like"];

fn main() -> Result<()> {
    let (xs, labels) = rows()?;
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let (init, norm) = (Initializer::Xavier, Norm::None);
    let cfg = MmoeConfig { experts: 4, expert: vec![16], gate: vec![], temperature: 1.0, init, norm };
    let trunk = Mmoe::new(&cfg, Sizes { inputs: INPUTS, heads: &TASKS }, vb.clone())?;
    let towers = Towers::new(trunk.width(), &[8], TASKS.map(|task| (task, 1)), init, vb.pp("towers"))?;

    let task = LossTerm { logits: 1, weight: 1.0, kind: LossKind::CrossEntropy };
    let mask = vec![1.0; labels.len()]; // every label is known
    let loss = MultiTaskLoss { tasks: &[task; TASKS.len()], labels: &labels, mask: &mask };
    let mut optimizer = AdamW::new(vars.all_vars(), ParamsAdamW { lr: 0.01, ..ParamsAdamW::default() })?;
    let (mut losses, mut run) = (Vec::new(), Run::training());
    for step in 0..=100 {
        let logits = towers.forward(&trunk.forward(&xs, &mut run)?, &mut run)?;
        let loss = loss.forward(&logits)?;
        optimizer.backward_step(&loss.total)?;
        losses.push(loss.total.to_scalar::<f32>()?);
        if step % 20 == 0 {
            println!("step {step:3}: loss {:.4}, by task {:.4?}", losses[step], loss.tasks.to_vec1::<f32>()?);
        }
    }
    if losses[100] > 0.5 * losses[0] {
        bail!("the loss did not halve: {} after {}", losses[100], losses[0])
    }
    Ok(())
}

/// Made-up rows, and labels `(B, T)` that depend on them: the first task's on a sum, the second's on a product.
fn rows() -> Result<(Input, Vec<f32>)> {
    let noise = |i: usize| ((i as f32 * 12.9898).sin() * 43758.547).fract();
    let values: Vec<f32> = (1..=ROWS * INPUTS).map(noise).collect();
    let label = |yes: bool| f32::from(u8::from(yes));
    let labels =
        values.chunks(INPUTS).flat_map(|x| [label(x[0] + x[1] > 0.0), label(x[2] * x[3] > 0.0)]).collect();
    Ok((Tensor::from_vec(values, (ROWS, INPUTS), &Device::Cpu)?.into(), labels))
}
