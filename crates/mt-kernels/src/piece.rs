//! One of several affine maps that a layer is made of.

use crate::dense::Block;
use crate::panels::Columns;

/// One affine map: which columns it reads, where its weights lie, which columns it writes.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Index of the layer: its weight is parameter `2 * layer`, its bias `2 * layer + 1`.
    pub layer: usize,
    /// First column of the weight matrix `(inputs, stride)` and of the bias.
    pub at: usize,
    /// Units, that is, columns written.
    pub width: usize,
    /// Columns of the weight matrix.
    pub stride: usize,
    /// First input column read.
    pub input: usize,
    /// Input columns read.
    pub inputs: usize,
    /// First output column written.
    pub out: usize,
}

impl Piece {
    pub(crate) fn columns(&self) -> Columns {
        Columns { at: self.at, width: self.width, stride: self.stride }
    }

    pub(crate) fn weight<'a>(&self, values: &'a [f32]) -> Block<'a> {
        Block::new(values, self.at, self.width, self.stride)
    }

    pub(crate) fn reads<'a>(&self, values: &'a [f32], stride: usize) -> Block<'a> {
        Block::new(values, self.input, self.inputs, stride)
    }

    pub(crate) fn writes(&self, stride: usize) -> Columns {
        Columns { at: self.out, width: self.width, stride }
    }

    /// Writes the bias to every row of `out`.
    pub(crate) fn start(&self, bias: &[f32], out: &mut [f32], stride: usize) {
        for out in out.chunks_exact_mut(stride) {
            out[self.out..][..self.width].copy_from_slice(&bias[self.at..][..self.width]);
        }
    }
}
