//! Analytic gradients against central differences, in float64 through the plain composition.

use candle_core::{DType, Device, Result, Tensor};
use mt_layers::{Params, Run};

use crate::network::{Network, Sizes, batch, move_biases};

#[test]
fn every_gradient_is_the_slope_of_the_loss() -> Result<()> {
    let sizes = Sizes { inputs: 6, experts: &[4, 3], gate: &[3], tower: &[3] };
    let (xs, _, labels, mask) = batch(5, sizes.inputs, DType::F64)?;
    let params = Params::new(11);
    let network = Network::new(&sizes, params.builder(DType::F64, &Device::Cpu))?;
    move_biases(&params)?;
    let gradients = network.loss(&xs, &labels, &mask, &mut Run::evaluation())?.backward()?;
    let step = 1e-6;
    for param in params.all() {
        let gradient = gradients.get(&param.var).expect("a gradient").flatten_all()?.to_vec1::<f64>()?;
        let start = param.var.flatten_all()?.to_vec1::<f64>()?;
        for i in 0..start.len() {
            let at = |offset: f64| -> Result<f64> {
                let mut values = start.clone();
                values[i] += offset;
                param.var.set(&Tensor::from_vec(values, param.var.shape(), &Device::Cpu)?)?;
                network.loss(&xs, &labels, &mask, &mut Run::evaluation())?.to_scalar()
            };
            let slope = (at(step)? - at(-step)?) / (2.0 * step);
            assert!(
                (slope - gradient[i]).abs() < 1e-7,
                "{}[{i}]: {} but slope {slope}",
                param.name,
                gradient[i]
            );
        }
        param.var.set(&Tensor::from_vec(start, param.var.shape(), &Device::Cpu)?)?;
    }
    Ok(())
}
