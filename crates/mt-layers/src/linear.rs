//! The matrix product of the plain compositions.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp2, Layout, MetalStorage, Result, Shape, Tensor};

/// `xs · w` for `(B, I)` and `(I, O)`, whose backward skips the gradient nobody reads: candle's own computes the one
/// of the data, the largest operand of the network, at every step.
pub(crate) fn matmul(xs: &Tensor, w: &Tensor) -> Result<Tensor> {
    xs.contiguous()?.apply_op2(&w.contiguous()?, Matmul)
}

struct Matmul;

fn sizes(l1: &Layout, l2: &Layout) -> Result<(usize, usize, usize)> {
    let (m, k) = l1.shape().dims2()?;
    let (inner, n) = l2.shape().dims2()?;
    if inner != k {
        candle_core::bail!("product of {m} x {k} and {inner} x {n}")
    }
    Ok((m, n, k))
}

macro_rules! forward {
    ($name:ident, $storage:ty) => {
        fn $name(&self, s1: &$storage, l1: &Layout, s2: &$storage, l2: &Layout) -> Result<($storage, Shape)> {
            let (m, n, k) = sizes(l1, l2)?;
            Ok((s1.matmul(s2, (1, m, n, k), l1, l2)?, Shape::from((m, n))))
        }
    };
}

impl CustomOp2 for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    forward!(cpu_fwd, CpuStorage);
    forward!(cuda_fwd, CudaStorage);
    forward!(metal_fwd, MetalStorage);

    fn bwd(
        &self,
        xs: &Tensor,
        w: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let to_xs = if xs.track_op() { Some(grad.matmul(&w.detach().t()?)?) } else { None };
        let to_w = if w.track_op() { Some(xs.detach().t()?.matmul(grad)?) } else { None };
        Ok((to_xs, to_w))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn gradients_are_candles_and_the_datas_is_left_out() -> Result<()> {
        let xs = Tensor::arange(0f32, 6.0, &Device::Cpu)?.reshape((2, 3))?;
        let w = Var::from_tensor(&(Tensor::arange(0f32, 12.0, &Device::Cpu)?.reshape((3, 4))? * 0.1)?)?;
        let ours = matmul(&xs, &w)?.sqr()?.sum_all()?.backward()?;
        let theirs = xs.matmul(&w)?.sqr()?.sum_all()?.backward()?;
        let of =
            |grads: &candle_core::backprop::GradStore| grads.get(&w).expect("a gradient").to_vec2::<f32>();
        assert_eq!(of(&ours)?, of(&theirs)?);
        assert!(ours.get(&xs).is_none());
        Ok(())
    }
}
