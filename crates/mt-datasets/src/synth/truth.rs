//! What the best possible model would predict, and how well it would do.

/// True probabilities of generated labels.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Truth {
    /// `rows x tasks`, row-major.
    pub probabilities: Vec<f32>,
    /// Number of tasks.
    pub tasks: usize,
}

impl Truth {
    /// That of some tasks, by their places.
    pub fn of_tasks(&self, tasks: &[usize]) -> Self {
        let of_row = |row: &[f32]| tasks.iter().map(|&task| row[task]).collect::<Vec<_>>();
        let probabilities = self.probabilities.chunks_exact(self.tasks).flat_map(of_row).collect();
        Truth { probabilities, tasks: tasks.len() }
    }

    /// Per task, the expected AUC of the true probabilities over `rows` (all of them where `None`): the
    /// expectation is over the drawing of the labels, so it has no chance in it:
    /// `sum p_i (1 - p_j) [p_i > p_j] / sum p_i (1 - p_j)` over pairs of rows, ties counting one half. No model's
    /// expected AUC on these rows is above it; a measured one may be, by chance.
    ///
    /// `None` for fewer than two rows.
    pub fn auc(&self, rows: Option<&[u32]>) -> Vec<Option<f64>> {
        let task = |task: usize| {
            let of_row = |row: usize| self.probabilities[row * self.tasks + task];
            let mut sorted: Vec<f32> = match rows {
                Some(rows) => rows.iter().map(|&row| of_row(row as usize)).collect(),
                None => (0..self.probabilities.len() / self.tasks).map(of_row).collect(),
            };
            sorted.sort_unstable_by(f32::total_cmp);
            expected_auc(&sorted)
        };
        (0..self.tasks).map(task).collect()
    }
}

fn expected_auc(sorted: &[f32]) -> Option<f64> {
    let (mut below, mut won, mut positives, mut own) = (0.0, 0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|a, b| a == b) {
        let p = f64::from(tied[0]);
        let n = tied.len() as f64;
        // A row is no pair with itself.
        let ties = n * p * n * (1.0 - p) - n * p * (1.0 - p);
        won += n * p * below + 0.5 * ties;
        below += n * (1.0 - p);
        positives += n * p;
        own += n * p * (1.0 - p);
    }
    let pairs = positives * below - own;
    (pairs > 0.0).then(|| won / pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_auc_is_the_mean_over_pairs() {
        let p = [0.1f32, 0.3, 0.3, 0.8];
        let (mut won, mut pairs) = (0.0, 0.0);
        for i in 0..4 {
            for j in (0..4).filter(|&j| j != i) {
                let weight = f64::from(p[i]) * (1.0 - f64::from(p[j]));
                let win = if p[i] == p[j] { 0.5 } else { f64::from(u8::from(p[i] > p[j])) };
                (won, pairs) = (won + weight * win, pairs + weight);
            }
        }
        approx::assert_relative_eq!(expected_auc(&p).unwrap(), won / pairs, max_relative = 1e-9);
        assert_eq!(expected_auc(&[0.5]), None);
        assert_eq!(expected_auc(&[0.0, 0.0]), None);
    }
}
