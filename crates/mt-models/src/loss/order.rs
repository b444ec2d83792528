//! Tasks of which each is part of the one before, such as a purchase of a click: what a network says of them should not be the other way
//! round. D. Xi et al., *Modeling the Sequential Dependence among Audience Multi-step Conversions with Multi-task Learning in Targeted
//! Display Advertising*, KDD 2021, eq. 13: the behavioural expectation calibrator of AITM.
//!
//! ```text
//! C = mean of Σ_t max(p_t - p_(t-1), 0)
//! ```
//!
//! `p_t` is the probability of task `t` of the list. The mean is over rows in which its first task has a label, by their weights.
//!
//! Differs from the paper: its sum over rows is a mean, as all losses here are; their weight there is 0.6.

use candle_core::{Result, Tensor};
use mt_features::TaskKind;
use mt_layers::sigmoid;

use super::joint::{JointLoss, JointRows};
use crate::section::Section;

/// The joint loss `order`.
#[derive(Debug)]
struct Order {
    tasks: Vec<String>,
}

/// Reads `tasks`, at least two, the most frequent first.
pub(crate) fn read(section: &mut Section<'_>) -> crate::error::Result<Box<dyn JointLoss>> {
    let tasks =
        section.names("tasks", "tasks of which each is part of the one before, such as [click, buy]")?;
    match tasks.len() {
        1 => Err(section.error("tasks", "expected two tasks or more, found 1")),
        _ => Ok(Box::new(Order { tasks })),
    }
}

impl JointLoss for Order {
    fn tasks(&self) -> &[String] {
        &self.tasks
    }

    fn is_for(&self, kind: TaskKind) -> bool {
        kind == TaskKind::Binary
    }

    fn forward(&self, rows: &JointRows<'_>) -> Result<Tensor> {
        let chances = rows.logits.iter().map(|logits| sigmoid(&logits.contiguous()?));
        let chances = Tensor::cat(&chances.collect::<Result<Vec<_>>>()?, 1)?;
        let above = chances.dim(1)? - 1;
        let over = (chances.narrow(1, 1, above)? - chances.narrow(1, 0, above)?)?.relu()?;
        rows.mean(&over.sum_keepdim(1)?, &rows.weights[0])
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};
    use serde_json::json;

    use super::*;
    use crate::{LossConfig, Registry};

    /// PyTorch's 64-bit numbers, rounded to six places:
    ///
    /// ```python
    /// import torch
    /// z = torch.sin(torch.arange(15, dtype=torch.float64) * 1.7 + 0.3).mul(2).reshape(5, 3).requires_grad_()
    /// w = torch.tensor([1, 0, 2, 0.5, 1], dtype=torch.float64)
    /// p = torch.sigmoid(z)
    /// loss = (torch.relu(p[:, 1:] - p[:, :-1]).sum(1) * w).sum() / w.sum()
    /// loss.backward()
    /// print(round(loss.item(), 6), [round(e, 6) for e in z.grad.flatten().tolist()])
    /// ```
    #[test]
    fn value_and_slopes_are_those_of_pytorch() -> Result<()> {
        let loss_and_slopes = (
            0.422_269,
            [
                -0.050_973, 0.026_692, 0.0, 0.0, 0.0, 0.0, -0.055_687, 0.0, 0.048_68, 0.0, -0.011_67,
                0.027_163, 0.0, 0.0, 0.0,
            ],
        );
        let wave: Vec<f32> = (0..15).map(|i| (2.0 * (f64::from(i) * 1.7 + 0.3).sin()) as f32).collect();
        let z = Var::from_vec(wave, (5, 3), &Device::Cpu)?;
        let logits = (0..3).map(|t| z.narrow(1, t, 1)).collect::<Result<Vec<_>>>()?;
        let weights = vec![vec![1.0, 0.0, 2.0, 0.5, 1.0], vec![0.0; 5], vec![3.0; 5]];
        let written = LossConfig::new("order").with("tasks", json!(["click", "cart", "buy"]));
        let (weight, loss) = Registry::default().joint_loss("a key", &written).expect("a loss");
        assert_eq!((weight, loss.tasks().len()), (1.0, 3));
        let found = loss.forward(&JointRows::new(&logits, (&vec![vec![f32::NAN; 5]; 3], &weights), None)?)?;
        approx::assert_relative_eq!(found.to_scalar::<f32>()?, loss_and_slopes.0, epsilon = 2e-6);
        let slopes = found.backward()?.get(&z).expect("a slope").flatten_all()?.to_vec1::<f32>()?;
        approx::assert_relative_eq!(slopes[..], loss_and_slopes.1, epsilon = 2e-6);
        // Rows of which the first task says nothing.
        let none = vec![vec![0.0; 5]; 3];
        let found = loss.forward(&JointRows::new(&logits, (&none, &none), None)?)?;
        assert_eq!(found.to_scalar::<f32>()?, 0.0);
        Ok(())
    }

    #[test]
    fn keys_that_cannot_be_are_named() {
        let refused = |written: LossConfig| {
            Registry::default()
                .joint_loss("train.joint_losses[0]", &written)
                .expect_err("refused")
                .to_string()
        };
        let order = || LossConfig::new("order");
        assert_eq!(
            refused(order()),
            "train.joint_losses[0].order.tasks: expected tasks of which each is part of the one before, such as [click, buy]"
        );
        assert_eq!(
            refused(order().with("tasks", json!(["click"]))),
            "train.joint_losses[0].order.tasks: expected two tasks or more, found 1"
        );
        let pair = || order().with("tasks", json!(["click", "buy"]));
        assert_eq!(
            refused(pair().with("weight", -1)),
            "train.joint_losses[0].order.weight: expected a number above 0, found -1"
        );
        assert!(refused(pair().with("wieght", 1)).contains("did you mean \"weight\"?"));
        assert!(refused(LossConfig::new("ordre")).contains("did you mean \"order\"?"));
    }
}
