//! How evenly gates use their experts, as a loss. N. Shazeer et al., *Outrageously Large Neural Networks: The
//! Sparsely-Gated Mixture-of-Experts Layer*, ICLR 2017, eq. 6-7.
//!
//! A gate's importance of an expert is the sum of its weights over the batch; the loss is the square of the importances'
//! coefficient of variation. As a gate's weights sum to 1 in each row, it is `E Σ_e w̄_e² - 1` of the mean weights `w̄`: 0
//! for even use, `E - 1` for a single expert. A gate's own experts only; summed over all gates.

use std::cell::RefCell;

use candle_core::{Result, Tensor};

use crate::mixture::Mixture;
use crate::notes::{note, noted, noting};

thread_local! {
    static IMBALANCES: RefCell<Option<Vec<Tensor>>> = const { RefCell::new(None) };
}

/// Runs `forward` and returns the importance loss, a scalar to differentiate, of all gates in it; `None` where no gate has a
/// choice.
///
/// # Errors
/// Whatever `forward` fails with.
pub fn with_importance<T>(forward: impl FnOnce() -> Result<T>) -> Result<(T, Option<Tensor>)> {
    let (out, imbalances) = noting(&IMBALANCES, forward)?;
    let sum = |all: Tensor, next: Tensor| all + next;
    let mut imbalances = imbalances.into_iter();
    let first = imbalances.next();
    let total = first.map(|first| imbalances.try_fold(first, sum)).transpose()?;
    Ok((out, total))
}

/// Whether someone looks.
pub(crate) fn weighing() -> bool {
    noted(&IMBALANCES)
}

/// Notes how unevenly a mixture's gates use their experts, if someone looks.
pub(crate) fn imbalance(mixture: &Mixture, logits: &Tensor) -> Result<()> {
    if mixture.gates.iter().all(|gate| gate.len() < 2) {
        return Ok(());
    }
    note(&IMBALANCES, || {
        let means = mixture.weights(logits)?.mean(0)?;
        // A gate without a choice has weight 1, and adds 1 - 1.
        let choices =
            mixture.gates.iter().flat_map(|gate| std::iter::repeat_n(gate.len() as f32, gate.len()));
        let choices = Tensor::from_iter(choices, means.device())?.to_dtype(means.dtype())?;
        (means.sqr()? * choices)?.sum_all()? - mixture.gates.len() as f64
    })
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn the_loss_is_the_squared_coefficient_of_variation_of_the_importances() -> Result<()> {
        let mixture = Mixture::new(1, vec![vec![0, 1, 2], vec![1, 2], vec![0]], 1.0)?;
        let experts = Tensor::zeros((2, 3), candle_core::DType::F32, &Device::Cpu)?;
        let rows = [[1f32, 0.0, -1.0, 2.0, 0.5, 9.0], [0.5, 3.0, 0.0, -1.0, 0.0, 9.0]];
        let logits = Var::new(&rows, &Device::Cpu)?;
        let (_, loss) = with_importance(|| mixture.forward(&experts, &logits))?;
        let loss = loss.expect("gates with a choice");

        let expected = |gate: std::ops::Range<usize>| {
            let mut importances = vec![0f64; gate.len()];
            for row in &rows {
                let exps: Vec<f64> = row[gate.clone()].iter().map(|x| f64::from(*x).exp()).collect();
                let sum: f64 = exps.iter().sum();
                importances.iter_mut().zip(exps).for_each(|(all, exp)| *all += exp / sum);
            }
            let mean = importances.iter().sum::<f64>() / importances.len() as f64;
            let squares = importances.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
            squares / importances.len() as f64 / mean.powi(2)
        };
        let expected = expected(0..3) + expected(3..5);
        approx::assert_relative_eq!(f64::from(loss.to_scalar::<f32>()?), expected, max_relative = 1e-5);

        let gradients = loss.backward()?;
        let slopes = gradients.get(&logits).expect("a gradient").to_vec2::<f32>()?;
        assert!(slopes[0][..5].iter().all(|slope| *slope != 0.0), "{slopes:?}");
        Ok(())
    }

    #[test]
    fn a_model_without_a_choice_has_none() -> Result<()> {
        let mixture = Mixture::new(1, vec![vec![0]], 1.0)?;
        let one = Tensor::ones((2, 1), candle_core::DType::F32, &Device::Cpu)?;
        assert!(with_importance(|| mixture.forward(&one, &one))?.1.is_none());
        Ok(())
    }
}
