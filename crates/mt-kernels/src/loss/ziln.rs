//! What the three logits of a zero-inflated log-normal mean.

/// Added to σ, in units of `ln y`: what is known of a label to a hundredth is known, and no row weighs more than 10⁴ times as
/// much as one of σ = 1. See [`LossKind::Ziln`](super::LossKind::Ziln).
pub const LEAST_SIGMA: f64 = 0.01;

/// Of the log-normal density.
pub const HALF_LN_2_PI: f64 = 0.918_938_533_204_672_8;

/// The logarithm `ln p + μ + σ²/2` of the mean that the logits `(z, m, s)` of [`LossKind::Ziln`](super::LossKind::Ziln) say.
pub fn ziln_log_mean([z, m, s]: [f32; 3]) -> f64 {
    let softplus = |x: f64| x.max(0.0) + libm::log1p(libm::exp(-x.abs()));
    let sigma = softplus(s.into()) + LEAST_SIGMA;
    f64::from(m) + sigma * sigma / 2.0 - softplus(-f64::from(z))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_the_density() {
        // p = 1/4 and σ = 1/2, with the mean of the log-normal by Riemann sums.
        let (p, mu, sigma) = (0.25f64, 1.2f64, 0.5f64);
        let logits = [(p / (1.0 - p)).ln(), mu, (sigma - LEAST_SIGMA).exp_m1().ln()].map(|x| x as f32);
        let (step, mut mean) = (1e-3, 0.0);
        for i in -20_000..20_000 {
            let x = mu + f64::from(i) * step;
            let e = (x - mu) / sigma;
            mean += p * step * x.exp() * (-e * e / 2.0 - HALF_LN_2_PI).exp() / sigma;
        }
        approx::assert_relative_eq!(ziln_log_mean(logits).exp(), mean, max_relative = 1e-6);
        for extreme in [[-800.0, 0.0, -800.0], [800.0, -800.0, 30.0]] {
            assert!(ziln_log_mean(extreme).is_finite());
        }
    }
}
