//! The rules on the host: their values, and what they must not depend on.

use super::*;
use candle_core::Device;

fn cfg(kind: OptimizerKind) -> OptimizerConfig {
    let momentum = (kind == OptimizerKind::Sgd).then_some(0.9);
    OptimizerConfig { kind, lr: 0.1, weight_decay: Some(0.01), momentum, ..OptimizerConfig::default() }
}

const KINDS: [OptimizerKind; 4] =
    [OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Sgd, OptimizerKind::Adagrad];

/// Three steps on the host, with gradients that change.
fn host(kind: OptimizerKind) -> Vec<f32> {
    let mut values = vec![1.0, -2.0, 0.5];
    let mut state: Vec<_> = kind.state().iter().map(|_| Values::Host(vec![0.0; 3])).collect();
    for step in 1..=3 {
        let host = vec![0.5, -0.1 * step as f32, 0.3];
        let mut gradient = Gradient { host, ..Gradient::default() };
        Rule::new(&cfg(kind), cfg(kind).lr, step).on_host(&mut values, 3, &mut gradient, &mut state);
        assert_eq!(gradient.host, [0.0; 3]);
    }
    values
}

#[test]
fn tensor_operations_and_kernels_agree() -> Result<()> {
    for kind in KINDS {
        let var = Var::new(&[1f32, -2.0, 0.5], &Device::Cpu)?;
        let mut state =
            kind.state().iter().map(|_| Ok(Values::Device(var.zeros_like()?))).collect::<Result<Vec<_>>>()?;
        for step in 1..=3 {
            let gradient = Tensor::new(&[0.5, -0.1 * step as f32, 0.3], &Device::Cpu)?;
            Rule::new(&cfg(kind), cfg(kind).lr, step).on_device(&var, &gradient, &mut state)?;
        }
        for (a, b) in host(kind).into_iter().zip(var.to_vec1::<f32>()?) {
            approx::assert_relative_eq!(a, b, max_relative = 1e-6);
        }
    }
    Ok(())
}

#[test]
fn moments_that_only_decay_are_never_denormal_and_end_at_zero() {
    let steps = 900;
    for (kind, beta2) in [(OptimizerKind::Adam, Some(0.9)), (OptimizerKind::Sgd, None)] {
        let n = 37;
        let size = |i: usize| 10f32.powi(-(i as i32)) * if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut values = vec![0.5; n];
        let mut state: Vec<_> = kind.state().iter().map(|_| Values::Host(vec![0.0; n])).collect();
        let cfg = OptimizerConfig { beta2, weight_decay: None, ..cfg(kind) };
        for step in 1..=steps {
            let host = (0..n).map(|i| if step == 1 { size(i) } else { 0.0 }).collect();
            let mut gradient = Gradient { host, ..Gradient::default() };
            Rule::new(&cfg, 1e-3, step).on_host(&mut values, n, &mut gradient, &mut state);
            for kept in &state {
                let Values::Host(kept) = kept else { panic!("kept on the host") };
                assert!(!kept.iter().any(|x| x.is_subnormal()), "{kind:?}, step {step}: {kept:?}");
                assert!(step < steps || kept.iter().all(|x| *x == 0.0), "{kept:?}");
            }
        }
    }
}

#[test]
fn rows_known_to_have_no_gradient_are_updated_to_the_same_bits() {
    // 37 values a row: whole vectors and a rest for every instruction set.
    let (rows, row) = (7, 37);
    let steps = |known: bool| {
        let mut values: Vec<f32> = (0..rows * row).map(|i| (i as f32).sin()).collect();
        let mut state = [Values::Host(vec![0.0; rows * row]), Values::Host(vec![0.0; rows * row])];
        for (step, occupied) in [[0..7, 7..7], [1..3, 5..6], [2..2, 4..7]].into_iter().enumerate() {
            let inside = |i: usize| occupied.iter().any(|run| run.contains(&((i / row) as u32)));
            let slope = |i: usize| if inside(i) { (i as f32).cos() } else { 0.0 };
            let host = (0..rows * row).map(slope).collect();
            let mut gradient =
                Gradient { host, rows: known.then(|| occupied.to_vec()), ..Gradient::default() };
            let rule = Rule::new(&cfg(OptimizerKind::AdamW), 1e-3, step as u64 + 1);
            rule.on_host(&mut values, rows, &mut gradient, &mut state);
            assert!(gradient.host.iter().all(|&g| g == 0.0));
        }
        values
    };
    assert_eq!(steps(true), steps(false));
}

#[test]
fn a_large_parameter_is_updated_to_the_same_bits_by_any_number_of_threads() {
    let (rows, row) = (PARALLEL / 37 + 1, 37);
    let run = |threads| {
        let mut values: Vec<f32> = (0..rows * row).map(|i| (i as f32).sin()).collect();
        let mut state = [Values::Host(vec![0.0; rows * row]), Values::Host(vec![0.0; rows * row])];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        for (step, occupied) in [None, Some(vec![3..700, 900..901])].into_iter().enumerate() {
            let inside = |i: usize| {
                let row = (i / row) as u32;
                occupied.as_ref().is_none_or(|runs: &Vec<_>| runs.iter().any(|run| run.contains(&row)))
            };
            let host = (0..rows * row).map(|i| if inside(i) { (i as f32).cos() } else { 0.0 }).collect();
            let mut gradient = Gradient { host, rows: occupied.clone(), ..Gradient::default() };
            let rule = Rule::new(&cfg(OptimizerKind::Adam), 1e-3, step as u64 + 1);
            pool.install(|| rule.on_host(&mut values, rows, &mut gradient, &mut state));
            assert!(gradient.host.iter().all(|&g| g == 0.0));
        }
        values
    };
    assert!([2, 3, 7].iter().all(|&threads| run(threads) == run(1)));
}

/// Values of PyTorch 2.15.0 for the same three steps: `torch.optim.{Adam,AdamW,SGD,Adagrad}` with `lr=0.1,
/// weight_decay=0.01`, SGD with `momentum=0.9`.
#[test]
fn three_steps_give_pytorchs_values() {
    let expected = [
        [0.700019, -1.7057867, 0.20003194],
        [0.697_302_9, -1.701_984_2, 0.198_801_43],
        [0.71413475, -1.8937476, 0.32904136],
        [0.771_714_9, -1.733_642_7, 0.271_823_32f32],
    ];
    for (kind, expected) in KINDS.into_iter().zip(expected) {
        for (a, b) in host(kind).into_iter().zip(expected) {
            approx::assert_relative_eq!(a, b, max_relative = 2e-6);
        }
    }
}
