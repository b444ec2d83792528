//! The standard normal distribution: tail probability and its inverse.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// P(|Z| > |z|), accurate far into the tails.
pub(crate) fn two_sided_p(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// The z ≥ 0 with P(|Z| ≤ z) = `level`, for `level` strictly between 0 and 1.
pub(crate) fn two_sided_quantile(level: f64) -> f64 {
    climb(1.0 - level, two_sided_p, |z| 2.0 * (-0.5 * z * z).exp() / (2.0 * PI).sqrt())
}

/// Where a two-sided `tail` is reached by `p`, whose slope is `-density`.
///
/// Newton's method from 0. There the distribution function is concave, so each step stops short of the root and
/// the next goes on from there: it converges for every level, in about ten steps for the usual ones.
pub(crate) fn climb(tail: f64, p: impl Fn(f64) -> f64, density: impl Fn(f64) -> f64) -> f64 {
    let mut z = 0.0_f64;
    loop {
        let step = (p(z) - tail) / density(z);
        z += step;
        // Rounding ends the climb: a step this small, or backwards, is noise.
        if step <= 1e-15 * (1.0 + z) {
            return z.max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn tails_agree_with_published_values() {
        // 2 * scipy.stats.norm.sf(z), scipy 1.17.1.
        assert_eq!(two_sided_p(0.0), 1.0);
        assert_relative_eq!(two_sided_p(1.0), 0.31731050786291415, max_relative = 1e-13);
        assert_relative_eq!(two_sided_p(-1.96), 0.04999579029644087, max_relative = 1e-13);
        assert_relative_eq!(two_sided_p(10.0), 1.523970604832094e-23, max_relative = 1e-12);
        assert_eq!(two_sided_p(f64::INFINITY), 0.0);
    }

    #[test]
    fn quantiles_agree_with_published_values() {
        // scipy.stats.norm.isf((1 - level) / 2), scipy 1.17.1.
        for (level, z) in [(0.5, 0.6744897501960817), (0.95, 1.959963984540054), (0.99, 2.5758293035489004)] {
            assert_relative_eq!(two_sided_quantile(level), z, max_relative = 1e-12);
        }
    }

    #[test]
    fn the_quantile_inverts_the_tail_at_every_level() {
        for level in [f64::MIN_POSITIVE, 1e-9, 0.1, 0.68, 0.999999, 1.0 - f64::EPSILON / 2.0] {
            let z = two_sided_quantile(level);
            assert!(z.is_finite() && z >= 0.0);
            assert_relative_eq!(two_sided_p(z), 1.0 - level, max_relative = 1e-10);
        }
    }
}
