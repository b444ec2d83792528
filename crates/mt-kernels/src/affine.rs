//! Several affine maps side by side: `out[:, p] = act(xs[:, r(p)] · W_p + b_p)`.
//!
//! Sparse rows go entry by entry, narrow dense rows through small products, wide ones through the matrix product.

use std::ops::Range;

use rayon::prelude::*;

use crate::chunks::{CHUNK, PARALLEL};
use crate::dense::{Block, multiply, multiply_transposed, relu, transpose};
use crate::input_gradient::InputGradient;
use crate::kernel;
use crate::matmul::{add_product, write_product};
use crate::matrix::Matrix;
use crate::packed::{Packed, pays};
use crate::panels::Columns;
use crate::piece::Piece;
use crate::rows::{Rows, SparseBlock, shares};
use crate::sparse;

/// The maps of one layer.
#[derive(Debug)]
pub struct Maps {
    /// Each with its columns of the result. Their parameters are weight and bias of each layer of candle's in turn, see
    /// [`Piece::layer`].
    pub pieces: Vec<Piece>,
    /// Columns of the result.
    pub width: usize,
    /// Whether the sums go through ReLU here.
    pub relu: bool,
}

kernel! {
    fn sparse_forward(
        simd: S,
        rows: SparseBlock<'_>,
        piece: &Piece,
        weight: &[f32],
        bias: &[f32],
        out: &mut [f32],
        stride: usize,
    ) {
        for r in 0..out.len() / stride {
            let out = &mut out[r * stride + piece.out..][..piece.width];
            sparse::forward(simd, rows.row(r), weight, piece.columns(), &bias[piece.at..], out);
        }
    }
}

kernel! {
    /// Adds the bias to what a product left in the piece's columns, and applies ReLU.
    fn add_bias(_simd: S, piece: &Piece, bias: &[f32], relu: bool, out: &mut [f32], stride: usize) {
        let bias = &bias[piece.at..][..piece.width];
        for r in 0..out.len() / stride {
            let out = &mut out[r * stride + piece.out..][..piece.width];
            for i in 0..out.len() {
                let sum = out[i] + bias[i];
                out[i] = if relu && sum < 0.0 { 0.0 } else { sum };
            }
        }
    }
}

kernel! {
    /// Adds the gradient of weight rows `first..first + len` to `gradient`, which holds just those rows.
    fn sparse_backward(
        simd: S,
        rows: SparseBlock<'_>,
        piece: &Piece,
        delta: &[f32],
        stride: usize,
        first: usize,
        gradient: &mut [f32],
    ) {
        let last = first + gradient.len() / piece.stride;
        for r in 0..delta.len() / stride {
            let delta = &delta[r * stride + piece.out..][..piece.width];
            let row = if last - first == piece.inputs { rows.row(r) } else { rows.row_within(r, first, last) };
            sparse::backward(simd, row, delta, piece.columns(), gradient);
        }
    }
}

kernel! {
    /// Makes the gradient of a layer's `result` that before the activation, 0 where the unit was not active (nowhere without
    /// ReLU), and adds its columns to `sums`.
    pub fn mask(_simd: S, gradient: &mut [f32], result: &[f32], relu: bool, sums: &mut [f32]) {
        let width = sums.len();
        for at in (0..gradient.len()).step_by(width) {
            let (gradient, result) = (&mut gradient[at..at + width], &result[at..at + width]);
            for i in 0..width {
                gradient[i] = if relu && result[i] <= 0.0 { 0.0 } else { gradient[i] };
                sums[i] += gradient[i];
            }
        }
    }
}

impl Maps {
    /// Whether the multiply-adds of a pass are enough for several threads.
    #[inline]
    pub fn parallel(&self, rows: Rows) -> bool {
        rows.entries() * self.width >= PARALLEL
    }

    /// Whether its passes are large products.
    pub fn is_large(&self, rows: Rows) -> bool {
        self.parallel(rows) && rows.wide(self.pieces[0].inputs).is_some()
    }

    /// Writes the outputs, a row of [`Maps::width`] for each of `rows`, with these parameters.
    ///
    /// # Panics
    /// If the pieces do not fit the rows, the parameters or each other.
    #[inline]
    pub fn forward(&self, rows: Rows, params: &[&[f32]], out: &mut [f32]) {
        if pays(&self.pieces, rows) {
            let Packed { weight, bias, piece } =
                Packed::new(&self.pieces, params, self.width, self.parallel(rows));
            self.run(rows, &[piece], &[&weight, &bias], out);
        } else {
            self.run(rows, &self.pieces, params, out);
        }
    }

    fn run(&self, rows: Rows, pieces: &[Piece], params: &[&[f32]], out: &mut [f32]) {
        for piece in pieces {
            let Some((values, width)) = rows.wide(piece.inputs) else { continue };
            let lhs = Matrix::new(values, piece.input, rows.len(), piece.inputs, width);
            let rhs = Matrix::new(params[2 * piece.layer], piece.at, piece.inputs, piece.width, piece.stride);
            write_product(out, piece.out, self.width, lhs, rhs);
        }
        let chunk = |(c, out): (usize, &mut [f32])| {
            let count = out.len() / self.width;
            let part = rows.range(c * CHUNK, c * CHUNK + count);
            for piece in pieces {
                let (weight, bias) = (params[2 * piece.layer], params[2 * piece.layer + 1]);
                match part {
                    Rows::Sparse(rows) => sparse_forward(rows, piece, weight, bias, out, self.width),
                    Rows::Dense { values, width } if rows.wide(piece.inputs).is_none() => {
                        piece.start(bias, out, self.width);
                        let (xs, weight) = (piece.reads(values, width), piece.weight(weight));
                        multiply(count, xs, weight, out, piece.writes(self.width), true);
                    }
                    Rows::Dense { .. } => add_bias(piece, bias, self.relu, out, self.width),
                }
            }
            if self.relu && pieces.iter().any(|piece| rows.wide(piece.inputs).is_none()) {
                relu(out);
            }
        };
        match self.parallel(rows) {
            true => out.par_chunks_mut(CHUNK * self.width).enumerate().for_each(chunk),
            false => out.chunks_mut(CHUNK * self.width).enumerate().for_each(chunk),
        }
    }

    /// Weight rows that `rows` reach, as runs; `None` where that may be all of them.
    pub fn occupied(&self, rows: Rows) -> Option<Vec<Range<u32>>> {
        if pays(&self.pieces, rows) { None } else { rows.occupied(self.pieces[0].inputs) }
    }

    /// Adds the gradients of the weights, `delta` being that of the outputs: of each layer its weight's, where it is wanted.
    ///
    /// # Panics
    /// As [`Maps::forward`].
    pub fn add_weight_gradients(&self, rows: Rows, delta: &[f32], mut weights: Vec<Option<&mut [f32]>>) {
        if pays(&self.pieces, rows) {
            let parallel = self.parallel(rows);
            let all = Packed::piece(&self.pieces, self.width);
            let mut gathered = Packed::gradient(&all, parallel);
            self.add_weights(rows, delta, vec![(vec![&all], &mut gathered)]);
            for piece in &self.pieces {
                if let Some(weight) = &mut weights[piece.layer] {
                    Packed::add_share(piece, &gathered, all.stride, weight, parallel);
                }
            }
            return;
        }
        let of_layer = |layer| self.pieces.iter().filter(|piece| piece.layer == layer).collect();
        let targets = weights.into_iter().enumerate();
        let targets = targets.filter_map(|(layer, weight)| Some((of_layer(layer), weight?)));
        self.add_weights(rows, delta, targets.collect());
    }

    /// Adds the gradients of the biases, `sums` being the column sums of that of the outputs.
    pub fn add_bias_gradients(&self, sums: &[f32], biases: &mut [Option<&mut [f32]>]) {
        for piece in &self.pieces {
            if let Some(bias) = &mut biases[piece.layer] {
                let to = &mut bias[piece.at..][..piece.width];
                to.iter_mut().zip(&sums[piece.out..]).for_each(|(sum, x)| *sum += x);
            }
        }
    }

    /// Adds weight gradients. Each target is the gradient of one weight, with the pieces that read the weight.
    fn add_weights(&self, rows: Rows, delta: &[f32], targets: Vec<(Vec<&Piece>, &mut [f32])>) {
        let parallel = self.parallel(rows);
        let mut tasks = Vec::new();
        for (pieces, target) in targets {
            let (wide, narrow): (Vec<&Piece>, _) =
                pieces.into_iter().partition(|piece| rows.wide(piece.inputs).is_some());
            for piece in wide {
                let Some((values, width)) = rows.wide(piece.inputs) else { continue };
                let lhs = Matrix::new(values, piece.input, rows.len(), piece.inputs, width).transposed();
                let rhs = Matrix::new(delta, piece.out, rows.len(), piece.width, self.width);
                add_product(target, piece.at, piece.stride, lhs, rhs);
            }
            let Some(stride) = narrow.first().map(|piece: &&Piece| piece.stride) else { continue };
            let (mut first, mut rest) = (0, target);
            for count in shares(rows, rest.len() / stride, parallel) {
                let (share, others) = rest.split_at_mut(count * stride);
                tasks.push((narrow.clone(), first, share));
                (first, rest) = (first + count, others);
            }
        }
        let run = |(pieces, first, share): (Vec<&Piece>, usize, &mut [f32])| {
            for piece in pieces {
                match rows {
                    Rows::Sparse(rows) => sparse_backward(rows, piece, delta, self.width, first, share),
                    Rows::Dense { values, width } => {
                        let count = share.len() / piece.stride;
                        let xs = Block::new(values, piece.input + first, count, width);
                        let delta = Block::new(delta, piece.out, piece.width, self.width);
                        multiply_transposed(rows.len(), xs, delta, share, piece.columns());
                    }
                }
            }
        };
        if parallel { tasks.into_par_iter().for_each(run) } else { tasks.into_iter().for_each(run) }
    }

    /// Adds the inputs' gradient to `gradient`, rows of `width`.
    ///
    /// # Panics
    /// As [`Maps::forward`].
    pub fn add_input_gradient(
        &self,
        rows: Rows,
        params: &[&[f32]],
        delta: &[f32],
        width: usize,
        gradient: &mut InputGradient,
    ) {
        if pays(&self.pieces, rows) {
            let Packed { weight, bias, piece } =
                Packed::new(&self.pieces, params, self.width, self.parallel(rows));
            self.add_inputs(rows, delta, width, &[piece], &[&weight, &bias], gradient);
        } else {
            self.add_inputs(rows, delta, width, &self.pieces, params, gradient);
        }
    }

    /// As [`Maps::add_input_gradient`], for `pieces` whose weights and biases are `params`.
    fn add_inputs(
        &self,
        rows: Rows,
        delta: &[f32],
        width: usize,
        pieces: &[Piece],
        params: &[&[f32]],
        gradient: &mut InputGradient,
    ) {
        let wide = |piece: &Piece| rows.wide(piece.inputs).is_some();
        let tiled = gradient.is_fresh() && pieces.iter().all(wide) && tiles(pieces, width);
        for piece in pieces.iter().filter(|piece| wide(piece)) {
            let lhs = Matrix::new(delta, piece.out, rows.len(), piece.width, self.width);
            let rhs = Matrix::new(params[2 * piece.layer], piece.at, piece.inputs, piece.width, piece.stride);
            let whole = gradient.is_fresh() && piece.inputs == width;
            match tiled || whole {
                true => write_product(gradient.written(), piece.input, width, lhs, rhs.transposed()),
                false => add_product(gradient.sums(), piece.input, width, lhs, rhs.transposed()),
            }
        }
        let narrow = pieces.iter().filter(|piece| !wide(piece));
        let transposed: Vec<(&Piece, Vec<f32>)> =
            narrow.map(|p| (p, transpose(p.weight(params[2 * p.layer]), p.inputs))).collect();
        if transposed.is_empty() {
            return;
        }
        let (gradient, fresh) = gradient.parts();
        let chunk = |(gradient, delta): (&mut [f32], &[f32])| {
            if fresh {
                gradient.fill(0.0);
            }
            for (piece, weight) in &transposed {
                let delta = Block::new(delta, piece.out, piece.width, self.width);
                let weight = Block::new(weight, 0, piece.inputs, piece.inputs);
                let to = Columns { at: piece.input, width: piece.inputs, stride: width };
                multiply(gradient.len() / width, delta, weight, gradient, to, true);
            }
        };
        let (size, deltas) = (CHUNK * width, CHUNK * self.width);
        match self.parallel(rows) {
            true => gradient.par_chunks_mut(size).zip(delta.par_chunks(deltas)).for_each(chunk),
            false => gradient.chunks_mut(size).zip(delta.chunks(deltas)).for_each(chunk),
        }
    }
}

/// Whether the pieces read columns side by side that make up a row of `width`.
fn tiles(pieces: &[Piece], width: usize) -> bool {
    let mut end = 0;
    let next = |piece: &Piece| piece.input == std::mem::replace(&mut end, piece.input + piece.inputs);
    pieces.iter().all(next) && end == width
}
