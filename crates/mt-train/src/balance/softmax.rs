//! Softmax in float64.

/// `e^x_t / Σ e^x`, the largest exponent taken out.
pub(crate) fn softmax(xs: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    let largest = xs.clone().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = xs.map(|x| (x - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}
