//! Start values, drawn from a hash of the seed and the parameter's name.

use candle_core::{Result, Shape, bail};
use candle_nn::Init;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How the weights of a model start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Initializer {
    /// Glorot & Bengio 2010, uniform: `U(-a, a)` with `a = √(6 / (inputs + outputs))` of each unit's own layer;
    /// biases 0.
    #[default]
    Xavier,
    /// PaddleRec's constants: every weight and bias 0.1. All units of a layer stay equal for ever; for parity runs
    /// and for showing the collapse only.
    PaddlerecConstant,
}

impl Initializer {
    /// The hint for a weight between `inputs` and `outputs` units.
    pub fn weight(self, inputs: usize, outputs: usize) -> Init {
        match self {
            Self::Xavier => xavier_uniform(inputs, outputs),
            Self::PaddlerecConstant => Init::Const(0.1),
        }
    }

    /// The hint for a bias.
    pub fn bias(self) -> Init {
        match self {
            Self::Xavier => Init::Const(0.0),
            Self::PaddlerecConstant => Init::Const(0.1),
        }
    }
}

/// Glorot & Bengio 2010, eq. 16.
pub fn xavier_uniform(inputs: usize, outputs: usize) -> Init {
    let bound = (6.0 / (inputs + outputs) as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// Draws a tensor's values in row-major order.
pub(crate) fn draw(init: Init, shape: &Shape, seed: u64, name: &str) -> Result<Vec<f32>> {
    let n = shape.elem_count();
    let mut rng = ChaCha8Rng::seed_from_u64(xxh3_64_with_seed(name.as_bytes(), seed));
    // 24 bits fill a float32's mantissa: every value in [0, 1) is exact and equally likely.
    let mut unit = move || (rng.next_u32() >> 8) as f32 / (1 << 24) as f32;
    let mut uniform =
        |lo: f64, up: f64| (0..n).map(|_| lo as f32 + (up - lo) as f32 * unit()).collect::<Vec<_>>();
    Ok(match init {
        Init::Const(value) => vec![value as f32; n],
        Init::Uniform { lo, up } => uniform(lo, up),
        Init::Randn { mean, stdev } => normal(n, mean, stdev, unit),
        Init::Kaiming { dist, fan, non_linearity } => {
            let stdev = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            match dist {
                candle_nn::init::NormalOrUniform::Uniform => {
                    uniform(-3f64.sqrt() * stdev, 3f64.sqrt() * stdev)
                }
                candle_nn::init::NormalOrUniform::Normal => normal(n, 0.0, stdev, unit),
            }
        }
    })
    .and_then(|values: Vec<f32>| {
        if values.iter().any(|v| !v.is_finite()) {
            bail!("start values of {name:?} are not finite")
        }
        Ok(values)
    })
}

/// Box & Muller 1958, in float64.
fn normal(n: usize, mean: f64, stdev: f64, mut unit: impl FnMut() -> f32) -> Vec<f32> {
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        // 1 - u is in (0, 1], so the logarithm is finite.
        let (u, v) = (1.0 - f64::from(unit()), f64::from(unit()));
        let (radius, angle) = ((-2.0 * u.ln()).sqrt() * stdev, std::f64::consts::TAU * v);
        values.push((mean + radius * angle.cos()) as f32);
        values.push((mean + radius * angle.sin()) as f32);
    }
    values.truncate(n);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(init: Init) -> (f64, f64) {
        let values = draw(init, &Shape::from((300, 200)), 7, "w").expect("finite");
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        (mean, values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n)
    }

    #[test]
    fn draws_have_the_moments_of_their_distribution() {
        let (mean, variance) = moments(xavier_uniform(100, 50));
        assert!(mean.abs() < 2e-3 && (variance - 2.0 / 150.0).abs() < 2e-4, "{mean} {variance}");
        let (mean, variance) = moments(Init::Randn { mean: 1.0, stdev: 0.5 });
        assert!((mean - 1.0).abs() < 1e-2 && (variance - 0.25).abs() < 5e-3, "{mean} {variance}");
        let (mean, variance) = moments(candle_nn::init::DEFAULT_KAIMING_NORMAL);
        assert!(mean.abs() < 2e-3 && (variance - 2.0 / 200.0).abs() < 2e-4, "{mean} {variance}");
    }
}
