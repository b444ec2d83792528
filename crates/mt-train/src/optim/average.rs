//! An exponential moving average of the weights, to predict with. B. Polyak & A. Juditsky, *Acceleration of Stochastic
//! Approximation by Averaging*, 1992, in the form of a moving average.

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, bail};
use mt_kernels::kernel;
use mt_kernels::simd::flushed;
use mt_layers::{Param, Params};

#[cfg(any(feature = "cuda", test))]
use super::cuda;

/// Moves `averages` towards `params`, which are the same parameters in the same order:
/// `average = d · average + (1 - d) · parameter`, with `d = min(decay, (1 + n) / (10 + n))` after `n` updates, so that
/// the start values are soon forgotten.
///
/// # Errors
/// If the parameters are not the same.
pub(crate) fn average(averages: &Params, params: &[Param], decay: f64, updates: u64) -> Result<()> {
    let n = updates as f64;
    let decay = decay.min((1.0 + n) / (10.0 + n)) as f32;
    let averages = averages.all();
    if averages.len() != params.len() {
        bail!("{} averages of {} parameters", averages.len(), params.len())
    }
    for (average, param) in averages.iter().zip(params) {
        match param.var.device() {
            Device::Cpu => average.var.inplace_op2(param.var.as_tensor(), &Towards { decay })?,
            #[cfg(feature = "cuda")]
            Device::Cuda(_) if cuda::fits(&param.var) => {
                cuda::run(&kernel(decay), &average.var, &param.var, &[])?;
            }
            _ => {
                let (decay, gain) = (f64::from(decay), f64::from(1.0 - decay));
                let (old, new) = (average.var.as_detached_tensor(), param.var.as_detached_tensor());
                average.var.set(&(old.affine(decay, 0.0)? + new.affine(gain, 0.0)?)?)?;
            }
        }
    }
    Ok(())
}

/// The kernel for a card that does what [`Towards`] does.
#[cfg(any(feature = "cuda", test))]
pub(super) fn kernel(decay: f32) -> cuda::Kernel {
    cuda::Kernel { name: "average", constants: vec![decay, 1.0 - decay] }
}

struct Towards {
    decay: f32,
}

impl InplaceOp2 for Towards {
    fn name(&self) -> &'static str {
        "average"
    }

    fn cpu_fwd(
        &self,
        average: &mut CpuStorage,
        to: &Layout,
        param: &CpuStorage,
        from: &Layout,
    ) -> Result<()> {
        let (CpuStorage::F32(average), CpuStorage::F32(param)) = (average, param) else {
            bail!("averages are taken of float32 values")
        };
        let (Some((to, to_end)), Some((from, from_end))) =
            (to.contiguous_offsets(), from.contiguous_offsets())
        else {
            bail!("averages are taken of contiguous values")
        };
        towards(self.decay, &mut average[to..to_end], &param[from..from_end]);
        Ok(())
    }
}

kernel! {
    fn towards(_simd: S, decay: f32, averages: &mut [f32], values: &[f32]) {
        let n = averages.len().min(values.len());
        let (averages, values) = (&mut averages[..n], &values[..n]);
        for i in 0..n {
            averages[i] = flushed(flushed(decay * averages[i]) + flushed((1.0 - decay) * values[i]));
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Tensor};

    use super::*;

    #[test]
    fn an_average_follows_its_parameter() -> Result<()> {
        let (params, averages) = (Params::new(1), Params::new(1));
        for store in [&params, &averages] {
            store.builder(DType::F32, &Device::Cpu).get(2, "a")?;
        }
        let all = params.all();
        all[0].var.set(&Tensor::new(&[1f32, -2.0], &Device::Cpu)?)?;
        let value = || averages.all()[0].var.to_vec1::<f32>();
        // Started at 0; the first update's decay is a tenth.
        average(&averages, &all, 0.5, 0)?;
        assert_eq!(value()?, [0.9, -1.8]);
        average(&averages, &all, 0.5, 1000)?;
        assert_eq!(value()?, [0.95, -1.9]);
        Ok(())
    }

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs a CUDA device"]
    fn averages_have_the_same_bits_on_a_card() -> Result<()> {
        let averaged = |device: &Device| {
            let (params, averages) = (Params::new(1), Params::new(1));
            for (store, phase) in [(&params, 0.0), (&averages, 1.0)] {
                store.builder(DType::F32, device).get(1000, "a")?;
                let values: Vec<_> = (0..1000).map(|i| (i as f32 + phase).sin()).collect();
                store.all()[0].var.set(&Tensor::from_vec(values, 1000, device)?)?;
            }
            average(&averages, &params.all(), 0.99, 1000)?;
            averages.all()[0].var.to_vec1::<f32>()
        };
        assert_eq!(averaged(&Device::Cpu)?, averaged(&Device::new_cuda(0)?)?);
        Ok(())
    }
}
