//! A check that a model can learn at all: units that start equal stay equal for ever.

use std::collections::HashSet;

use candle_core::{DType, Result};

use crate::params::Param;

/// Names of the weights in which two units of a layer start with equal weights.
///
/// Units are the rows of a plain linear layer `(O, I)` and the columns of a bank `(I, n, O)`. PaddleRec's MMoE, PLE
/// and towers start from constants, so that each of their layers has rank 1 throughout training.
pub fn symmetric_weights(params: &[Param]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for param in params.iter().filter(|param| param.name.ends_with("weight")) {
        let units = match param.var.dims() {
            // Units of a single input are single numbers, of which two of many may well be equal.
            [_, 1] | [1, _, _] => continue,
            [_, _] => param.var.as_tensor().clone(),
            [inputs, n, outputs] => param.var.reshape((*inputs, n * outputs))?.t()?,
            _ => continue,
        };
        let mut seen = HashSet::new();
        let units = units.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        if units.into_iter().any(|unit| !seen.insert(unit.into_iter().map(f32::to_bits).collect::<Vec<_>>()))
        {
            names.push(param.name.clone());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bank, Initializer, Mlp, Params};
    use candle_core::Device;

    fn symmetric(init: Initializer) -> Result<Vec<String>> {
        let params = Params::new(3);
        let vb = params.builder(DType::F32, &Device::Cpu);
        Bank::experts(5, 3, &[4, 2], init, vb.pp("experts"))?;
        Mlp::new(5, &[4], 2, init, vb.pp("tower"))?;
        symmetric_weights(&params.all())
    }

    #[test]
    fn xavier_breaks_the_symmetry_and_constants_do_not() -> Result<()> {
        assert!(symmetric(Initializer::Xavier)?.is_empty());
        let names = symmetric(Initializer::PaddlerecConstant)?;
        assert_eq!(names, ["experts.0.weight", "experts.1.weight", "tower.0.weight", "tower.1.weight"]);
        Ok(())
    }
}
