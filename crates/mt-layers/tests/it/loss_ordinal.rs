//! The loss of thresholds.

use approx::assert_relative_eq;
use candle_core::{DType, Device, Result, Tensor, Var};
use mt_layers::{LossKind, MultiTaskLoss};

use crate::loss::task;

/// PyTorch's 64-bit numbers, rounded to six places:
///
/// ```python
/// import torch
/// torch.set_default_dtype(torch.float64)
/// z = (2 * torch.sin(torch.arange(15, dtype=torch.float64) * 1.7 + 0.3)).reshape(5, 3).requires_grad_()
/// y, w = torch.tensor([0.0, 3.0, 1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 0.5, 1.0, 0.0])
/// above = (y[:, None] > torch.arange(3)).double()
/// rows = torch.nn.functional.binary_cross_entropy_with_logits(z + torch.tensor([3.0, 1.0, 1 / 3]).log(), above, reduction="none").mean(1)
/// loss = (w * rows).sum() / w.sum()
/// loss.backward()
/// print(round(loss.item(), 6), [round(g, 6) for g in z.grad.flatten().tolist()])
/// ```
#[test]
fn values_and_slopes_are_those_of_pytorch() -> Result<()> {
    let expected = [
        0.062_532, 0.063_733, 0.007_671, -0.090_356, -0.027_968, -0.071_437, -0.024_424, 0.012_155,
        0.025_911, -0.015_689, -0.065_241, 0.022_983, 0.0, 0.0, 0.0,
    ];
    let logits = (0..15).map(|i| (2.0 * (f64::from(i) * 1.7 + 0.3).sin()) as f32).collect::<Vec<_>>();
    let tasks = [task(3, LossKind::Ordinal { thresholds: 3 })];
    let (labels, mask) = ([0.0, 3.0, 1.0, 2.0, 1.0], [1.0, 2.0, 0.5, 1.0, 0.0]);
    // Fused, and of candle's operations.
    for dtype in [DType::F32, DType::F64] {
        let logits = Var::from_tensor(&Tensor::from_slice(&logits, (5, 3), &Device::Cpu)?.to_dtype(dtype)?)?;
        let loss = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask }.forward(&logits)?;
        assert_relative_eq!(loss.tasks.to_vec1::<f32>()?[0], 0.861_452, epsilon = 2e-6);
        let slopes = loss.total.backward()?.get(&logits).expect("a slope").to_dtype(DType::F32)?;
        assert_relative_eq!(slopes.flatten_all()?.to_vec1::<f32>()?[..], expected, epsilon = 2e-6);
    }
    Ok(())
}
