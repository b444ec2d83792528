//! Ranking and calibration by two logits (X.-R. Sheng et al., "Joint Optimization of Ranking and Calibration with Contextualized
//! Hybrid Model", KDD 2023).
//!
//! ```text
//! C = α · mean of -ln softmax(f_i)[y_i]  +  (1 - α) · mean of -ln (e^f_i[y_i] / Σ_j e^f_j[y_i])
//! ```
//!
//! | symbol | what |
//! |---|---|
//! | `f_i` | the two logits of row `i`; `softmax(f_i)[1]` is the probability |
//! | `y_i` | its label, 0 or 1 |
//! | `j` | the rows of its group, itself among them |
//!
//! Differs from the paper: a row of weight `w` counts as `w` rows, in the sum over the group too.

use candle_core::{D, DType, Result, Tensor};
use mt_features::TaskKind;
use mt_layers::{LossKind, exp, ln};

use super::{Coupling, LossRows, TaskLoss};
use crate::section::Section;

/// The loss `jrc`.
#[derive(Debug)]
struct Jrc {
    /// Share of cross-entropy `α`, 0 to 1.
    alpha: f64,
}

/// Reads `alpha`, by default ½.
pub(crate) fn read(section: &mut Section<'_>) -> crate::error::Result<Box<dyn TaskLoss>> {
    let alpha = section.get("alpha")?.unwrap_or(0.5);
    match (0.0..=1.0).contains(&alpha) {
        true => Ok(Box::new(Jrc { alpha })),
        false => Err(section.error("alpha", format!("expected a number from 0 to 1, found {alpha}"))),
    }
}

impl TaskLoss for Jrc {
    fn is_for(&self, kind: TaskKind) -> bool {
        kind == TaskKind::BinarySoftmax
    }

    fn forward(&self, rows: &LossRows<'_>) -> Result<Tensor> {
        let calibration = LossKind::CrossEntropy.forward(rows)?;
        (calibration * self.alpha)? + (self.within_groups(rows)? * (1.0 - self.alpha))?
    }

    fn coupling(&self) -> Coupling {
        Coupling::Group
    }
}

impl Jrc {
    /// The mean of what tells a row apart from those of its group that had its label.
    fn within_groups(&self, rows: &LossRows<'_>) -> Result<Tensor> {
        let (f, device) = (rows.logits, rows.logits.device());
        let (groups, count) = rows.numbered();
        // The largest exponent of each group, taken out.
        let mut largest = vec![[f32::NEG_INFINITY; 2]; count];
        let values = f.detach().to_dtype(DType::F32)?.to_vec2::<f32>()?;
        for (row, &group) in values.iter().zip(&groups) {
            largest[group as usize].iter_mut().zip(row).for_each(|(most, f)| *most = most.max(*f));
        }
        let largest: Vec<f32> = groups.iter().flat_map(|&group| largest[group as usize]).collect();
        let largest = Tensor::from_vec(largest, f.shape(), device)?.to_dtype(f.dtype())?;
        let groups = Tensor::from_vec(groups, rows.labels.len(), device)?;
        let counted = exp(&(f - &largest)?)?.broadcast_mul(&rows.column(rows.weights)?)?;
        let sums = Tensor::zeros((count, 2), f.dtype(), device)?.index_add(&groups, &counted, 0)?;
        let costs = ((ln(&sums.index_select(&groups, 0)?)? + largest)? - f)?;
        let own = rows.targets()?.to_dtype(DType::U32)?;
        rows.mean(&costs.gather(&own.contiguous()?, D::Minus1)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::loss::tests::{GROUPS, LABELS, WEIGHTS, wave};

    /// From this program, PyTorch 1.12.1, with `g`, `y` and `w` of the test of `ranknet`:
    ///
    /// ```text
    /// same = (g[:, None] == g[None, :]).double()
    /// f = (2 * torch.sin(torch.arange(16, dtype=torch.float64) * 1.7 + 0.3)).reshape(8, 2).requires_grad_()
    /// ce = -torch.log_softmax(f, 1)[range(8), y]
    /// within = (same[:, :, None] * w[None, :, None] * f.exp()[None]).sum(1).log() - f
    /// loss = (w * (0.25 * ce + 0.75 * within[range(8), y])).sum() / w.sum()
    /// loss.backward()
    /// print(loss.item(), f.grad.flatten().tolist())
    /// ```
    #[test]
    fn values_and_slopes_are_those_of_pytorch() -> Result<()> {
        let expected = [
            0.050_328_493,
            -0.001_635_475,
            -0.152_212_35,
            0.028_216_828,
            0.012_644_356,
            0.024_751_09,
            0.010_487_766,
            -0.071_673_71,
            0.108_735_606,
            -0.062_322_62,
            0.002_170_968_6,
            -0.002_170_968_6,
            0.041_134_38,
            0.036_448_15,
            -0.089_592_59,
            0.064_690_07,
        ];
        let logits = Var::from_vec(wave(16), (8, 2), &Device::Cpu)?;
        let rows = LossRows::new(&logits, (&LABELS, &WEIGHTS), Some(&GROUPS))?;
        let loss = Jrc { alpha: 0.25 }.forward(&rows)?;
        approx::assert_relative_eq!(loss.to_scalar::<f32>()?, 1.661_594, max_relative = 1e-6);
        let slopes = loss.backward()?.get(&logits).expect("slopes").flatten_all()?.to_vec1::<f32>()?;
        approx::assert_abs_diff_eq!(slopes[..], expected[..], epsilon = 1e-7);
        Ok(())
    }

    #[test]
    fn alone_in_its_group_a_row_has_cross_entropy_only_and_nothing_overflows() -> Result<()> {
        let loss = |alpha: f64, f: [f32; 4], groups: [u32; 2]| {
            let logits = Tensor::from_slice(&f, (2, 2), &Device::Cpu)?;
            let rows = LossRows::new(&logits, (&[1.0, 0.0], &[1.0; 2]), Some(&groups))?;
            Jrc { alpha }.forward(&rows)?.to_scalar::<f32>()
        };
        let f = [0.5, -1.0, 2.0, 0.25];
        assert_eq!(loss(0.0, f, [3, 1])?, 0.0);
        approx::assert_relative_eq!(loss(0.5, f, [3, 1])?, loss(1.0, f, [3, 1])? / 2.0, max_relative = 1e-6);
        // Of the row that had its label, each is 300 behind.
        assert_eq!(loss(0.0, [300.0, -300.0, 0.0, 0.0], [1, 1])?, 300.0);
        Ok(())
    }
}
