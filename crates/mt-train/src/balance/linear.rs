//! Linear equations of as many unknowns as there are tasks.

/// Solves `A x = b`, `A` `(n, n)` row-major, by Gaussian elimination with row pivots; `None` where `A` is singular up to
/// rounding.
pub(crate) fn solve(mut a: Vec<f64>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    let largest = a.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    for column in 0..n {
        let size = |row: &usize| a[row * n + column].abs();
        let pivot = (column..n).max_by(|x, y| size(x).total_cmp(&size(y)))?;
        // As many digits as rounding in float64 leaves of a sum of n products.
        if a[pivot * n + column].abs() <= 1e-14 * largest {
            return None;
        }
        for k in 0..n {
            a.swap(column * n + k, pivot * n + k);
        }
        b.swap(column, pivot);
        for row in column + 1..n {
            let factor = a[row * n + column] / a[column * n + column];
            for k in column..n {
                a[row * n + k] -= factor * a[column * n + k];
            }
            b[row] -= factor * b[column];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| a[row * n + k] * b[k]).sum();
        b[row] = (b[row] - known) / a[row * n + row];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved_and_singular_ones_refused() {
        let x = solve(vec![0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 3.0, 0.0, 1.0], vec![7.0, 3.0, 6.0]);
        for (found, expected) in x.expect("a solution").into_iter().zip([1.0, 2.0, 3.0]) {
            approx::assert_relative_eq!(found, expected, epsilon = 1e-12);
        }
        assert_eq!(solve(vec![1.0, 2.0, 2.0, 4.0], vec![1.0, 2.0]), None);
    }
}
