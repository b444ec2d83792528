//! What a balancing method did between two lines of the log.

use std::collections::BTreeMap;

use super::gram::Gram;
use crate::running::TaskProgress;

/// A sum and its terms.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn take(&mut self) -> Option<f64> {
        let Self { sum, count } = std::mem::take(self);
        (count > 0).then(|| sum / count as f64)
    }
}

/// Means over the steps since the last line.
#[derive(Debug)]
pub(super) struct Report {
    names: Vec<String>,
    weights: Vec<Mean>,
    /// Of tasks `a < b` at `a * T + b`.
    cosines: Vec<Mean>,
}

impl Report {
    pub fn new(names: Vec<String>) -> Self {
        let tasks = names.len();
        Self { names, weights: vec![Mean::default(); tasks], cosines: vec![Mean::default(); tasks * tasks] }
    }

    /// Adds the weights of the tasks `active` of a step.
    pub fn add_weights(&mut self, active: &[usize], weights: &[f64]) {
        active.iter().zip(weights).for_each(|(&t, &weight)| self.weights[t].add(weight));
    }

    /// Adds the angles between the gradients of the tasks `active`.
    pub fn add_cosines(&mut self, active: &[usize], gram: &Gram) {
        for (i, &a) in active.iter().enumerate() {
            for (j, &b) in active.iter().enumerate().skip(i + 1) {
                self.cosines[a * self.names.len() + b].add(gram.cosine(i, j));
            }
        }
    }

    /// Writes the mean weights into `tasks` and returns the mean cosines under `a/b`; starts anew.
    pub fn take(&mut self, tasks: &mut BTreeMap<String, TaskProgress>) -> BTreeMap<String, f64> {
        for (name, weight) in self.names.iter().zip(&mut self.weights) {
            if let Some(progress) = tasks.get_mut(name) {
                progress.weight = weight.take();
            }
        }
        let count = self.names.len();
        let mut cosines = BTreeMap::new();
        for (i, mean) in self.cosines.iter_mut().enumerate() {
            if let Some(cosine) = mean.take() {
                cosines.insert(format!("{}/{}", self.names[i / count], self.names[i % count]), cosine);
            }
        }
        cosines
    }
}
