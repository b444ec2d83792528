//! Eigenvalues of a small symmetric matrix.

/// Rounds over all off-diagonal places; convergence is quadratic, ten are plenty for any size used here.
const ROUNDS: usize = 30;

/// Eigenvalues alone.
pub(crate) fn eigenvalues(n: usize, a: Vec<f64>) -> Vec<f64> {
    symmetric(n, a).0
}

/// Eigenvalues of a symmetric `(n, n)` matrix, and its eigenvectors as the columns of an `(n, n)` matrix, in no
/// particular order. Jacobi's method, C. G. J. Jacobi 1846: rotations that make one off-diagonal place 0 at a time.
pub(crate) fn symmetric(n: usize, mut a: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let mut vectors: Vec<f64> = (0..n * n).map(|i| f64::from(u8::from(i / n == i % n))).collect();
    for _ in 0..ROUNDS {
        let mut done = true;
        for p in 0..n {
            for q in p + 1..n {
                let (app, aqq, apq) = (a[p * n + p], a[q * n + q], a[p * n + q]);
                if apq.abs() <= f64::EPSILON * (app.abs() * aqq.abs()).sqrt() {
                    continue;
                }
                done = false;
                let theta = (aqq - app) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (vectors[k * n + p], vectors[k * n + q]);
                    (vectors[k * n + p], vectors[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
        if done {
            break;
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_vectors_give_the_matrix_back() {
        let a = vec![4.0, 1.0, -2.0, 1.0, 2.0, 0.5, -2.0, 0.5, 3.0];
        let (values, vectors) = symmetric(3, a.clone());
        for (i, expected) in a.into_iter().enumerate() {
            let (r, c) = (i / 3, i % 3);
            let product: f64 = (0..3).map(|k| vectors[r * 3 + k] * values[k] * vectors[c * 3 + k]).sum();
            approx::assert_relative_eq!(product, expected, epsilon = 1e-12);
        }
        let (mut values, _) = symmetric(2, vec![2.0, 1.0, 1.0, 2.0]);
        values.sort_by(f64::total_cmp);
        approx::assert_relative_eq!(values[0], 1.0, epsilon = 1e-12);
        approx::assert_relative_eq!(values[1], 3.0, epsilon = 1e-12);
    }
}
