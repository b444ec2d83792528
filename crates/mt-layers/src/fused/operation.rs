//! Operations on the rows of an input, and how they take part in autograd.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use mt_kernels::InputGradient;
use mt_kernels::rows::Rows;
use mt_kernels::scratch::{Scratch, scratch};

use super::{slice, with_all, with_values};
use crate::detour::Why;
use crate::input::{Input, SparseRows};
use crate::leaf::Below;
use crate::run::Run;

/// An operation on the rows of an input with a hand-written backward pass.
pub(crate) trait Operation: Send + Sync + 'static {
    const NAME: &'static str;

    /// Columns of the result.
    fn width(&self) -> usize;

    /// The result, row-major.
    fn forward(&self, rows: Rows) -> Result<Vec<f32>>;

    /// Adds the parameters' gradients to their slots, and that of dense `rows` to `input` if it is wanted. `result`
    /// and `rows` are those of the latest forward pass.
    fn backward(
        &self,
        rows: Rows,
        result: &[f32],
        gradient: Scratch,
        input: Option<&mut InputGradient>,
    ) -> Result<()>;
}

/// Applies an operation to `xs`; `weight` and `bias` are parameters of its first layer.
///
/// While gradients are being collected the result is a [`leaf`] if nothing of candle's lies below it: its gradient
/// then comes back without passing through candle.
pub(crate) fn apply<O: Operation>(
    operation: O,
    xs: &Input,
    weight: &Tensor,
    bias: &Tensor,
    run: &mut Run,
) -> Result<Tensor> {
    let (sparse, xs) = match xs {
        // Sparse rows are no tensor; the bias stands in as the unused first argument.
        Input::Sparse(rows) => (Some(rows.clone()), bias.detach()),
        Input::Dense(xs) => (None, xs.clone()),
    };
    let applied = Applied { sparse, operation, below: run.below(&xs) };
    let learns = weight.track_op() || xs.track_op();
    let through_candle = xs.track_op() && !applied.below.is_leaf();
    if run.collects() && through_candle {
        run.left(weight, Why::Graph);
    }
    if !run.collects() || !learns || through_candle {
        return xs.apply_op2(weight, applied);
    }
    let out = with_values(&xs, |values| applied.operation.forward(applied.rows(values, xs.shape())?))?;
    let shape = (out.len() / applied.operation.width(), applied.operation.width());
    run.leaf(out, shape, move |result, gradient| {
        with_values(result, |result| applied.backward(&xs, result, gradient)).map(|_| ())
    })
}

/// An operation and what it reads: the tensor it is applied to, or sparse rows, beside which that is a stand-in. The
/// second argument is the first weight, which ties the operation into the graph when the input itself needs no
/// gradient.
struct Applied<O> {
    sparse: Option<Arc<SparseRows>>,
    operation: O,
    below: Below,
}

impl<O: Operation> Applied<O> {
    /// The rows behind the first argument.
    fn rows<'a>(&'a self, dense: &'a [f32], shape: &Shape) -> Result<Rows<'a>> {
        match &self.sparse {
            Some(rows) => {
                let (offsets, columns, values) = rows.parts();
                Ok(Rows::sparse(offsets, columns, values))
            }
            None => Ok(Rows::Dense { values: dense, width: shape.dims2()?.1 }),
        }
    }

    /// Returns the gradient of `xs` where candle is to have it.
    fn backward(&self, xs: &Tensor, result: &[f32], gradient: Scratch) -> Result<Option<Tensor>> {
        let mut input = (self.sparse.is_none() && xs.track_op()).then(|| self.below.take(xs));
        with_values(xs, |values| {
            let rows = self.rows(values, xs.shape())?;
            self.operation.backward(rows, result, gradient, input.as_mut())
        })?;
        input.map_or(Ok(None), |input| self.below.give(input, xs))
    }
}

impl<O: Operation> CustomOp2 for Applied<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let out = self.operation.forward(self.rows(slice(s1, l1)?, l1.shape())?)?;
        let shape = (out.len() / self.operation.width(), self.operation.width());
        Ok((CpuStorage::F32(out), shape.into()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        _: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = with_all(&[res, &grad.contiguous()?], |values| {
            let mut gradient = scratch(values[1].len());
            gradient.copy_from_slice(values[1]);
            self.backward(xs, values[0], gradient)
        })?;
        Ok((gradient, None))
    }
}
