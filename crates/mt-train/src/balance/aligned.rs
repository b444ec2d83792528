//! Aligned-MTL: gradients made orthogonal and equally long. D. Senushkin et al., *Independent Component Alignment for
//! Multi-Task Learning*, CVPR 2023, algorithm 1.
//!
//! With the inner products `M = V Λ Vᵀ`: `w = B 1`, `B = √λ_min · V Λ^-½ Vᵀ`. The columns of `G B` are orthogonal and
//! of length `√λ_min`, the least of the principal components of the gradients; of all such they are the nearest to `G`.
//!
//! Differs from the paper: nothing. Components that are 0 up to float32's rounding are left out, as in its algorithm.

use super::gram::Gram;
use crate::eigen;

/// The sums of the rows of `B`.
pub(crate) fn weights(gram: &Gram) -> Vec<f64> {
    alignment(gram).chunks_exact(gram.tasks()).map(|row| row.iter().sum()).collect()
}

/// `B` `(T, T)`.
fn alignment(gram: &Gram) -> Vec<f64> {
    let tasks = gram.tasks();
    let products = (0..tasks * tasks).map(|i| gram.at(i / tasks, i % tasks)).collect();
    let (values, vectors) = eigen::symmetric(tasks, products);
    let largest = values.iter().fold(0.0, |m: f64, x| m.max(*x));
    let tolerance = largest * tasks as f64 * f64::from(f32::EPSILON);
    let kept: Vec<usize> = (0..tasks).filter(|&k| values[k] > tolerance).collect();
    let least = kept.iter().fold(f64::INFINITY, |m, &k| m.min(values[k]));
    let entry = |i: usize| {
        let (r, c) = (i / tasks, i % tasks);
        let term = |&k: &usize| vectors[r * tasks + k] * vectors[c * tasks + k] * (least / values[k]).sqrt();
        kept.iter().map(term).sum()
    };
    (0..tasks * tasks).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn two_tasks_are_cut_to_the_least_component() {
        // At right angles the components are the gradients: the longer is halved.
        let found = weights(&Gram::from_plane(&[[1.0, 0.0], [0.0, 2.0]]));
        assert_relative_eq!(found[0], 1.0, epsilon = 1e-12);
        assert_relative_eq!(found[1], 0.5, epsilon = 1e-12);
        // M = [2 1; 1 2] has λ = 1 and 3, the sum of the tasks lies along the second: 1/√3 each.
        for weight in weights(&Gram::new(2, vec![2.0, 1.0, 1.0, 2.0])) {
            assert_relative_eq!(weight, 1.0 / 3f64.sqrt(), epsilon = 1e-12);
        }
    }

    #[test]
    fn aligned_gradients_are_orthogonal_and_equally_long() {
        let gram = Gram::new(3, vec![1.0, 0.5, -1.0, 0.5, 1.25, -0.3, -1.0, -0.3, 5.04]);
        let b = alignment(&gram);
        let column = |c: usize| (0..3).map(|r| b[r * 3 + c]).collect::<Vec<f64>>();
        let dot = |a: usize, c: usize| {
            gram.times(&column(a)).iter().zip(column(c)).map(|(x, y)| x * y).sum::<f64>()
        };
        for (a, c) in [(0, 1), (0, 2), (1, 2)] {
            assert_relative_eq!(dot(a, c), 0.0, epsilon = 1e-12);
            assert_relative_eq!(dot(a, a), dot(c, c), epsilon = 1e-12);
        }
    }

    #[test]
    fn gradients_of_one_direction_keep_their_only_component() {
        // One component, λ = 10, along (1, 2)/√5: B projects on it.
        let found = weights(&Gram::from_plane(&[[1.0, 1.0], [2.0, 2.0]]));
        assert_relative_eq!(found[0], 0.6, epsilon = 1e-6);
        assert_relative_eq!(found[1], 1.2, epsilon = 1e-6);
    }
}
