//! How the values of a table are kept.

use candle_core::DType;
use serde::{Deserialize, Serialize};

/// How the values of a table are kept while it is trained. Arithmetic and the optimizer's state are in single precision: a mean
/// of squares that moves by a thousandth a step would not move at all in half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Single precision. The default.
    #[default]
    F32,
    /// Half precision, 11 significant bits: values from 6e-8 to 65504. Updates are rounded by chance.
    F16,
    /// 8 significant bits and the range of `f32`. Updates are rounded by chance.
    Bf16,
}

impl Storage {
    /// Words of 32 bits that `width` values take.
    pub(crate) fn words(self, width: usize) -> usize {
        match self {
            Self::F32 => width,
            Self::F16 | Self::Bf16 => width.div_ceil(2),
        }
    }

    /// The type of its tensors.
    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}
