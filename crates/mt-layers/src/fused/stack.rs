//! Affine layers one after the other as one operation: what lies between them never passes through candle, which
//! would clear and add up a tensor of its size on the way back.

use std::sync::{Mutex, PoisonError};

use candle_core::Result;
use mt_kernels::InputGradient;
use mt_kernels::buffer::buffer;
use mt_kernels::rows::Rows;
use mt_kernels::scratch::{Scratch, scratch};

use super::affine::Affine;
use super::delta::{Delta, backward};
use super::operation::Operation;

/// At least one layer, from the input up.
#[derive(Debug)]
pub(crate) struct Stack {
    layers: Vec<Affine>,
    /// Outputs of all layers but the last, of the latest forward pass.
    between: Mutex<Vec<Scratch>>,
}

impl Stack {
    pub fn new(layers: Vec<Affine>) -> Self {
        Self { layers, between: Mutex::default() }
    }

    /// Writes the last layer's outputs.
    pub(super) fn write(&self, rows: Rows, out: &mut [f32]) -> Result<()> {
        let mut between: Vec<Scratch> = Vec::with_capacity(self.layers.len() - 1);
        for (l, layer) in self.layers.iter().enumerate() {
            let below = match l.checked_sub(1) {
                Some(below) => Rows::Dense { values: &between[below], width: self.layers[below].width() },
                None => rows,
            };
            if l + 1 == self.layers.len() {
                layer.forward(below, out)?;
            } else {
                let mut above = scratch(rows.len() * layer.width());
                layer.forward(below, &mut above)?;
                between.push(above);
            }
        }
        *self.between.lock().unwrap_or_else(PoisonError::into_inner) = between;
        Ok(())
    }

    /// The layer on top.
    pub(super) fn last(&self) -> &Affine {
        &self.layers[self.layers.len() - 1]
    }

    /// The backward passes of all layers but the first, whose gradient comes out; `delta` is that of the last one.
    pub(super) fn descend<'a>(&'a self, mut delta: Delta<'a>) -> Result<Delta<'a>> {
        let between = self.between.lock().unwrap_or_else(PoisonError::into_inner);
        for (layer, result) in self.layers.iter().zip(&*between).rev() {
            let mut gradient = InputGradient::new(result.len());
            let rows = Rows::Dense { values: result, width: layer.width() };
            backward(&[delta], rows, Some(&mut gradient))?;
            delta = Delta::new(layer, result, gradient.into_sums())?;
        }
        Ok(delta)
    }
}

/// Banks side by side.
impl Operation for Stack {
    const NAME: &'static str = "banks";

    fn width(&self) -> usize {
        self.last().width()
    }

    fn forward(&self, rows: Rows) -> Result<Vec<f32>> {
        let mut out = buffer(rows.len() * self.width());
        self.write(rows, &mut out)?;
        Ok(out)
    }

    fn backward(
        &self,
        rows: Rows,
        result: &[f32],
        gradient: Scratch,
        input: Option<&mut InputGradient>,
    ) -> Result<()> {
        backward(&[self.descend(Delta::new(self.last(), result, gradient)?)?], rows, input)
    }
}
