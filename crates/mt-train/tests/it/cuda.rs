//! Training on a card beside the CPU: `cargo test -p mt-train --features cuda -- --ignored`.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use candle_core::{DType, Device, Result, Tensor};
use mt_data::Dataset;
use mt_layers::Params;
use mt_train::{Config, Event, Optimizer, OptimizerConfig, OptimizerKind, RunDir, clip_norm, train};

/// The mean loss of the first epoch, a line of the log at a time; `more` goes into the section `train`.
fn losses(kind: &str, more: &str, device: &Device) -> Vec<f64> {
    let text = format!(
        "version: 1\nname: test\ndata: {{synth: {{rows: 20000}}}}\ntasks:\n- {{name: completion, label: completion}}\n\
         - {{name: like, label: like}}\nmodel: {{kind: {kind}}}\n\
         train: {{epochs: 1, batch_size: 512, log_every: 10{more}}}\n"
    );
    let cfg = Config::parse(&text, "test.yaml", &[]).expect("valid");
    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect("data");
    let dir = tempfile::tempdir().expect("a folder");
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a run");
    let mut losses = Vec::new();
    train(&cfg, &data, device, &run, &AtomicBool::new(false), &mut |event| {
        if let Event::Progress { loss, .. } = event {
            losses.push(*loss);
        }
    })
    .expect("trains");
    losses
}

fn learns_as_the_cpu_does(kind: &str, more: &str) {
    let card = Device::new_cuda(0).expect("a CUDA device");
    let (cpu, card) = (losses(kind, more, &Device::Cpu), losses(kind, more, &card));
    assert_eq!(cpu.len(), card.len());
    for (cpu, card) in cpu.into_iter().zip(card) {
        // Sums in another order; a few hundred steps let the difference grow.
        approx::assert_relative_eq!(cpu, card, max_relative = 2e-3);
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn a_card_learns_as_the_cpu_does() {
    for kind in ["shared-bottom", "single-task", "mmoe", "cgc", "ple", "aitm", "ppnet", "dbmtl"] {
        learns_as_the_cpu_does(kind, "");
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn a_card_learns_as_the_cpu_does_with_every_optimizer() {
    for optimizer in [
        "{kind: adamw, weight_decay: 0.01}",
        "{kind: sgd, lr: 0.05, momentum: 0.9}",
        "{kind: adagrad, lr: 0.02, weight_decay: 0.0001}",
    ] {
        learns_as_the_cpu_does("mmoe", &format!(", optimizer: {optimizer}, clip_norm: 0.5, average: 0.99"));
    }
}

/// Shapes of the parameters: a scalar's worth, no multiple of a block, and more than a block for every multiprocessor.
const SHAPES: [(&str, (usize, usize)); 3] = [("a", (1, 1)), ("b", (37, 29)), ("c", (700, 1000))];

/// Values that follow from their place and a number.
fn waves((rows, columns): (usize, usize), phase: usize, device: &Device) -> Result<Tensor> {
    let values = (0..rows * columns).map(|i| ((i * 7 + phase * 13 + 1) as f32).sin()).collect();
    Tensor::from_vec(values, (rows, columns), device)
}

/// What is left after some steps: parameters, the optimizer's state, and the norms before clipping.
type Trained = (BTreeMap<String, Vec<f32>>, Vec<f64>);

/// Six steps along known gradients, the optimizer saved and read back after the third.
fn steps(cfg: OptimizerConfig, max_norm: Option<f64>, device: &Device) -> Result<Trained> {
    let params = Params::new(1);
    for (i, (name, shape)) in SHAPES.into_iter().enumerate() {
        params.builder(DType::F32, device).get(shape, name)?;
        params.all()[i].var.set(&waves(shape, i, device)?)?;
    }
    let all = params.all();
    let (mut optimizer, mut norms) = (Optimizer::new(cfg), Vec::new());
    for step in 0..6 {
        if step == 3 {
            let (state, steps) = optimizer.export()?;
            optimizer = Optimizer::import(cfg, &all, &state, &steps)?;
        }
        params.backward(|_| {
            let mut loss = Tensor::new(0f32, device)?;
            for (i, param) in all.iter().enumerate() {
                // The gradient of what was transposed does not lie in the order of its rows.
                let slopes = waves(SHAPES[i].1, step + 3 * i + 1, device)?.t()?.contiguous()?;
                loss = (loss + (param.var.t()? * slopes)?.sum_all()?)?;
            }
            Ok(loss)
        })?;
        if let Some(max) = max_norm {
            norms.push(clip_norm(&all, max)?);
        }
        optimizer.step(&all, |i| [1.0, 0.5, 0.25][i])?;
    }
    let (state, _) = optimizer.export()?;
    let values = all.iter().map(|param| (param.name.clone(), param.var.as_tensor().clone()));
    let numbers = |(name, tensor): (String, Tensor)| Ok((name, tensor.flatten_all()?.to_vec1()?));
    Ok((values.chain(state).map(numbers).collect::<Result<_>>()?, norms))
}

const KINDS: [OptimizerKind; 4] =
    [OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Sgd, OptimizerKind::Adagrad];

fn cfg(kind: OptimizerKind, weight_decay: Option<f64>) -> OptimizerConfig {
    let momentum = (kind == OptimizerKind::Sgd && weight_decay.is_some()).then_some(0.9);
    OptimizerConfig { kind, lr: 0.01, weight_decay, momentum, ..OptimizerConfig::default() }
}

#[test]
#[ignore = "needs a CUDA device"]
fn every_optimizer_gives_the_same_bits_on_a_card() -> Result<()> {
    let card = Device::new_cuda(0)?;
    for (kind, decay) in KINDS.into_iter().flat_map(|kind| [(kind, None), (kind, Some(0.03))]) {
        let cfg = cfg(kind, decay);
        let ((cpu, _), (card, _)) = (steps(cfg, None, &Device::Cpu)?, steps(cfg, None, &card)?);
        assert!(cpu.keys().eq(card.keys()));
        for (name, cpu) in &cpu {
            let same = cpu.iter().zip(&card[name]).filter(|(cpu, card)| cpu.to_bits() == card.to_bits());
            assert_eq!(same.count(), cpu.len(), "{name} of {kind:?} with decay {decay:?}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs a CUDA device"]
fn clipped_steps_are_the_same_on_a_card() -> Result<()> {
    let card = Device::new_cuda(0)?;
    for kind in KINDS {
        // Without decay, which could cancel a gradient and leave Adam the sign of a rounding error.
        let cfg = cfg(kind, None);
        let (cpu, card) = (steps(cfg, Some(1.0), &Device::Cpu)?, steps(cfg, Some(1.0), &card)?);
        for (cpu, card) in cpu.1.iter().zip(&card.1) {
            approx::assert_relative_eq!(cpu, card, max_relative = 1e-5);
        }
        for (name, cpu) in &cpu.0 {
            for (cpu, card) in cpu.iter().zip(&card.0[name]) {
                // The norm is summed in another order, in single precision.
                approx::assert_relative_eq!(cpu, card, max_relative = 1e-4, epsilon = 1e-6);
            }
        }
    }
    Ok(())
}
