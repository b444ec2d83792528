//! Adam for the few numbers that a balancing method learns.

use serde::{Deserialize, Serialize};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Moments of one number. Kingma & Ba 2015, algorithm 1, with its constants; in float64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moments {
    mean: f64,
    square: f64,
    steps: i32,
}

impl Moments {
    /// What to add to the number after a gradient.
    pub fn change(&mut self, gradient: f64, rate: f64) -> f64 {
        self.steps = self.steps.saturating_add(1);
        self.mean = BETA1 * self.mean + (1.0 - BETA1) * gradient;
        self.square = BETA2 * self.square + (1.0 - BETA2) * gradient * gradient;
        let mean = self.mean / (1.0 - BETA1.powi(self.steps));
        let square = self.square / (1.0 - BETA2.powi(self.steps));
        -rate * mean / (square.sqrt() + EPSILON)
    }
}
