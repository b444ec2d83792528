//! Student's t distribution: tail probability and its inverse, for any number of degrees of freedom above 0.

use std::f64::consts::PI;

use crate::normal;

/// From here on the distribution is the normal one of a transformed t (M. Abramowitz, I. A. Stegun, "Handbook of
/// Mathematical Functions", 1964, 26.7.8), whose error falls with the square of the degrees of freedom.
const LARGE: f64 = 1e5;

/// P(|T| > |t|), accurate far into the tails: I_x(ν/2, 1/2) with x = ν / (ν + t²) (Abramowitz & Stegun 26.7.1, 26.5.27).
/// NaN where `t` or `degrees_of_freedom` is.
pub(crate) fn two_sided_p(t: f64, degrees_of_freedom: f64) -> f64 {
    let (square, nu) = (t * t, degrees_of_freedom);
    if square.is_infinite() {
        return 0.0;
    }
    if nu > LARGE {
        return normal::two_sided_p(t * (1.0 - 0.25 / nu) / (1.0 + 0.5 * square / nu).sqrt());
    }
    let (x, y, a) = (nu / (nu + square), square / (nu + square), 0.5 * nu);
    // The continued fraction is quick on one side of the mean, and the symmetry of the function gives the other.
    if x * (a + 2.5) < a + 1.0 {
        incomplete_beta(x, y, a, 0.5, ln_beta_half(a))
    } else {
        1.0 - incomplete_beta(y, x, 0.5, a, ln_beta_half(a))
    }
}

/// The t ≥ 0 with P(|T| ≤ t) = `level`, for `level` strictly between 0 and 1.
pub(crate) fn two_sided_quantile(level: f64, degrees_of_freedom: f64) -> f64 {
    let nu = degrees_of_freedom;
    if nu > LARGE {
        let z = normal::two_sided_quantile(level);
        return z / ((1.0 - 0.25 / nu).powi(2) - 0.5 * z * z / nu).sqrt();
    }
    let most = 2.0 / (nu.sqrt() * ln_beta_half(0.5 * nu).exp());
    let density = |t: f64| most * (-0.5 * (nu + 1.0) * (t * t / nu).ln_1p()).exp();
    normal::climb(1.0 - level, |t| two_sided_p(t, nu), density)
}

/// ln B(a, 1/2).
fn ln_beta_half(a: f64) -> f64 {
    libm::lgamma(a) + 0.5 * PI.ln() - libm::lgamma(a + 0.5)
}

/// The regularised incomplete beta function I_x(a, b), with y = 1 - x.
///
/// By its continued fraction (Abramowitz & Stegun 26.5.8), evaluated from the front as in W. J. Lentz, "Generating Bessel
/// functions in Mie scattering calculations using continued fractions", Applied Optics 15(3), 1976.
fn incomplete_beta(x: f64, y: f64, a: f64, b: f64, ln_beta: f64) -> f64 {
    let front = (a * x.ln() + b * y.ln() - ln_beta).exp() / a;
    let (mut fraction, mut c, mut d, mut m) = (1.0, 1.0, 0.0, 0.0);
    loop {
        let before = fraction;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        m += 1.0;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        for coefficient in [odd, even] {
            d = 1.0 / (1.0 + coefficient * d);
            c = 1.0 + coefficient / c;
            fraction *= c * d;
        }
        // What is no number does not move, and ends here too.
        let moves = (fraction - before).abs() > f64::EPSILON * fraction;
        if !moves {
            return front / fraction;
        }
    }
}

/// Half the length of a confidence interval.
///
/// # Panics
/// Unless 0 < `level` < 1.
pub(crate) fn reach(level: f64, standard_error: f64, degrees_of_freedom: Option<f64>) -> f64 {
    assert!(0.0 < level && level < 1.0, "a confidence level lies strictly between 0 and 1, not {level}");
    standard_error * two_sided_quantile(level, degrees_of_freedom.unwrap_or(f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn tails_agree_with_published_values() {
        // 2 * scipy.stats.t.sf(t, df), scipy 1.17.1.
        for (t, nu, p) in [
            (1.0, 1.0, 0.5000000000000001),
            (12.7, 1.0, 0.050024327689344165),
            (0.1, 2.0, 0.9294654384141402),
            (2.78, 4.0, 0.049818508461398986),
            (4.6, 2.7, 0.02421627030830354),
            (30.0, 3.5, 2.393613199562261e-05),
            (2.0, 60.0, 0.05003304365145747),
            (0.001, 7.0, 0.9992300172449988),
            (8.0, 1000.0, 3.4266614823914978e-15),
            (0.5, 99000.0, 0.6170761887675567),
            (2.5, 110000.0, 0.012420774776535795),
            (6.0, 3000000.0, 1.9734001087716514e-09),
        ] {
            assert_relative_eq!(two_sided_p(t, nu), p, max_relative = 1e-8);
            assert_eq!(two_sided_p(-t, nu), two_sided_p(t, nu));
        }
        assert_eq!(two_sided_p(0.0, 3.0), 1.0);
        assert_eq!(two_sided_p(f64::INFINITY, 2.0), 0.0);
        assert_eq!(two_sided_p(1.96, f64::INFINITY), normal::two_sided_p(1.96));
        assert!(two_sided_p(f64::NAN, 4.0).is_nan() && two_sided_p(1.0, f64::NAN).is_nan());
    }

    #[test]
    fn quantiles_agree_with_published_values() {
        // scipy.stats.t.isf((1 - level) / 2, df), scipy 1.17.1.
        for (level, nu, t) in [
            (0.95, 1.0, 12.706204736174694),
            (0.95, 2.0, 4.302652729749462),
            (0.95, 4.0, 2.7764451051977934),
            (0.99, 2.7, 6.533128433408452),
            (0.5, 11.5, 0.696420319746557),
            (0.95, 300.0, 1.9679030112610865),
            (0.99, 99000.0, 2.575878966547283),
            (0.95, 110000.0, 1.9599855508754134),
        ] {
            assert_relative_eq!(two_sided_quantile(level, nu), t, max_relative = 1e-9);
        }
    }

    #[test]
    fn the_quantile_inverts_the_tail_at_every_level() {
        for nu in [0.4, 1.0, 1.7, 4.0, 33.3, 9e4, 2e5, 1e12, f64::INFINITY] {
            for level in [1e-9, 0.1, 0.68, 0.95, 0.999999] {
                let t = two_sided_quantile(level, nu);
                assert!(t.is_finite() && t >= 0.0);
                assert_relative_eq!(two_sided_p(t, nu), 1.0 - level, max_relative = 1e-8);
            }
        }
    }
}
