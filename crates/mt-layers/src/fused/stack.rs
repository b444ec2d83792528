//! Affine layers one after the other as one operation: what lies between them never passes through candle, which
//! would clear and add up a tensor of its size on the way back.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::affine::Affine;
use super::rows::Rows;
use super::scratch::{Scratch, scratch};
use super::{buffer, slice, with_all};
use crate::input::SparseRows;
use crate::leaf::InputGradient;

/// At least one layer, from the input up.
#[derive(Debug)]
pub(crate) struct Stack {
    layers: Vec<Affine>,
    /// Outputs of all layers but the last, of the latest forward pass.
    between: Mutex<Vec<Scratch>>,
}

impl Stack {
    pub fn new(layers: Vec<Affine>) -> Self {
        Self { layers, between: Mutex::default() }
    }

    /// Columns of the last layer.
    pub fn width(&self) -> usize {
        self.layers[self.layers.len() - 1].width
    }

    /// Writes the last layer's outputs.
    pub(super) fn forward(&self, rows: Rows, out: &mut [f32]) -> Result<()> {
        let mut between: Vec<Scratch> = Vec::with_capacity(self.layers.len() - 1);
        for (l, layer) in self.layers.iter().enumerate() {
            let below = match l.checked_sub(1) {
                Some(below) => Rows::Dense { values: &between[below], width: self.layers[below].width },
                None => rows,
            };
            if l + 1 == self.layers.len() {
                layer.forward(below, out)?;
            } else {
                let mut above = scratch(rows.len() * layer.width);
                layer.forward(below, &mut above)?;
                between.push(above);
            }
        }
        *self.between.lock().unwrap_or_else(PoisonError::into_inner) = between;
        Ok(())
    }

    /// Adds the parameters' gradients to their slots, and that of dense `rows` to `input` if it is wanted. `result`
    /// and `rows` are those of the latest forward pass.
    pub(super) fn backward(
        &self,
        rows: Rows,
        result: &[f32],
        gradient: &[f32],
        input: Option<&mut InputGradient>,
    ) -> Result<()> {
        let between = self.between.lock().unwrap_or_else(PoisonError::into_inner);
        let mut above: Option<InputGradient> = None;
        for l in (1..self.layers.len()).rev() {
            let below = Rows::Dense { values: &between[l - 1], width: self.layers[l - 1].width };
            let mut to_below = InputGradient::new(between[l - 1].len());
            let result = between.get(l).map_or(result, |above| above);
            let gradient = above.as_mut().map_or(gradient, |above| above.sums());
            self.layers[l].backward(below, result, gradient, Some(&mut to_below))?;
            above = Some(to_below);
        }
        let result = between.first().map_or(result, |above| above);
        let gradient = above.as_mut().map_or(gradient, |above| above.sums());
        self.layers[0].backward(rows, result, gradient, input)
    }
}

/// What an operation reads: the tensor it is applied to, or sparse rows, beside which that is a stand-in.
pub(super) type Sparse = Option<Arc<SparseRows>>;

/// The rows behind an operation's first argument.
pub(super) fn rows<'a>(sparse: &'a Sparse, dense: &'a [f32], shape: &Shape) -> Result<Rows<'a>> {
    let width = if sparse.is_some() { 1 } else { shape.dims2()?.1 };
    Ok(Rows::of(sparse.as_deref(), dense, width))
}

/// Where the gradient of an operation's first argument goes, if it has one.
pub(super) fn wanted(sparse: &Sparse, xs: &Tensor) -> Option<InputGradient> {
    (sparse.is_none() && xs.track_op()).then(|| InputGradient::of(xs))
}

/// Banks side by side. The second argument is the first weight, which ties the operation into the graph when the
/// input itself needs no gradient.
pub(crate) struct SideBySide {
    pub sparse: Sparse,
    pub banks: Stack,
}

impl CustomOp2 for SideBySide {
    fn name(&self) -> &'static str {
        "banks"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let rows = rows(&self.sparse, slice(s1, l1)?, l1.shape())?;
        let mut out = buffer(rows.len() * self.banks.width());
        self.banks.forward(rows, &mut out)?;
        Ok((CpuStorage::F32(out), Shape::from((rows.len(), self.banks.width()))))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        _: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut input = wanted(&self.sparse, xs);
        with_all(&[xs, res, &grad.contiguous()?], |values| {
            let rows = rows(&self.sparse, values[0], xs.shape())?;
            self.banks.backward(rows, values[1], values[2], input.as_mut())
        })?;
        Ok((input.map(|input| input.give(xs)).transpose()?.flatten(), None))
    }
}
