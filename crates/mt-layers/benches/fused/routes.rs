//! One layer by two routes: fused, with weights of a parameter store, and composed, with candle's variables.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, Var};
use candle_nn::{Init, VarBuilder};
use mt_layers::{Params, Run};

/// A layer built twice on the same weights.
pub struct Routes<L> {
    params: Params,
    fused: L,
    composed: L,
}

impl<L> Routes<L> {
    pub fn new(build: impl Fn(VarBuilder) -> Result<L>) -> Result<Self> {
        let params = Params::new(1);
        let fused = build(params.builder(DType::F32, &Device::Cpu))?;
        let variables: HashMap<String, Tensor> =
            params.all().into_iter().map(|p| (p.name, p.var.as_tensor().clone())).collect();
        let composed = build(VarBuilder::from_tensors(variables, DType::F32, &Device::Cpu))?;
        Ok(Self { params, fused, composed })
    }

    /// Forward and backward, with gradients into the store's slots.
    pub fn fused(&self, forward: impl FnOnce(&L, &mut Run) -> Result<Tensor>) -> Result<Tensor> {
        self.params.backward(|run| forward(&self.fused, run))
    }

    /// Forward and backward, with gradients as candle makes them.
    pub fn composed(&self, forward: impl FnOnce(&L, &mut Run) -> Result<Tensor>) -> Result<GradStore> {
        forward(&self.composed, &mut Run::training())?.backward()
    }
}

/// The rest of a network, for nothing: it makes a scalar of a layer's output, and hands down a gradient made
/// beforehand, so that only the layer is measured.
pub struct Upstream(Tensor);

impl Upstream {
    /// For outputs of this shape.
    pub fn new(shape: (usize, usize)) -> Result<Self> {
        Ok(Self(normal(shape)?))
    }

    /// The scalar.
    pub fn end(&self, output: &Tensor) -> Result<Tensor> {
        output.apply_op1(Self(self.0.clone()))
    }
}

impl CustomOp1 for Upstream {
    fn name(&self) -> &'static str {
        "upstream"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}

/// Standard normal values; the same ones every time.
pub fn normal(shape: (usize, usize)) -> Result<Tensor> {
    let vb = Params::new(1).builder(DType::F32, &Device::Cpu);
    Ok(vb.get_with_hints(shape, "xs", Init::Randn { mean: 0.0, stdev: 1.0 })?.detach())
}

/// The same with a gradient, as what a layer below puts out.
pub fn variable(shape: (usize, usize)) -> Result<Tensor> {
    Ok(Var::from_tensor(&normal(shape)?)?.into_inner())
}
