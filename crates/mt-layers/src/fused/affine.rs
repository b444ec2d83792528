//! Several affine maps side by side: `out[:, p] = act(xs[:, r(p)] · W_p + b_p)`.
//!
//! Sparse rows go entry by entry, narrow dense rows through small products, wide ones through the matrix product.

use candle_core::Result;
use rayon::prelude::*;

use super::dense::{Block, multiply, multiply_transposed, relu, transpose};
use super::matmul::{Matrix, add_product, write_product};
use super::normal::LayerNorm;
use super::packed::{Packed, pays};
use super::panels::Columns;
use super::rows::{Rows, SparseBlock, shares};
use super::sparse;
use super::{CHUNK, PARALLEL, Parameter, with_all};
use crate::kernel;
use crate::leaf::InputGradient;

/// One affine map: which columns it reads, where its weights lie, which columns it writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
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
    fn columns(&self) -> Columns {
        Columns { at: self.at, width: self.width, stride: self.stride }
    }

    fn weight<'a>(&self, values: &'a [f32]) -> Block<'a> {
        Block::new(values, self.at, self.width, self.stride)
    }

    fn reads<'a>(&self, values: &'a [f32], stride: usize) -> Block<'a> {
        Block::new(values, self.input, self.inputs, stride)
    }

    fn writes(&self, stride: usize) -> Columns {
        Columns { at: self.out, width: self.width, stride }
    }

    /// Writes the bias to every row of `out`.
    fn start(&self, bias: &[f32], out: &mut [f32], stride: usize) {
        for out in out.chunks_exact_mut(stride) {
            out[self.out..][..self.width].copy_from_slice(&bias[self.at..][..self.width]);
        }
    }
}

/// One layer.
#[derive(Debug)]
pub(crate) struct Affine {
    pub parameters: Vec<Parameter>,
    pub pieces: Vec<Piece>,
    pub width: usize,
    pub relu: bool,
    /// Between the sums and ReLU.
    pub norm: Option<LayerNorm>,
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

impl Affine {
    /// Whether the multiply-adds of a pass are enough for several threads.
    fn parallel(&self, rows: Rows) -> bool {
        rows.entries() * self.width >= PARALLEL
    }

    /// Whether its passes are large products.
    pub(super) fn is_large(&self, rows: Rows) -> bool {
        self.parallel(rows) && rows.wide(self.pieces[0].inputs).is_some()
    }

    /// Writes the layer's outputs, a row of [`Affine::width`] for each of `rows`.
    pub(super) fn forward(&self, rows: Rows, out: &mut [f32]) -> Result<()> {
        with_all(&self.parameters, |params| {
            if pays(&self.pieces, rows) {
                let parallel = self.parallel(rows);
                let Packed { weight, bias, piece } = Packed::new(&self.pieces, params, self.width, parallel);
                self.run(rows, &[piece], &[&weight, &bias], out);
            } else {
                self.run(rows, &self.pieces, params, out);
            }
            Ok(())
        })?;
        self.norm.as_ref().map_or(Ok(()), |norm| norm.forward(out, self.parallel(rows)))
    }

    fn run(&self, rows: Rows, pieces: &[Piece], params: &[&[f32]], out: &mut [f32]) {
        let activates = self.relu && self.norm.is_none();
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
                    Rows::Dense { .. } => add_bias(piece, bias, activates, out, self.width),
                }
            }
            if activates && pieces.iter().any(|piece| rows.wide(piece.inputs).is_none()) {
                relu(out);
            }
        };
        match self.parallel(rows) {
            true => out.par_chunks_mut(CHUNK * self.width).enumerate().for_each(chunk),
            false => out.chunks_mut(CHUNK * self.width).enumerate().for_each(chunk),
        }
    }

    /// Adds the parameters' gradients to their slots.
    pub(super) fn add_gradients(&self, rows: Rows, delta: &[f32], bias: &[f32]) {
        let mut slots: Vec<_> =
            self.parameters.iter().map(|p| p.gradient.as_ref().map(|slot| slot.lock())).collect();
        let (parallel, packs) = (self.parallel(rows), pays(&self.pieces, rows));
        let occupied = if packs { None } else { rows.occupied(self.pieces[0].inputs) };
        for (i, slot) in slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            // Shorter rows than this are not worth going through one by one.
            let long = self.parameters[i].tensor.elem_count() >= 32 * self.pieces[0].inputs;
            slot.touch(occupied.as_deref().filter(|_| i % 2 == 0 && long));
            slot.shared |= parallel;
        }
        for piece in &self.pieces {
            if let Some(slot) = &mut slots[2 * piece.layer + 1] {
                let sums = &mut slot.host[piece.at..][..piece.width];
                sums.iter_mut().zip(&bias[piece.out..]).for_each(|(sum, x)| *sum += x);
            }
        }
        if packs {
            let all = Packed::piece(&self.pieces, self.width);
            let mut gathered = Packed::gradient(&all, parallel);
            self.add_weights(rows, delta, vec![(vec![&all], &mut gathered)]);
            for piece in &self.pieces {
                if let Some(slot) = &mut slots[2 * piece.layer] {
                    Packed::add_share(piece, &gathered, all.stride, &mut slot.host, parallel);
                }
            }
            return;
        }
        let of_layer = |layer| self.pieces.iter().filter(|piece| piece.layer == layer).collect();
        let weights = slots.iter_mut().step_by(2).enumerate();
        let targets =
            weights.filter_map(|(layer, slot)| Some((of_layer(layer), &mut slot.as_mut()?.host[..])));
        self.add_weights(rows, delta, targets.collect());
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
    pub(super) fn add_input_gradient(
        &self,
        rows: Rows,
        delta: &[f32],
        width: usize,
        gradient: &mut InputGradient,
    ) -> Result<()> {
        with_all(&self.parameters, |params| {
            if pays(&self.pieces, rows) {
                let parallel = self.parallel(rows);
                let Packed { weight, bias, piece } = Packed::new(&self.pieces, params, self.width, parallel);
                self.add_inputs(rows, delta, width, &[piece], &[&weight, &bias], gradient);
            } else {
                self.add_inputs(rows, delta, width, &self.pieces, params, gradient);
            }
            Ok(())
        })
    }

    /// As [`Affine::add_input_gradient`], for `pieces` whose weights and biases are `params`.
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
