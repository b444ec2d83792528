//! The least length of a mixture of gradients, with a linear term.

use super::gram::Gram;

/// Moves of weight from one task to another; each is exact, and twenty tasks need about a hundred.
const MOVES: usize = 500;

/// Halvings of the interval of a move: more than a float64 has digits.
const HALVINGS: usize = 60;

/// Minimises `linear · w + slope · |Σ w_t G_t|` over weights `w ≥ 0` of sum 1.
///
/// Moves weight from the task where the slope of this is largest to the one where it is least, each time as much as is
/// best, until all tasks with weight have the same slope, the condition of the minimum of a convex function.
pub(crate) fn minimise(gram: &Gram, linear: &[f64], slope: f64) -> Vec<f64> {
    let tasks = gram.tasks();
    let mut weights = vec![1.0 / tasks as f64; tasks];
    for _ in 0..MOVES {
        let (products, length) = (gram.times(&weights), gram.length(&weights));
        if length == 0.0 {
            break;
        }
        let slopes: Vec<f64> =
            linear.iter().zip(&products).map(|(linear, product)| linear + slope * product / length).collect();
        let by_slope = |a: &usize, b: &usize| slopes[*a].total_cmp(&slopes[*b]);
        let (Some(to), Some(from)) =
            ((0..tasks).min_by(by_slope), (0..tasks).filter(|&t| weights[t] > 0.0).max_by(by_slope))
        else {
            break;
        };
        let largest = slopes.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        if slopes[from] - slopes[to] <= 1e-12 * largest {
            break;
        }
        let turn = gram.at(to, to) + gram.at(from, from) - 2.0 * gram.at(to, from);
        let (first, bend) = (linear[to] - linear[from], products[to] - products[from]);
        let rises = |moved: f64| {
            let square = length * length + 2.0 * moved * bend + moved * moved * turn;
            first + slope * (bend + moved * turn) / square.max(0.0).sqrt() > 0.0
        };
        let (mut low, mut high) = (0.0, weights[from]);
        if rises(high) {
            for _ in 0..HALVINGS {
                let middle = 0.5 * (low + high);
                if rises(middle) { high = middle } else { low = middle }
            }
        } else {
            low = high;
        }
        weights[to] += low;
        weights[from] -= low;
        if low == 0.0 {
            break;
        }
    }
    weights
}
