//! Losses of probabilities other than cross-entropy, at values worked out elsewhere.

use approx::assert_relative_eq;
use candle_core::Result;
use mt_layers::LossKind;

use crate::loss::{one, task};

/// Values of numpy 64-bit floats, by this program:
///
/// ```python
/// import numpy as np
/// for z, y in [([0.3, -1.2], 1.0), ([0.3, -1.2], 0.0), ([2.5, 3.0, 1.5], 0.25), ([12.0, 9.0], 0.0), ([-30.0, 4.0], 0.0)]:
///     z = np.array(z); p = (1 / (1 + np.exp(-z))).prod(); q = 1 / (1 + np.exp(z))
///     loss = -y * np.log(p) - (1 - y) * np.log(-np.expm1(-np.log1p(np.exp(-z)).sum()))
///     print(loss, -y * q + (1 - y) * p * q / -np.expm1(-np.log1p(np.exp(-z)).sum()))
/// ```
#[test]
fn a_product_of_probabilities_has_the_losses_of_numpy() -> Result<()> {
    type Case<'a> = (&'a [f32], f32, f64, &'a [f64]);
    let cases: [Case; 5] = [
        (&[0.3, -1.2], 1.0, 2.017_637_711_8, &[-0.425_557_48, -0.768_524_78]),
        (&[0.3, -1.2], 0.0, 0.142_680_784_9, &[0.065_264_16, 0.117_862_17]),
        (&[2.5, 3.0, 1.5], 0.25, 1.036_202_360_2, &[0.127_131_78, 0.079_481_68, 0.305_729_46]),
        (&[12.0, 9.0], 0.0, 8.951_536_342, &[0.047_425_3, 0.952_451_01]),
        (&[-30.0, 4.0], 0.0, 9.192_646_644e-14, &[9.189_314_80e-14, 1.652_809_45e-15]),
    ];
    for (logits, label, expected, slopes) in cases {
        let (loss, gradient) = one(task(logits.len(), LossKind::Product), logits, label)?;
        assert_relative_eq!(f64::from(loss), expected, max_relative = 1e-6);
        for (slope, expected) in gradient.into_iter().zip(slopes) {
            assert_relative_eq!(slope, *expected, max_relative = 2e-6);
        }
    }
    Ok(())
}

#[test]
fn a_focal_loss_is_cross_entropy_that_counts_what_is_predicted_well_less() -> Result<()> {
    for (z, label) in [(-3.0, 0.0), (-3.0, 1.0), (0.0, 1.0), (0.7, 0.3), (9.0, 0.0)] {
        let (focal, slope) = one(task(1, LossKind::Focal { gamma: 0.0 }), &[z], label)?;
        let (plain, expected) = one(task(1, LossKind::CrossEntropy), &[z], label)?;
        assert_relative_eq!(focal, plain, max_relative = 1e-6);
        assert_relative_eq!(slope[0], expected[0], max_relative = 1e-5);
    }
    // With γ = 2 a hundredth at p = 0.9, about a thousandth at p = 0.968 (section 3.2 of the paper).
    for (p, share) in [(0.9f32, 0.01f32), (0.968, 0.001_024)] {
        let z = (p / (1.0 - p)).ln();
        let (focal, _) = one(task(1, LossKind::Focal { gamma: 2.0 }), &[z], 1.0)?;
        let (plain, _) = one(task(1, LossKind::CrossEntropy), &[z], 1.0)?;
        assert_relative_eq!(focal / plain, share, max_relative = 1e-4);
    }
    Ok(())
}
