//! What an optimizer keeps of a parameter.

use candle_core::Tensor;

/// One number for each value of a parameter, where the parameter is.
///
/// Not to be cloned: a tensor's clone is the same memory, which is updated in place.
#[derive(Debug)]
pub(super) enum Values {
    Host(Vec<f32>),
    Device(Tensor),
}

impl Values {
    #[cfg(feature = "cuda")]
    pub(super) fn on_device(&self) -> Option<&Tensor> {
        match self {
            Self::Host(_) => None,
            Self::Device(tensor) => Some(tensor),
        }
    }
}
