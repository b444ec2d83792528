//! The fused operations against the plain candle composition of the same network.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Initializer, Input, Params, Run};

use crate::network::{Network, Sizes, batch, move_biases};

struct Outcome {
    loss: f32,
    logits: Vec<f32>,
    gradients: BTreeMap<String, Vec<f32>>,
}

/// Through the parameter store: fused operations, gradients in the slots.
fn fused(sizes: &Sizes, xs: &Input, labels: &[f32], mask: &[f32]) -> Result<Outcome> {
    let params = Params::new(1);
    let network = Network::new(sizes, params.builder(DType::F32, &Device::Cpu))?;
    move_biases(&params)?;
    let loss = params.backward(|run| network.loss(xs, labels, mask, run))?.to_scalar()?;
    let all = params.all();
    assert!(all.iter().all(|p| p.gradient.lock().touched), "every parameter gets a gradient");
    let gradients = all.iter().map(|p| (p.name.clone(), p.gradient.lock().host.clone())).collect();
    Ok(Outcome {
        loss,
        logits: network.forward(xs, &mut Run::evaluation())?.flatten_all()?.to_vec1()?,
        gradients,
    })
}

/// Through plain variables with the same values: candle's operations and candle's gradients.
fn composed(sizes: &Sizes, xs: &Input, labels: &[f32], mask: &[f32]) -> Result<Outcome> {
    let params = Params::new(1);
    Network::new(sizes, params.builder(DType::F32, &Device::Cpu))?;
    move_biases(&params)?;
    let vars: BTreeMap<String, Var> = params.all().into_iter().map(|p| (p.name, p.var)).collect();
    let tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    let network = Network::new(sizes, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))?;
    let loss = network.loss(xs, labels, mask, &mut Run::evaluation())?;
    let store = loss.backward()?;
    let gradient = |var: &Var| -> Result<Vec<f32>> {
        store.get(var).expect("candle's gradient of every parameter").flatten_all()?.to_vec1()
    };
    let gradients = vars.iter().map(|(n, v)| Ok((n.clone(), gradient(v)?))).collect::<Result<_>>()?;
    Ok(Outcome {
        loss: loss.to_scalar()?,
        logits: network.forward(xs, &mut Run::evaluation())?.flatten_all()?.to_vec1()?,
        gradients,
    })
}

fn assert_close(a: &Outcome, b: &Outcome) {
    approx::assert_relative_eq!(a.loss, b.loss, max_relative = 1e-5);
    approx::assert_relative_eq!(a.logits[..], b.logits[..], epsilon = 1e-5, max_relative = 1e-4);
    for (name, gradient) in &a.gradients {
        let scale = b.gradients[name].iter().fold(1e-4f32, |m, g| m.max(g.abs()));
        for (x, y) in gradient.iter().zip(&b.gradients[name]) {
            assert!((x - y).abs() < 2e-5 * scale, "{name}: {x} and {y}");
        }
    }
}

fn check(sizes: &Sizes, rows: usize) -> Result<()> {
    let (dense, sparse, labels, mask) = batch(rows, sizes.inputs, DType::F32)?;
    let oracle = composed(sizes, &dense, &labels, &mask)?;
    for xs in [&dense, &sparse] {
        assert_close(&fused(sizes, xs, &labels, &mask)?, &oracle);
    }
    assert_close(&composed(sizes, &sparse, &labels, &mask)?, &oracle);
    Ok(())
}

#[test]
fn one_layer_networks_agree() -> Result<()> {
    check(&Sizes { inputs: 20, experts: &[16], gate: &[], tower: &[8] }, 7)?;
    check(&Sizes { inputs: 21, experts: &[117], gate: &[], tower: &[] }, 33)
}

#[test]
fn deep_experts_gates_and_towers_agree() -> Result<()> {
    check(&Sizes { inputs: 30, experts: &[64, 7], gate: &[6, 5], tower: &[9, 4] }, 50)
}

#[test]
fn wide_inputs_and_many_rows_agree() -> Result<()> {
    // Wide enough for the matrix product, enough rows for several parallel chunks with a partial last one.
    check(&Sizes { inputs: 90, experts: &[33], gate: &[60], tower: &[8] }, 700)
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() -> Result<()> {
    let sizes = Sizes { inputs: 90, experts: &[64], gate: &[8], tower: &[8] };
    let (dense, sparse, labels, mask) = batch(1000, sizes.inputs, DType::F32)?;
    for xs in [dense, sparse] {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| fused(&sizes, &xs, &labels, &mask))
        };
        let one = run(1)?;
        for threads in [2, 3, 8] {
            let many = run(threads)?;
            assert_eq!((one.loss, &one.logits), (many.loss, &many.logits));
            assert!(one.gradients == many.gradients, "gradients with {threads} threads");
        }
    }
    Ok(())
}

#[test]
fn a_level_that_is_looked_at_gives_the_same_bits() -> Result<()> {
    let sizes = Sizes { inputs: 90, experts: &[33], gate: &[6], tower: &[8] };
    let (dense, sparse, labels, mask) = batch(300, sizes.inputs, DType::F32)?;
    for xs in [dense, sparse] {
        let alone = fused(&sizes, &xs, &labels, &mask)?;
        let params = Params::new(1);
        let network = Network::new(&sizes, params.builder(DType::F32, &Device::Cpu))?;
        move_biases(&params)?;
        let loss = params.backward(|run| {
            let (loss, levels) = run.observe(|run| network.loss(&xs, &labels, &mask, run))?;
            assert!(!levels.is_empty());
            Ok(loss)
        })?;
        assert_eq!(alone.loss, loss.to_scalar::<f32>()?);
        assert!(params.all().iter().all(|p| alone.gradients[&p.name] == p.gradient.lock().host));
    }
    Ok(())
}

#[test]
fn gradients_accumulate_until_they_are_consumed() -> Result<()> {
    let sizes = Sizes { inputs: 20, experts: &[8], gate: &[], tower: &[4] };
    let (dense, sparse, labels, mask) = batch(16, sizes.inputs, DType::F32)?;
    let params = Params::new(1);
    let network = Network::new(&sizes, params.builder(DType::F32, &Device::Cpu))?;
    params.backward(|run| network.loss(&dense, &labels, &mask, run))?;
    let once: Vec<Vec<f32>> = params.all().iter().map(|p| p.gradient.lock().host.clone()).collect();
    params.backward(|run| network.loss(&sparse, &labels, &mask, run))?;
    for (param, once) in params.all().iter().zip(once) {
        for (twice, once) in param.gradient.lock().host.iter().zip(once) {
            assert!((twice - 2.0 * once).abs() < 1e-5, "{}: {twice} after {once}", param.name);
        }
    }
    Ok(())
}

#[test]
fn an_ordinary_layer_in_between_gets_its_gradient_too() -> Result<()> {
    let params = Params::new(5);
    let vb = params.builder(DType::F32, &Device::Cpu);
    let bank = Bank::experts(4, 2, &[3], Initializer::Xavier, vb.pp("bank"))?;
    let linear = candle_nn::linear(6, 1, vb.pp("linear"))?;
    let xs = Tensor::ones((2, 4), DType::F32, &Device::Cpu)?;
    let xs = Input::from(&xs);
    params.backward(|run| candle_core::Module::forward(&linear, &bank.forward(&xs, run)?)?.sum_all())?;
    assert!(params.all().iter().all(|p| p.gradient.lock().touched));
    Ok(())
}

#[test]
fn a_bank_alone_whose_rows_begin_anywhere_on_a_line_agrees() -> Result<()> {
    // Enough rows for several threads, and for its weights to be copied to where rows begin on lines.
    let (inputs, units) = (90, 117);
    let (dense, sparse, ..) = batch(300, inputs, DType::F32)?;
    let outcome = |xs: &Input, threads: usize| -> Result<(Vec<f32>, Vec<f32>, Vec<f32>)> {
        let params = Params::new(1);
        let vb = params.builder(DType::F32, &Device::Cpu);
        let bank = Bank::experts(inputs, 1, &[units], Initializer::Xavier, vb)?;
        move_biases(&params)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            params.backward(|run| bank.forward(xs, run)?.sqr()?.mean_all())?;
            let slots: Vec<_> = params.all().iter().map(|p| p.gradient.lock().host.clone()).collect();
            let [bias, weight] = slots.try_into().expect("a weight and a bias");
            Ok((bank.forward(xs, &mut Run::evaluation())?.flatten_all()?.to_vec1()?, weight, bias))
        })
    };
    let oracle = outcome(&dense, 1)?;
    let one = outcome(&sparse, 1)?;
    approx::assert_relative_eq!(one.0[..], oracle.0[..], epsilon = 1e-5, max_relative = 1e-4);
    approx::assert_relative_eq!(one.1[..], oracle.1[..], epsilon = 1e-6, max_relative = 1e-4);
    approx::assert_relative_eq!(one.2[..], oracle.2[..], epsilon = 1e-6, max_relative = 1e-4);
    assert!([2, 3, 8].iter().all(|&threads| outcome(&sparse, threads).is_ok_and(|many| many == one)));
    Ok(())
}
