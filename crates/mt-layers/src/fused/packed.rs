//! Maps that read the same columns, gathered into one.
//!
//! A pass over the entries of a row costs about as much for a gate of 5 columns as for a bank of 128. On many rows it
//! pays to copy the weights side by side and pass once: PLE's first level goes from six passes to two.

use super::affine::Piece;
use super::buffer;

/// Weights and biases of several pieces as one piece.
pub(super) struct Packed {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub piece: Piece,
}

impl Packed {
    /// `width` is the sum of the pieces' widths; `params` are as [`Piece::layer`] says.
    pub fn new(pieces: &[Piece], params: &[&[f32]], width: usize) -> Self {
        let piece = Self::piece(pieces, width);
        let mut packed = Self { weight: buffer(piece.inputs * width), bias: buffer(width), piece };
        for piece in pieces {
            packed.bias[piece.out..][..piece.width]
                .copy_from_slice(&params[2 * piece.layer + 1][piece.at..][..piece.width]);
            let rows = params[2 * piece.layer].chunks_exact(piece.stride);
            for (to, from) in packed.weight.chunks_exact_mut(width).zip(rows) {
                to[piece.out..][..piece.width].copy_from_slice(&from[piece.at..][..piece.width]);
            }
        }
        packed
    }

    /// The one piece that stands for all.
    pub fn piece(pieces: &[Piece], width: usize) -> Piece {
        Piece { layer: 0, at: 0, width, stride: width, out: 0, ..pieces[0] }
    }

    /// Adds a piece's share of a gathered weight gradient to the gradient of its own weight.
    pub fn add_share(piece: &Piece, gradient: &[f32], width: usize, to: &mut [f32]) {
        for (to, from) in to.chunks_exact_mut(piece.stride).zip(gradient.chunks_exact(width)) {
            let from = &from[piece.out..][..piece.width];
            to[piece.at..][..piece.width].iter_mut().zip(from).for_each(|(sum, x)| *sum += x);
        }
    }
}
