//! The scale on which a regression is learned, and the way back to the label's unit.

use serde::{Deserialize, Serialize};

use crate::link::Link;
use crate::ordinal::Ordinal;

/// How the labels of a regression were scaled for training, so that its loss is of the size of the other tasks'.
///
/// The network learns `(g(y) - mean) / sd`, where `g(y)` is what the loss compares: the label, or `ln(1 + y)` under
/// [`Link::ExpM1`]; under [`Link::Exp`], whose labels have a zero that must stay, `y / sd`: `sd` is then a unit, their mean or
/// of [`TaskKind::ZeroInflated`](mt_features::TaskKind::ZeroInflated) the geometric mean of those above 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Taken off, in the unit of `g(y)`.
    pub mean: f64,
    /// Divided by, in the unit of `g(y)`; above 0.
    pub sd: f64,
    /// Of [`Link::ExpM1`], the mean of `e^(g(y) - u)` over training rows, `u` what the network says of `g(y)`: `e^u` is
    /// nearer to the median of `1 + y`, and `smearing` times `e^u` to its mean. N. Duan, *Smearing Estimate: A
    /// Nonparametric Retransformation Method*, J. Amer. Statist. Assoc. 78(383), 1983, eq. 3.4. Of
    /// [`TaskKind::ZeroInflated`](mt_features::TaskKind::ZeroInflated), the sum of the labels of training rows over that of their
    /// predictions: what labels above 0 that are not log-normal make of the mean.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub smearing: f64,
    /// Of [`TaskKind::Ordinal`](mt_features::TaskKind::Ordinal) the thresholds that labels are compared with: what is learned is which of
    /// them a label is above, and nothing else scales it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<Ordinal>,
}

fn one() -> f64 {
    1.0
}

fn is_one(x: &f64) -> bool {
    *x == 1.0
}

impl Target {
    /// Labels as they are.
    pub const PLAIN: Self = Self { mean: 0.0, sd: 1.0, smearing: 1.0, ordinal: None };

    /// Labels, given with their weights, in units of the geometric mean of those above 0, so that their logarithms have mean 0.
    pub fn of_amounts(labels: impl Iterator<Item = (f32, f64)>) -> Self {
        let above = labels.filter(|(label, _)| *label > 0.0);
        let (sum, all) = above.fold((0.0, 0.0), |(sum, all), (label, weight)| {
            (sum + weight * libm::log(label.into()), all + weight)
        });
        Self { sd: if all > 0.0 { libm::exp(sum / all) } else { 1.0 }, ..Self::PLAIN }
    }

    /// What the loss compares of a label, before it is scaled.
    pub fn compared(link: Link, label: f32) -> f64 {
        match link {
            Link::ExpM1 => libm::log1p(label.into()),
            Link::Identity | Link::Exp => f64::from(label),
        }
    }

    /// What the network is to say of a label; subtracted before it is rounded.
    pub fn scaled(&self, link: Link, label: f32) -> f32 {
        if let Some(ordinal) = &self.ordinal {
            return ordinal.above(label) as f32;
        }
        ((Self::compared(link, label) - self.mean) / self.sd) as f32
    }

    /// Factor and summand that take the network's output to what `link` undoes.
    pub fn undo(&self, link: Link) -> (f32, f32) {
        match link {
            Link::Identity => (self.sd as f32, self.mean as f32),
            Link::ExpM1 => (self.sd as f32, (self.mean + libm::log(self.smearing)) as f32),
            Link::Exp => (1.0, (libm::log(self.sd) + libm::log(self.smearing)) as f32),
        }
    }

    /// Whether every part is a number that a scale can have.
    pub fn is_sound(&self) -> bool {
        let above_zero = |x: f64| x > 0.0 && x.is_finite();
        let ordered = self.ordinal.as_ref().is_none_or(Ordinal::is_sound);
        self.mean.is_finite() && above_zero(self.sd) && above_zero(self.smearing) && ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_comes_back_from_each_scale() {
        let target = Target { mean: 250.0, sd: 40.0, ..Target::PLAIN };
        let log = Target { mean: 5.0, sd: 2.0, ..Target::PLAIN };
        let shares = Target { sd: 30.0, ..Target::PLAIN };
        for label in [0.0, 3.0, 777.0] {
            let (factor, summand) = target.undo(Link::Identity);
            approx::assert_relative_eq!(
                target.scaled(Link::Identity, label) * factor + summand,
                label,
                epsilon = 1e-3
            );
            let (factor, summand) = log.undo(Link::ExpM1);
            let undone = (log.scaled(Link::ExpM1, label) * factor + summand).exp_m1();
            approx::assert_relative_eq!(undone, label, max_relative = 1e-5, epsilon = 1e-5);
            // The odds are the scaled label.
            let (factor, summand) = shares.undo(Link::Exp);
            let undone = (shares.scaled(Link::Exp, label).ln() * factor + summand).exp();
            approx::assert_relative_eq!(undone, label, max_relative = 1e-5);
        }
        let amounts = Target::of_amounts([(0.0, 1.0), (2.0, 3.0), (32.0, 1.0)].into_iter());
        approx::assert_relative_eq!(amounts.sd, 4.0, max_relative = 1e-15);
        assert_eq!(Target::of_amounts(std::iter::once((0.0, 1.0))), Target::PLAIN);
        let (_, summand) = Target { smearing: 0.5, ..amounts.clone() }.undo(Link::Exp);
        approx::assert_relative_eq!(summand.exp(), 2.0, max_relative = 1e-6);
        let smeared = Target { smearing: 4.0, ..log.clone() };
        let (_, summand) = smeared.undo(Link::ExpM1);
        approx::assert_relative_eq!(summand.exp(), 4.0 * 5f32.exp(), max_relative = 1e-6);
    }
}
