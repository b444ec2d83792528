//! Networks against numbers from elsewhere, in tests.

use candle_core::{Device, Result, Tensor};
use mt_layers::{Input, Params, Run};

use crate::trunk::Trunk;

/// `sin(i k + 0.3)`.
fn wave(k: f64, shape: &[usize]) -> Result<Tensor> {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|i| (i as f64 * k + 0.3).sin() as f32).collect::<Vec<_>>();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// Asserts what a network makes of `wave(0.9, 2, 4)` (under no name), and the gradients of its parameters under the loss `Σ i·y_i`, `i` from 1
/// on, by fused operations and by candle's own. `layers` are names, `k`, inputs and units: weights are `wave(k)`, biases `wave(k + 0.05)`.
pub fn assert_golden(
    trunk: &dyn Trunk,
    params: &Params,
    layers: impl IntoIterator<Item = (String, f64, usize, usize)>,
    expected: &[(&str, &[f32])],
) -> Result<()> {
    let mut values = std::collections::BTreeMap::new();
    for (layer, k, inputs, units) in layers {
        values.insert(format!("{layer}.weight"), wave(k, &[inputs, 1, units])?);
        values.insert(format!("{layer}.bias"), wave(k + 0.05, &[1, units])?);
    }
    params.assign(&values)?;
    let xs = Input::from(wave(0.9, &[2, 4])?);
    let ys = trunk.forward(&xs, &mut Run::evaluation())?;
    let factors = (1..=ys.elem_count()).map(|i| i as f32).collect::<Vec<_>>();
    let factors = Tensor::from_vec(factors, ys.shape(), &Device::Cpu)?;
    let loss = |run: &mut Run| (trunk.forward(&xs, run)? * &factors)?.sum_all();
    let store = loss(&mut Run::training())?.backward()?;
    params.backward(loss)?;
    for (name, expected) in expected {
        let found = match params.all().into_iter().find(|param| param.name == *name) {
            Some(param) => {
                let composed = store.get(&param.var).expect("a gradient").flatten_all()?.to_vec1()?;
                vec![param.gradient.lock().host.clone(), composed]
            }
            None => vec![ys.flatten_all()?.to_vec1()?],
        };
        for found in found {
            approx::assert_relative_eq!(found[..], **expected, epsilon = 2e-5, max_relative = 2e-5);
        }
    }
    Ok(())
}
