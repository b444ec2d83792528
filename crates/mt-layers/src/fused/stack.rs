//! Affine layers one after the other as one operation: what lies between them never passes through candle, which
//! would clear and add up a tensor of its size on the way back.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::affine::Affine;
use super::rows::Rows;
use super::{buffer, slice, with_all};
use crate::input::SparseRows;

/// At least one layer, from the input up.
#[derive(Debug)]
pub(crate) struct Stack {
    layers: Vec<Affine>,
    /// Outputs of all layers but the last, of the latest forward pass.
    between: Mutex<Vec<Vec<f32>>>,
}

impl Stack {
    pub fn new(layers: Vec<Affine>) -> Self {
        Self { layers, between: Mutex::default() }
    }

    /// Columns of the last layer.
    pub fn width(&self) -> usize {
        self.layers[self.layers.len() - 1].width
    }

    /// The last layer's outputs.
    pub(super) fn forward(&self, rows: Rows) -> Result<Vec<f32>> {
        let mut between = Vec::with_capacity(self.layers.len() - 1);
        let mut out = self.layers[0].forward(rows)?;
        for pair in self.layers.windows(2) {
            let above = pair[1].forward(Rows::Dense { values: &out, width: pair[0].width })?;
            between.push(std::mem::replace(&mut out, above));
        }
        *self.between.lock().unwrap_or_else(PoisonError::into_inner) = between;
        Ok(out)
    }

    /// Adds the parameters' gradients to their slots, and that of dense `rows` to `input` if it is wanted. `result`
    /// and `rows` are those of the latest forward pass.
    pub(super) fn backward(
        &self,
        rows: Rows,
        result: &[f32],
        gradient: &[f32],
        input: Option<&mut [f32]>,
    ) -> Result<()> {
        let between = self.between.lock().unwrap_or_else(PoisonError::into_inner);
        let mut above: Option<Vec<f32>> = None;
        for l in (1..self.layers.len()).rev() {
            let below = Rows::Dense { values: &between[l - 1], width: self.layers[l - 1].width };
            let mut to_below = buffer(between[l - 1].len());
            let result = between.get(l).map_or(result, Vec::as_slice);
            let gradient = above.as_deref().unwrap_or(gradient);
            self.layers[l].backward(below, result, gradient, Some(&mut to_below))?;
            above = Some(to_below);
        }
        let result = between.first().map_or(result, Vec::as_slice);
        self.layers[0].backward(rows, result, above.as_deref().unwrap_or(gradient), input)
    }
}

/// What an operation reads: the tensor it is applied to, or sparse rows, beside which that is a stand-in.
pub(super) type Sparse = Option<Arc<SparseRows>>;

/// The rows behind an operation's first argument.
pub(super) fn rows<'a>(sparse: &'a Sparse, dense: &'a [f32], shape: &Shape) -> Result<Rows<'a>> {
    let width = if sparse.is_some() { 1 } else { shape.dims2()?.1 };
    Ok(Rows::of(sparse.as_deref(), dense, width))
}

/// A buffer for the gradient of an operation's first argument, if it has one.
pub(super) fn wanted(sparse: &Sparse, xs: &Tensor) -> Option<Vec<f32>> {
    (sparse.is_none() && xs.track_op()).then(|| buffer(xs.elem_count()))
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
        Ok((CpuStorage::F32(self.banks.forward(rows)?), Shape::from((rows.len(), self.banks.width()))))
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
            self.banks.backward(rows, values[1], values[2], input.as_deref_mut())
        })?;
        Ok((input.map(|input| Tensor::from_vec(input, xs.shape(), xs.device())).transpose()?, None))
    }
}
