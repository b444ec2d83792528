//! Normalised layers: their gradients, and that the way with fused operations is the plain one.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{
    Bank, GatedExperts, Initializer, Input, Mixture, Norm, Params, Run, Towers, Why, forward_side_by_side,
};

/// Two banks of two layers side by side, mixed, and towers with a hidden layer.
struct Network {
    banks: [Bank; 2],
    mixture: Mixture,
    gate: Tensor,
    towers: Towers,
}

impl Network {
    fn new(norm: Norm, vb: VarBuilder) -> Result<Self> {
        let init = Initializer::Xavier;
        let bank = |n, name| Bank::experts(4, n, &[3, 5], init, vb.pp(name))?.normalised(norm, vb.pp(name));
        let towers = Towers::new(5, &[3], [("a", 1), ("b", 2)], init, vb.pp("towers"))?;
        Ok(Self {
            banks: [bank(2, "x")?, bank(1, "y")?],
            mixture: Mixture::new(5, vec![vec![0, 1, 2], vec![1, 2]], 1.0)?,
            gate: vb.get_with_hints((6, 5), "gate", Initializer::Xavier.weight(6, 5))?,
            towers: towers.normalised(norm, ["a", "b"], vb.pp("towers"))?,
        })
    }

    fn loss(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let experts = forward_side_by_side(&[(&self.banks[0], 0..4), (&self.banks[1], 0..4)], xs, run)?;
        let streams = self.mixture.forward(&experts, &self.gate, run)?;
        let logits = self.towers.forward(&streams, run)?;
        let target = logits.ones_like()?;
        (logits - target)?.sqr()?.mean_all()
    }
}

fn rows(dtype: DType) -> Result<Input> {
    let values = (0..24).map(|i| ((i * 11 % 17) as f32 - 8.0) / 5.0).collect::<Vec<_>>();
    Ok(Tensor::from_vec(values, (6, 4), &Device::Cpu)?.to_dtype(dtype)?.into())
}

/// Moves every parameter, so that no scale is 1, no shift 0 and no unit on ReLU's kink.
fn stir(params: &Params) -> Result<()> {
    for param in params.all() {
        let n = param.var.elem_count();
        let moves =
            (0..n).map(|i| 0.07 + 0.013 * ((i * 5 + param.name.len()) % 7) as f32).collect::<Vec<_>>();
        let moves = Tensor::from_vec(moves, param.var.shape(), &Device::Cpu)?.to_dtype(param.var.dtype())?;
        param.var.set(&(param.var.as_detached_tensor() + moves)?)?;
    }
    Ok(())
}

#[test]
fn every_gradient_is_the_slope_of_the_loss_in_training_and_outside() -> Result<()> {
    let training = [(Norm::Layer, true), (Norm::Batch, true), (Norm::Batch, false)];
    for (norm, in_training) in training {
        let params = Params::new(5);
        let network = Network::new(norm, params.builder(DType::F64, &Device::Cpu))?;
        stir(&params)?;
        let xs = rows(DType::F64)?;
        let run = || if in_training { Run::training() } else { Run::evaluation() };
        let loss = || network.loss(&xs, &mut run());
        let gradients = loss()?.backward()?;
        let mut learnt = 0;
        for param in params.all() {
            let Some(gradient) = gradients.get(&param.var) else {
                assert!(Norm::is_statistic(&param.name), "{} gets no gradient", param.name);
                continue;
            };
            learnt += 1;
            let gradient = gradient.flatten_all()?.to_vec1::<f64>()?;
            let start = param.var.flatten_all()?.to_vec1::<f64>()?;
            for i in 0..start.len() {
                let at = |offset: f64| -> Result<f64> {
                    let mut values = start.clone();
                    values[i] += offset;
                    param.var.set(&Tensor::from_vec(values, param.var.shape(), &Device::Cpu)?)?;
                    loss()?.to_scalar()
                };
                let slope = (at(1e-6)? - at(-1e-6)?) / 2e-6;
                let name = &param.name;
                assert!(
                    (slope - gradient[i]).abs() < 1e-6,
                    "{norm}: {name}[{i}]: {} but {slope}",
                    gradient[i]
                );
            }
            param.var.set(&Tensor::from_vec(start, param.var.shape(), &Device::Cpu)?)?;
        }
        // Of each of 4 layers of banks and 2 of towers weight, bias, scale and shift; 2 last layers; the gate.
        assert_eq!(learnt, 6 * 4 + 2 * 2 + 1);
    }
    Ok(())
}

#[test]
fn fused_sums_with_a_normalisation_behind_them_are_the_plain_ones() -> Result<()> {
    for norm in [Norm::Layer, Norm::Batch] {
        let (fast, slow) = (Params::new(5), Params::new(5));
        let fused = Network::new(norm, fast.builder(DType::F32, &Device::Cpu))?;
        let plain = Network::new(norm, slow.builder(DType::F64, &Device::Cpu))?;
        stir(&fast)?;
        stir(&slow)?;
        let loss = fast.backward(|run| {
            let (loss, detours) = run.detours(|run| fused.loss(&rows(DType::F32)?, run))?;
            let left = detours.iter().any(|detour| detour.why == Why::Norm);
            assert_eq!(left, norm == Norm::Batch, "{norm}: {detours:?}");
            Ok(loss)
        })?;
        let loss = loss.to_scalar::<f32>()?;
        let expected = plain.loss(&rows(DType::F64)?, &mut Run::training())?;
        approx::assert_relative_eq!(f64::from(loss), expected.to_scalar::<f64>()?, max_relative = 1e-5);
        let gradients = expected.backward()?;
        for (a, b) in fast.all().iter().zip(slow.all()) {
            if let Some(gradient) = gradients.get(&b.var) {
                let found = a.gradient.lock();
                assert!(found.touched, "{}", a.name);
                for (found, expected) in found.host.iter().zip(gradient.flatten_all()?.to_vec1::<f64>()?) {
                    approx::assert_relative_eq!(
                        f64::from(*found),
                        expected,
                        epsilon = 1e-5,
                        max_relative = 1e-4
                    );
                }
            } else {
                assert!(!a.gradient.lock().touched, "{} is not trained", a.name);
            }
        }
    }
    Ok(())
}

/// A level of normalised experts of two layers with its gates and towers, wide enough for the matrix product.
fn level(vb: VarBuilder) -> Result<(GatedExperts, Towers)> {
    let (init, width) = (Initializer::Xavier, 60);
    let bank =
        |n, name| Bank::experts(width, n, &[9, 17], init, vb.pp(name))?.normalised(Norm::Layer, vb.pp(name));
    let gate = |name| Ok::<_, candle_core::Error>((Bank::gate(width, 3, &[5], init, vb.pp(name))?, 0..width));
    let experts = vec![(bank(2, "a")?, 0..width), (bank(1, "b")?, 0..width)];
    let mixture = Mixture::new(17, vec![vec![0, 1, 2], vec![2, 0, 1]], 1.0)?;
    let towers = Towers::new(17, &[11, 6], [("x", 1), ("y", 2)], init, vb.pp("towers"))?;
    let towers = towers.normalised(Norm::Layer, ["x", "y"], vb.pp("towers"))?;
    Ok((GatedExperts::new(experts, vec![gate("g")?, gate("h")?], mixture, 0..0)?, towers))
}

fn loss_of((level, towers): &(GatedExperts, Towers), xs: &Input, run: &mut Run) -> Result<Tensor> {
    let logits = towers.forward(&level.forward(xs, run)?, run)?;
    (&logits - logits.ones_like()?)?.sqr()?.mean_all()
}

#[test]
fn a_normalised_level_and_its_towers_are_fused_and_give_the_plain_numbers_on_any_threads() -> Result<()> {
    let (dense, sparse, ..) = crate::network::batch(300, 60, DType::F32)?;
    let slow = Params::new(5);
    let plain = level(slow.builder(DType::F64, &Device::Cpu))?;
    stir(&slow)?;
    let xs = dense.to_dense(DType::F64, &Device::Cpu)?;
    let expected = loss_of(&plain, &Input::from(xs), &mut Run::training())?;
    let gradients = expected.backward()?;
    for xs in [dense, sparse] {
        let found = |threads| -> Result<(f32, Vec<Vec<f32>>)> {
            let params = Params::new(5);
            let fused = level(params.builder(DType::F32, &Device::Cpu))?;
            stir(&params)?;
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let loss = pool.install(|| {
                params.backward(|run| {
                    let (loss, detours) = run.detours(|run| loss_of(&fused, &xs, run))?;
                    assert!(detours.is_empty(), "{detours:?}");
                    Ok(loss)
                })
            })?;
            Ok((loss.to_scalar()?, params.all().iter().map(|p| p.gradient.lock().host.clone()).collect()))
        };
        let one = found(1)?;
        approx::assert_relative_eq!(f64::from(one.0), expected.to_scalar::<f64>()?, max_relative = 1e-5);
        for (param, found) in slow.all().iter().zip(&one.1) {
            let expected = gradients.get(&param.var).expect("a gradient").flatten_all()?.to_vec1::<f64>()?;
            let scale = expected.iter().fold(1e-4f64, |most, x| most.max(x.abs()));
            for (a, b) in found.iter().zip(expected) {
                assert!((f64::from(*a) - b).abs() < 5e-5 * scale, "{}: {a} and {b}", param.name);
            }
        }
        for threads in [2, 8] {
            assert!(found(threads)? == one, "{threads} threads");
        }
    }
    Ok(())
}

#[test]
fn a_row_through_towers_that_are_only_read_is_the_same_in_any_batch() -> Result<()> {
    for norm in [Norm::Layer, Norm::Batch] {
        let (params, init) = (Params::new(5), Initializer::Xavier);
        let towers = |vb: VarBuilder| {
            let towers = Towers::new(7, &[6, 5], [("a", 1), ("b", 2)], init, vb.clone())?;
            towers.normalised(norm, ["a", "b"], vb)
        };
        let trained = towers(params.builder(DType::F32, &Device::Cpu))?;
        stir(&params)?;
        let read = towers(params.frozen(DType::F32, &Device::Cpu))?;
        let values = (0..90 * 7).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
        let streams = Tensor::from_vec(values, (90, 7), &Device::Cpu)?;
        let of = |towers: &Towers, streams: Tensor| {
            towers.forward(&streams, &mut Run::evaluation())?.to_vec2::<f32>()
        };
        let all = of(&read, streams.clone())?;
        for (a, b) in all.iter().flatten().zip(of(&trained, streams.clone())?.iter().flatten()) {
            approx::assert_relative_eq!(a, b, epsilon = 1e-5);
        }
        for (first, count) in [(0, 1), (3, 5), (40, 33)] {
            let rows = streams.narrow(0, first, count)?.contiguous()?;
            assert_eq!(of(&read, rows)?, all[first..first + count], "{norm}: {count} rows");
        }
    }
    Ok(())
}
