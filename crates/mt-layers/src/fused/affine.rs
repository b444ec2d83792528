//! A layer of affine maps with its parameters.

use candle_core::Result;
use mt_kernels::InputGradient;
use mt_kernels::affine::Maps;
use mt_kernels::rows::Rows;

use super::normal::LayerNorm;
use super::{Parameter, with_all};

/// One layer.
#[derive(Debug)]
pub(crate) struct Affine {
    /// Weight and bias of each layer of candle's that the maps are of.
    pub parameters: Vec<Parameter>,
    pub maps: Maps,
    /// Behind the sums, with the activation that follows.
    pub norm: Option<LayerNorm>,
}

impl Affine {
    pub(super) fn width(&self) -> usize {
        self.maps.width
    }

    /// Writes the layer's outputs, a row of [`Affine::width`] for each of `rows`.
    pub(super) fn forward(&self, rows: Rows, out: &mut [f32]) -> Result<()> {
        with_all(&self.parameters, |params| {
            self.maps.forward(rows, params, out);
            Ok(())
        })?;
        self.norm.as_ref().map_or(Ok(()), |norm| norm.forward(out, self.maps.parallel(rows)))
    }

    /// Adds the parameters' gradients to their slots.
    pub(super) fn add_gradients(&self, rows: Rows, delta: &[f32], sums: &[f32]) {
        let mut slots: Vec<_> =
            self.parameters.iter().map(|p| p.gradient.as_ref().map(|slot| slot.lock())).collect();
        let (occupied, parallel) = (self.maps.occupied(rows), self.maps.parallel(rows));
        for (i, slot) in slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            // Shorter rows than this are not worth going through one by one.
            let long = self.parameters[i].tensor.elem_count() >= 32 * self.maps.pieces[0].inputs;
            slot.touch(occupied.as_deref().filter(|_| i % 2 == 0 && long));
            slot.shared |= parallel;
        }
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for (i, slot) in slots.iter_mut().enumerate() {
            let host = slot.as_mut().map(|slot| &mut slot.host[..]);
            if i % 2 == 0 { weights.push(host) } else { biases.push(host) }
        }
        self.maps.add_bias_gradients(sums, &mut biases);
        self.maps.add_weight_gradients(rows, delta, weights);
    }

    /// Adds the inputs' gradient to `gradient`, rows of `width`.
    pub(super) fn add_input_gradient(
        &self,
        rows: Rows,
        delta: &[f32],
        width: usize,
        gradient: &mut InputGradient,
    ) -> Result<()> {
        with_all(&self.parameters, |params| {
            self.maps.add_input_gradient(rows, params, delta, width, gradient);
            Ok(())
        })
    }
}
