//! Pairs of rows of a group in the order of their labels (C. Burges et al., "Learning to Rank using Gradient Descent", ICML 2005,
//! with target probabilities of 1).
//!
//! ```text
//! C = mean over pairs with y_i > y_j of ln(1 + e^-(z_i - z_j))
//! ```
//!
//! | symbol | what |
//! |---|---|
//! | `z_i` | logit of row `i`; of two logits the difference |
//! | `y_i` | its label |
//!
//! Differs from the paper: it adds up pairs, so a group counts by the square of its rows. Here a group has the mean of its pairs,
//! each by the product of its rows' weights, and counts by its rows' weights, as in the mean of the groups' AUC.

use candle_core::{Result, Tensor};
use mt_features::TaskKind;
use mt_layers::LossKind;

use super::{Coupling, LossRows, TaskLoss};
use crate::section::Section;

/// The loss `ranknet`, without keys.
#[derive(Debug)]
struct Ranknet;

pub(crate) fn read(_: &mut Section<'_>) -> crate::error::Result<Box<dyn TaskLoss>> {
    Ok(Box::new(Ranknet))
}

impl TaskLoss for Ranknet {
    fn is_for(&self, kind: TaskKind) -> bool {
        matches!(kind, TaskKind::Binary | TaskKind::BinarySoftmax)
    }

    fn forward(&self, rows: &LossRows<'_>) -> Result<Tensor> {
        let z = match rows.logits.dim(1)? {
            1 => rows.logits.clone(),
            _ => (rows.logits.narrow(1, 1, 1)? - rows.logits.narrow(1, 0, 1)?)?,
        };
        let pairs = Pairs::of(rows);
        let device = z.device();
        if pairs.shares.is_empty() {
            return LossRows::nothing(rows.logits);
        }
        let count = pairs.shares.len();
        let of = |rows: Vec<u32>| z.index_select(&Tensor::from_vec(rows, count, device)?, 0);
        let ahead = (of(pairs.higher)? - of(pairs.lower)?)?;
        // A pair is a row that is 1 where the higher one is ahead.
        let mean = LossKind::CrossEntropy.forward(&LossRows::new(
            &ahead,
            (&vec![1.0; count], &pairs.shares),
            None,
        )?)?;
        mean * pairs.shares.iter().map(|share| f64::from(*share)).sum::<f64>()
    }

    fn coupling(&self) -> Coupling {
        Coupling::Group
    }
}

/// Rows that are compared, and the share of each pair in the mean.
#[derive(Default)]
struct Pairs {
    higher: Vec<u32>,
    lower: Vec<u32>,
    shares: Vec<f32>,
}

impl Pairs {
    fn of(rows: &LossRows<'_>) -> Self {
        let weight = |row: u32| f64::from(rows.weights[row as usize]);
        let all: f64 = rows.weights.iter().map(|weight| f64::from(*weight)).sum();
        let (mut pairs, mut weights) = (Self::default(), Vec::new());
        for group in rows.by_group() {
            let first = weights.len();
            for (k, &i) in group.iter().enumerate() {
                for &j in &group[k + 1..] {
                    let (y_i, y_j) = (rows.labels[i as usize], rows.labels[j as usize]);
                    let (higher, lower) = if y_i > y_j { (i, j) } else { (j, i) };
                    if y_i != y_j {
                        pairs.higher.push(higher);
                        pairs.lower.push(lower);
                        weights.push(weight(i) * weight(j));
                    }
                }
            }
            let own: f64 = group.iter().map(|&row| weight(row)).sum();
            let sum: f64 = weights[first..].iter().sum();
            pairs.shares.extend(weights[first..].iter().map(|weight| (weight / sum * own / all) as f32));
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::loss::tests::{GROUPS, LABELS, WEIGHTS, wave};

    /// From this program, PyTorch 1.12.1:
    ///
    /// ```text
    /// import torch
    /// g = torch.tensor([4, 1, 4, 4, 1, 9, 1, 4])
    /// y = torch.tensor([1, 0, 0, 1, 1, 1, 0, 0])
    /// w = torch.tensor([1, 2, .5, 1, 1, 1, 3, 1], dtype=torch.float64)
    /// z = (2 * torch.sin(torch.arange(8, dtype=torch.float64) * 1.7 + 0.3)).requires_grad_()
    /// same = (g[:, None] == g[None, :]).double()
    /// pair = same * (y[:, None] > y[None, :]) * w[:, None] * w[None, :]
    /// cost = torch.nn.functional.softplus(z[None, :] - z[:, None])
    /// loss = 0
    /// for k in g.unique():
    ///     own = pair * (g == k)[:, None]
    ///     if own.sum() > 0:
    ///         loss = loss + w[g == k].sum() / w.sum() * (own * cost).sum() / own.sum()
    /// loss.backward()
    /// print(loss.item(), z.grad.tolist())
    /// ```
    #[test]
    fn values_and_slopes_are_those_of_pytorch() -> Result<()> {
        let expected = [
            -0.032_601_33,
            0.134_674_15,
            0.043_341_252,
            -0.111_747_03,
            -0.147_880_58,
            0.0,
            0.013_206_433,
            0.101_007_11,
        ];
        // Of two logits their difference is one.
        for columns in [1, 2] {
            let mut logits = vec![0.0; 8 * columns];
            for (row, z) in logits.chunks_exact_mut(columns).zip(wave(8)) {
                row[columns - 1] = z;
            }
            let logits = Var::from_vec(logits, (8, columns), &Device::Cpu)?;
            let rows = LossRows::new(&logits, (&LABELS, &WEIGHTS), Some(&GROUPS))?;
            let loss = Ranknet.forward(&rows)?;
            approx::assert_relative_eq!(loss.to_scalar::<f32>()?, 0.439_158_14, max_relative = 1e-6);
            let slopes = loss.backward()?.get(&logits).expect("slopes").to_vec2::<f32>()?;
            for (row, slope) in slopes.iter().zip(expected) {
                approx::assert_abs_diff_eq!(row[columns - 1], slope, epsilon = 1e-7);
                approx::assert_abs_diff_eq!(
                    row[0],
                    if columns == 1 { slope } else { -slope },
                    epsilon = 1e-7
                );
            }
        }
        Ok(())
    }

    #[test]
    fn a_weight_counts_as_so_many_rows_and_rows_without_a_pair_cost_nothing() -> Result<()> {
        let loss = |z: &[f32], y: &[f32], w: &[f32], groups: &[u32]| -> Result<f32> {
            let logits = Var::from_slice(z, (z.len(), 1), &Device::Cpu)?;
            let loss = Ranknet.forward(&LossRows::new(&logits, (y, w), Some(groups))?)?;
            assert!(loss.backward()?.get(&logits).is_some());
            loss.to_scalar()
        };
        let weighed = loss(&[0.5, -1.0, 2.0], &[1.0, 0.0, 0.0], &[2.0, 3.0, 1.0], &[7; 3])?;
        let repeated =
            loss(&[0.5, 0.5, -1.0, -1.0, -1.0, 2.0], &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], &[1.0; 6], &[0; 6])?;
        approx::assert_relative_eq!(weighed, repeated, max_relative = 1e-6);
        assert_eq!(loss(&[0.5, -1.0, 2.0], &[1.0, 0.0, 1.0], &[1.0; 3], &[0, 1, 2])?, 0.0);
        assert_eq!(loss(&[0.5, -1.0], &[1.0, 1.0], &[1.0; 2], &[0, 0])?, 0.0);
        // One that is far off costs its distance.
        assert_eq!(loss(&[-200.0, 200.0], &[1.0, 0.0], &[1.0; 2], &[0, 0])?, 400.0);
        Ok(())
    }
}
