//! Maps that read the same columns, gathered into one whose rows begin on lines of the cache.
//!
//! A pass over the entries of a row costs about as much for a gate of 5 columns as for a bank of 128. On many rows it
//! pays to copy the weights side by side and pass once: PLE's first level goes from six passes to two. It pays for a
//! single map, too, if its rows are not a whole number of lines long: vectors that lie across two lines take twice as
//! long, so that 117 columns were slower than 128.

use rayon::prelude::*;

use crate::buffer::buffer;
use crate::chunks::SHARED;
use crate::piece::Piece;
use crate::rows::Rows;
use crate::scratch::{LINE, Scratch, aligned};

/// Weights and biases of several pieces as one piece.
pub struct Packed {
    pub weight: Scratch,
    pub bias: Vec<f32>,
    pub piece: Piece,
}

/// Whether gathering pays: there are several maps or ragged rows, and enough entries pass over each gathered weight.
pub fn pays(pieces: &[Piece], rows: Rows) -> bool {
    let Piece { input, inputs, stride, .. } = pieces[0];
    let gains = match rows {
        Rows::Sparse(_) => pieces.len() > 1 || stride % LINE > 0,
        Rows::Dense { .. } => pieces.len() > 1 && rows.wide(inputs).is_some(),
    };
    let together = pieces.iter().all(|piece| piece.input == input && piece.inputs == inputs);
    gains && together && rows.entries() >= 8 * inputs
}

impl Packed {
    /// `width` is the sum of the pieces' widths; `params` are as [`Piece::layer`] says.
    pub fn new(pieces: &[Piece], params: &[&[f32]], width: usize, parallel: bool) -> Self {
        let piece = Self::piece(pieces, width);
        let (mut weight, mut bias) = (aligned(piece.inputs * piece.stride), buffer(width));
        for piece in pieces {
            bias[piece.out..][..piece.width]
                .copy_from_slice(&params[2 * piece.layer + 1][piece.at..][..piece.width]);
        }
        for_rows(&mut weight, piece.stride, parallel, |i, to| {
            for piece in pieces {
                let from = &params[2 * piece.layer][i * piece.stride + piece.at..][..piece.width];
                to[piece.out..][..piece.width].copy_from_slice(from);
            }
        });
        Self { weight, bias, piece }
    }

    /// The one piece that stands for all.
    pub fn piece(pieces: &[Piece], width: usize) -> Piece {
        Piece { layer: 0, at: 0, width, stride: width.next_multiple_of(LINE), out: 0, ..pieces[0] }
    }

    /// A gradient of this piece's weight, zero.
    pub fn gradient(piece: &Piece, parallel: bool) -> Scratch {
        let mut gradient = aligned(piece.inputs * piece.stride);
        for_rows(&mut gradient, piece.stride, parallel, |_, row| row.fill(0.0));
        gradient
    }

    /// Adds a piece's share of a gathered weight gradient, rows of `stride`, to the gradient of its own weight.
    pub fn add_share(piece: &Piece, gradient: &[f32], stride: usize, to: &mut [f32], parallel: bool) {
        for_rows(to, piece.stride, parallel, |i, to| {
            let from = &gradient[i * stride + piece.out..][..piece.width];
            to[piece.at..][..piece.width].iter_mut().zip(from).for_each(|(sum, x)| *sum += x);
        });
    }
}

/// Runs `f` on each row of a matrix with rows of `stride`.
fn for_rows(matrix: &mut [f32], stride: usize, parallel: bool, f: impl Fn(usize, &mut [f32]) + Sync) {
    if parallel && matrix.len() >= SHARED {
        matrix.par_chunks_exact_mut(stride).enumerate().with_min_len(64).for_each(|(i, row)| f(i, row));
    } else {
        matrix.chunks_exact_mut(stride).enumerate().for_each(|(i, row)| f(i, row));
    }
}
