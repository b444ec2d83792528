//! The loss of labels that are often 0 and else log-normal.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use candle_core::Result;
use mt_layers::LossKind;

use crate::loss::{one, task};

/// Values of PyTorch 2 in 64-bit floats, by this program:
///
/// ```python
/// import torch
/// torch.set_default_dtype(torch.float64)
/// for z, m, s, y in [(0.3, 1.2, -0.5, 0.0), (0.3, 1.2, -0.5, 7.5), (-2.0, 3.0, 0.8, 250.0), (25.0, -1.0, -9.0, 0.36),
///                    (-40.0, 2.0, 3.0, 1e-6)]:
///     x = torch.tensor([z, m, s], requires_grad=True)
///     loss = torch.nn.functional.binary_cross_entropy_with_logits(x[0], torch.tensor(float(y > 0)))
///     if y > 0:
///         sigma = torch.nn.functional.softplus(x[2]) + 0.01
///         loss = loss - torch.distributions.LogNormal(x[1], sigma).log_prob(torch.tensor(y))
///     loss.backward()
///     print(loss.item(), x.grad.tolist())
/// ```
#[test]
fn a_zero_inflated_log_normal_has_the_losses_of_pytorch() -> Result<()> {
    type Case = ([f32; 3], f32, f64, [f64; 3]);
    let cases: [Case; 5] = [
        ([0.3, 1.2, -0.5], 0.0, 0.854_355_244_5, [0.574_442_516_8, 0.0, 0.0]),
        ([0.3, 1.2, -0.5], 7.5, 4.179_630_464_8, [-0.425_557_483_2, -3.477_579_436, -1.430_285_006]),
        ([-2.0, 3.0, 0.8], 250.0, 11.012_545_096, [-0.880_797_078, -1.807_500_443, -2.078_241_996]),
        ([25.0, -1.0, -9.0], 0.36, -2.408_530_216, [-1.388_794e-11, 211.266_162_1, -0.043_565_782]),
        ([-40.0, 2.0, 3.0], 1e-6, 41.590_249_92, [-1.0, 1.690_602_24, -8.015_825_633]),
    ];
    for (logits, label, expected, slopes) in cases {
        let (loss, gradient) = one(task(3, LossKind::Ziln), &logits, label)?;
        assert_relative_eq!(f64::from(loss), expected, max_relative = 2e-5);
        for (slope, expected) in gradient.into_iter().zip(slopes) {
            assert_relative_eq!(slope, expected, max_relative = 2e-5);
        }
    }
    Ok(())
}

#[test]
fn it_is_lowest_where_it_says_what_the_labels_are() -> Result<()> {
    // Of two labels 0 and two whose logarithms are 1 ± 0.5: p = 1/2, μ = 1, σ = 0.5.
    let s = (0.5f64 - mt_layers::LEAST_SIGMA).exp_m1().ln() as f32;
    let labels = [0.0, 0.0, 0.5f32.exp(), 1.5f32.exp()];
    let mut slopes = [0.0; 3];
    for label in labels {
        let (_, gradient) = one(task(3, LossKind::Ziln), &[0.0, 1.0, s], label)?;
        slopes.iter_mut().zip(gradient).for_each(|(sum, slope)| *sum += slope);
    }
    assert_abs_diff_eq!(slopes[..], [0.0; 3], epsilon = 1e-5);
    Ok(())
}

#[test]
fn extreme_logits_have_finite_losses_and_gradients() -> Result<()> {
    for size in [17.0, 100.0, 800.0] {
        for (logits, label) in [([-size, size, -size], 3.0), ([size, -size, size], 0.0), ([-size; 3], 1e30)] {
            let (loss, gradient) = one(task(3, LossKind::Ziln), &logits, label)?;
            assert!(loss >= size && gradient.iter().all(|slope| slope.is_finite()), "{loss} {gradient:?}");
            assert_relative_eq!(gradient[0].abs(), 1.0, max_relative = 1e-6);
        }
    }
    Ok(())
}
