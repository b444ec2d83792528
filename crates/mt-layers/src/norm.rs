//! Normalisation of a layer's sums, before its activation.

use std::fmt;

use candle_core::{D, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::run::{Purpose, Run};

/// How the sums of a hidden layer are normalised, each unit then scaled and shifted by parameters of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Norm {
    /// Not at all.
    #[default]
    None,
    /// Over the units of a layer, row by row. J. Ba, J. Kiros & G. Hinton, *Layer Normalization*, 2016, eq. 3-4; of a bank
    /// over the units of each member.
    Layer,
    /// Over the rows of the batch, unit by unit. S. Ioffe & C. Szegedy, *Batch Normalization*, 2015, algorithm 1; in
    /// evaluation by running statistics, as in algorithm 2. All rows count, those without a label of some task, too: they
    /// pass through shared layers. A batch of a single row has no variance, and takes the running statistics in training,
    /// too.
    Batch,
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Layer => "layer",
            Self::Batch => "batch",
        })
    }
}

/// Share of a batch in the running statistics: PyTorch's.
const MOMENTUM: f64 = 0.1;

/// Names of the running statistics, which no gradient reaches.
const MEAN: &str = "running_mean";
const VARIANCE: &str = "running_variance";

impl Norm {
    /// Added to variances before the root, as in PyTorch.
    pub const EPSILON: f64 = mt_kernels::normal::EPSILON;

    /// Whether a tensor of this name holds running statistics, which are saved with a model and not trained.
    pub fn is_statistic(name: &str) -> bool {
        matches!(name.rsplit('.').next(), Some(MEAN | VARIANCE))
    }

    /// Whether there is nothing to do.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// A normalisation of a layer whose bias has these dimensions, the units last.
    pub(crate) fn layer(self, dims: &[usize], vb: VarBuilder) -> Result<Option<Normalizer>> {
        if self.is_none() {
            return Ok(None);
        }
        let vb = vb.pp("norm");
        let get = |name: &str, value| vb.get_with_hints(dims, name, Init::Const(value));
        let running = match self {
            Self::Batch => Some((get(MEAN, 0.0)?, get(VARIANCE, 1.0)?)),
            _ => None,
        };
        Ok(Some(Normalizer { scale: get("scale", 1.0)?, shift: get("shift", 0.0)?, running }))
    }
}

/// The normalisation of one layer.
///
/// # Parameters
/// `norm.scale` and `norm.shift` in the shape of the layer's bias, and for [`Norm::Batch`] `norm.running_mean` and
/// `norm.running_variance`, which are not trained.
#[derive(Debug, Clone)]
pub(crate) struct Normalizer {
    scale: Tensor,
    shift: Tensor,
    running: Option<(Tensor, Tensor)>,
}

impl Normalizer {
    /// Sums `(B, n·O)` to the same, normalised, scaled and shifted.
    pub fn forward(&self, xs: &Tensor, run: &Run) -> Result<Tensor> {
        let (rows, columns) = xs.dims2()?;
        let units = self.scale.dim(D::Minus1)?;
        let shape = (columns / units, units);
        let sums = xs.reshape((rows, shape.0, shape.1))?;
        let normal = match &self.running {
            None => standardised(&sums, D::Minus1)?.0,
            Some(running) if run.purpose() != Purpose::Evaluation && rows > 1 => {
                let (normal, mean, variance) = standardised(&sums, 0)?;
                if run.purpose() == Purpose::Training {
                    let unbiased = (variance * (rows as f64 / (rows as f64 - 1.0)))?;
                    blend(&running.0, &mean)?;
                    blend(&running.1, &unbiased)?;
                }
                normal
            }
            Some((mean, variance)) => {
                let deviation = (variance.detach() + Norm::EPSILON)?.sqrt()?.reshape(shape)?;
                sums.broadcast_sub(&mean.detach().reshape(shape)?)?.broadcast_div(&deviation)?
            }
        };
        let (scale, shift) = (self.scale.reshape(shape)?, self.shift.reshape(shape)?);
        normal.broadcast_mul(&scale)?.broadcast_add(&shift)?.reshape((rows, columns))
    }

    /// Scale and shift of a normalisation that looks at each row alone.
    pub fn of_rows(&self) -> Option<[&Tensor; 2]> {
        self.running.is_none().then_some([&self.scale, &self.shift])
    }

    /// All of its tensors.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let running = self.running.iter().flat_map(|(mean, variance)| [mean, variance]);
        [&self.scale, &self.shift].into_iter().chain(running)
    }
}

/// Mean 0 and variance 1 along a dimension; with the mean and the variance, detached.
pub(crate) fn standardised(
    xs: &Tensor,
    dim: impl candle_core::shape::Dim + Copy,
) -> Result<(Tensor, Tensor, Tensor)> {
    let mean = xs.mean_keepdim(dim)?;
    let centred = xs.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim(dim)?;
    let normal = centred.broadcast_div(&(&variance + Norm::EPSILON)?.sqrt()?)?;
    Ok((normal, mean.detach(), variance.detach()))
}

/// Moves a running statistic towards that of a batch, in place: models that share it see it. That of a unit that is 0 on
/// every row decays to zero, and does not stay a denormal number.
fn blend(running: &Tensor, batch: &Tensor) -> Result<()> {
    let batch = batch.reshape(running.shape())?;
    let blended = ((running.detach() * (1.0 - MOMENTUM))? + (batch * MOMENTUM)?)?;
    let normal = blended.abs()?.ge(f64::from(f32::MIN_POSITIVE))?.to_dtype(blended.dtype())?;
    running.slice_set(&(blended * normal)?, 0, 0)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::Params;

    /// A normalisation of two members with three units each, and rows for it.
    fn small(norm: Norm) -> Result<(Params, Normalizer, Tensor)> {
        let params = Params::new(1);
        let vb = params.builder(DType::F32, &Device::Cpu);
        let values: Vec<f32> = (0..5 * 6).map(|i| ((i * 7 + i / 6 * 5) % 13) as f32 - 3.0).collect();
        let xs = Tensor::from_vec(values, (5, 6), &Device::Cpu)?;
        Ok((params, norm.layer(&[2, 3], vb)?.expect("one"), xs))
    }

    fn moments(values: &[f32]) -> (f32, f32) {
        let n = values.len() as f32;
        let mean = values.iter().sum::<f32>() / n;
        (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n)
    }

    #[test]
    fn a_layers_units_have_mean_0_and_variance_1_in_each_row_and_member() -> Result<()> {
        let (_, norm, xs) = small(Norm::Layer)?;
        for row in norm.forward(&xs, &Run::evaluation())?.to_vec2::<f32>()? {
            for member in row.chunks(3) {
                let (mean, variance) = moments(member);
                assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");
            }
        }
        Ok(())
    }

    #[test]
    fn a_unit_has_mean_0_and_variance_1_over_the_batch_and_running_ones_follow() -> Result<()> {
        let (params, norm, xs) = small(Norm::Batch)?;
        let before = norm.forward(&xs, &Run::evaluation())?;
        approx::assert_relative_eq!(
            before.to_vec2::<f32>()?[1][2],
            xs.to_vec2::<f32>()?[1][2],
            max_relative = 1e-4
        );
        let out = norm.forward(&xs, &Run::training())?.t()?.to_vec2::<f32>()?;
        for unit in &out {
            let (mean, variance) = moments(unit);
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");
        }
        let tensor = |name: &str| {
            let all = params.all();
            let own = all.iter().find(|param| param.name == format!("norm.{name}")).expect("a tensor");
            own.var.flatten_all().and_then(|t| t.to_vec1::<f32>())
        };
        let (means, variances) = (tensor("running_mean")?, tensor("running_variance")?);
        for (unit, column) in xs.t()?.to_vec2::<f32>()?.iter().enumerate() {
            let (mean, variance) = moments(column);
            approx::assert_relative_eq!(means[unit], 0.1 * mean, epsilon = 1e-6);
            approx::assert_relative_eq!(variances[unit], 0.9 + 0.1 * variance * 5.0 / 4.0, epsilon = 1e-5);
        }
        // A further look at the batch uses its statistics too, and moves nothing.
        let looked = norm.forward(&xs, &Run::look())?.t()?.to_vec2::<f32>()?;
        assert_eq!(looked, out);
        assert_eq!((tensor("running_mean")?, tensor("running_variance")?), (means.clone(), variances));
        // Neither an evaluation nor a single row moves them.
        norm.forward(&xs, &Run::evaluation())?;
        let one = norm.forward(&xs.narrow(0, 0, 1)?, &Run::training())?;
        assert_eq!(tensor("running_mean")?, means);
        let all = norm.forward(&xs, &Run::evaluation())?;
        assert_eq!(one.to_vec2::<f32>()?[0], all.to_vec2::<f32>()?[0]);
        assert_eq!(params.count(), 12, "running statistics are no trainable values");
        Ok(())
    }
}
