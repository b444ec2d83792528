//! Parameters as fused operations take them.

use candle_core::{DType, Device, Tensor};

use crate::detour::Why;
use crate::run::Run;
use crate::slot::Slot;

/// A parameter as a fused operation sees it.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub tensor: Tensor,
    pub gradient: Option<Slot>,
}

impl AsRef<Tensor> for Parameter {
    fn as_ref(&self) -> &Tensor {
        &self.tensor
    }
}

/// The parameters as fused operations take them, or `None` where the composition has to run.
pub(crate) fn parameters<'a>(
    tensors: impl IntoIterator<Item = &'a Tensor>,
    run: &mut Run,
) -> Option<Vec<Parameter>> {
    let found = tensors.into_iter().map(|tensor| parameter(tensor, run)).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(parameters) => Some(parameters),
        Err((tensor, why)) => {
            run.left(tensor, why);
            None
        }
    }
}

fn parameter<'a>(tensor: &'a Tensor, run: &Run) -> Result<Parameter, (&'a Tensor, Why)> {
    let on_cpu = matches!(tensor.device(), Device::Cpu) && tensor.dtype() == DType::F32;
    if !on_cpu || !tensor.is_contiguous() {
        return Err((tensor, Why::NotReadable));
    }
    let gradient = match tensor.track_op() {
        true => Some(run.slot_of(tensor).ok_or((tensor, Why::NoSlot))?),
        false => None,
    };
    Ok(Parameter { tensor: tensor.clone(), gradient })
}
