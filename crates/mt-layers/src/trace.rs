//! The way of a batch through a model, layer by layer, to find where a number stopped being finite.

use std::cell::RefCell;

use candle_core::{Result, Tensor};

use crate::notes::{note, noted, noting};

/// What a layer made of its input.
#[derive(Debug, Clone)]
pub struct Traced {
    /// Its parameters, to be known by their ids.
    pub parameters: Vec<Tensor>,
    /// Its output `(B, O)`, after the activation.
    pub output: Tensor,
}

thread_local! {
    static TRACED: RefCell<Option<Vec<Traced>>> = const { RefCell::new(None) };
}

/// Runs `forward` and returns what each layer with parameters in it made, from the input up. Towers are seen layer by layer
/// only where they run as plain candle compositions, as those of a trained model do outside of
/// [`Gradients::collect`](crate::Gradients::collect).
///
/// # Errors
/// Whatever `forward` fails with.
pub fn trace<T>(forward: impl FnOnce() -> Result<T>) -> Result<(T, Vec<Traced>)> {
    noting(&TRACED, forward)
}

/// Whether someone looks.
pub(crate) fn tracing() -> bool {
    noted(&TRACED)
}

/// Notes what a layer made, if someone looks.
pub(crate) fn traced<'a>(
    parameters: impl IntoIterator<Item = &'a Tensor>,
    output: impl FnOnce() -> Result<Tensor>,
) -> Result<()> {
    note(&TRACED, || {
        let parameters = parameters.into_iter().cloned().collect();
        Ok(Traced { parameters, output: output()?.detach() })
    })
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::{Bank, Initializer, Input, Params, Towers};

    #[test]
    fn layers_are_traced_from_the_input_up_with_their_parameters() -> Result<()> {
        let params = Params::new(1);
        let vb = params.builder(DType::F32, &Device::Cpu);
        let bank = Bank::experts(3, 2, &[4, 5], Initializer::Xavier, vb.pp("experts"))?;
        let towers = Towers::new(5, &[2], [("a", 1), ("b", 1)], Initializer::Xavier, vb.pp("towers"))?;
        let xs = Input::from(Tensor::ones((7, 3), DType::F32, &Device::Cpu)?);
        let (_, seen) = trace(|| towers.forward(&bank.forward(&xs)?))?;
        let name = |traced: &Traced| {
            let all = params.all();
            let own = all.iter().find(|param| param.var.id() == traced.parameters[0].id());
            (own.map(|param| param.name.clone()).unwrap_or_default(), traced.output.dims().to_vec())
        };
        let seen: Vec<_> = seen.iter().map(name).collect();
        let expected = [
            ("experts.0.weight", vec![7, 8]),
            ("experts.1.weight", vec![7, 10]),
            ("towers.a.0.weight", vec![7, 2]),
            ("towers.a.1.weight", vec![7, 1]),
            ("towers.b.0.weight", vec![7, 2]),
            ("towers.b.1.weight", vec![7, 1]),
        ];
        assert_eq!(seen, expected.map(|(name, dims)| (name.to_owned(), dims)));
        Ok(())
    }
}
