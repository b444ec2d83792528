//! Normalised layers: their gradients, and that the way with fused operations is the plain one.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Initializer, Input, Mixture, Norm, Params, Towers, forward_side_by_side, training};

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

    fn loss(&self, xs: &Input) -> Result<Tensor> {
        let experts = forward_side_by_side(&[(&self.banks[0], 0..4), (&self.banks[1], 0..4)], xs)?;
        let logits = self.towers.forward(&self.mixture.forward(&experts, &self.gate)?)?;
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
    for (norm, in_training) in [(Norm::Layer, true), (Norm::Batch, true), (Norm::Batch, false)] {
        let params = Params::new(5);
        let network = Network::new(norm, params.builder(DType::F64, &Device::Cpu))?;
        stir(&params)?;
        let xs = rows(DType::F64)?;
        let loss = || if in_training { training(|| network.loss(&xs)) } else { network.loss(&xs) };
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
        let loss = fast.backward(|| training(|| fused.loss(&rows(DType::F32)?)))?.to_scalar::<f32>()?;
        let expected = training(|| plain.loss(&rows(DType::F64)?))?;
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
