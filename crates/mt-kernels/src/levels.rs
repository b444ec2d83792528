//! Towers level by level, for a chunk of rows.
//!
//! The units of all towers at a level lie side by side in one row-major matrix, and towers that read the same columns
//! are one product: eight units of a tower fill half a vector, those of two towers a whole one.

use std::ops::Range;

use crate::chunks::CHUNK;
use crate::dense::{Block, multiply, multiply_transposed, relu, transpose};
use crate::kernel;
use crate::normal::{normalise, normalise_backward};
use crate::panels::Columns;
use crate::scratch::scratch;

/// All towers, from their streams to their logits.
pub struct Levels {
    levels: Vec<Level>,
    towers: usize,
    /// Values of a row that are kept: hidden units, and what normalisations keep behind those of each level.
    pub hidden: usize,
    /// Values of all parameters: of each level the weights, then the biases, then scales and shifts.
    pub values: usize,
}

/// One layer of all towers.
struct Level {
    /// Columns that each tower reads, of the streams or of the units of the level below.
    reads: Vec<Range<usize>>,
    /// First column of each tower's units, and the end of the last.
    units: Vec<usize>,
    /// First value of each tower's weight `(units, inputs)`.
    weights: Vec<usize>,
    /// First value of the biases.
    biases: usize,
    /// Values of a row that are kept at the levels below.
    below: usize,
    /// First value of the scales, with the shifts behind them, where sums are normalised row by row.
    norm: Option<usize>,
    /// Whether all towers read the same columns.
    shared: bool,
}

/// All parameters, in the order of [`Levels::values`].
#[derive(Debug)]
pub struct Weights {
    values: Vec<f32>,
    /// Weights as `(inputs, units)`; of towers that read the same columns as one matrix.
    transposed: Vec<f32>,
}

/// Consecutive rows of a row-major matrix.
#[derive(Clone, Copy)]
pub struct RowMajor<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Columns.
    pub width: usize,
}

kernel! {
    /// `delta` of units that were not active becomes 0.
    fn mask(_simd: S, delta: &mut [f32], hidden: &[f32]) {
        let hidden = &hidden[..delta.len()];
        for i in 0..delta.len() {
            delta[i] = if hidden[i] > 0.0 { delta[i] } else { 0.0 };
        }
    }
}

/// A column of ones, whose product with a matrix is its column sums.
const ONES: [f32; CHUNK] = [1.0; CHUNK];

impl Levels {
    /// `size` says units and inputs of each layer, tower after tower of `depth` layers, `norms` whether hidden layers are normalised;
    /// `starts` is the first column of the streams that each tower reads: the same one, or the end of what the tower before reads.
    ///
    /// Parameters are weight `(units, inputs)` and bias of each layer, tower after tower, and of normalised layers scale and
    /// shift behind all of these.
    #[inline]
    ///
    /// # Errors
    /// What `size` says.
    pub fn new<E>(
        depth: usize,
        size: impl Fn(usize) -> Result<(usize, usize), E>,
        norms: bool,
        starts: &[usize],
    ) -> Result<Self, E> {
        let towers = starts.len();
        let (mut levels, mut hidden, mut values) = (Vec::with_capacity(depth), 0, 0);
        for l in 0..depth {
            let shared = l == 0 && starts.iter().all(|start| *start == starts[0]);
            let mut level = Level { shared, ..Level::default() };
            for (t, start) in starts.iter().enumerate() {
                let (units, inputs) = size(t * depth + l)?;
                let below = levels.last().map_or(*start, |below: &Level| below.units[t]);
                level.reads.push(below..below + inputs);
                level.weights.push(values);
                level.units.push(level.units[t] + units);
                values += units * inputs;
            }
            (level.biases, level.below) = (values, hidden);
            values += level.width();
            if l + 1 < depth {
                hidden += level.width();
                if norms {
                    level.norm = Some(values);
                    (values, hidden) = (values + 2 * level.width(), hidden + level.width() + towers);
                }
            }
            levels.push(level);
        }
        Ok(Self { levels, towers, hidden, values })
    }

    /// Number of logits of all towers.
    #[inline]
    pub fn logits(&self) -> usize {
        self.levels.last().map_or(0, Level::width)
    }

    /// First value of a parameter.
    #[inline]
    pub fn start(&self, parameter: usize) -> usize {
        let (pair, first) = (parameter / 2, parameter.is_multiple_of(2));
        let (depth, pairs) = (self.levels.len(), self.levels.len() * self.towers);
        if let Some(norm) = pair.checked_sub(pairs) {
            let (tower, level) = (norm / (depth - 1), &self.levels[norm % (depth - 1)]);
            let behind = if first { 0 } else { level.width() };
            return level.norm.unwrap_or_default() + behind + level.units[tower];
        }
        let (tower, level) = (pair / depth, &self.levels[pair % depth]);
        if first { level.weights[tower] } else { level.biases + level.units[tower] }
    }

    /// The values of `parameters` as the passes read them.
    pub fn weights(&self, parameters: &[&[f32]]) -> Weights {
        let mut values = vec![0.0; self.values];
        for (p, parameter) in parameters.iter().enumerate() {
            values[self.start(p)..][..parameter.len()].copy_from_slice(parameter);
        }
        let mut transposed = values.clone();
        for level in &self.levels {
            for towers in level.products(0..self.towers) {
                let (inputs, units) = (level.reads[towers.start].len(), level.units(&towers).len());
                let start = level.weights[towers.start];
                let weight = transpose(Block::new(&values[start..], 0, inputs, inputs), units);
                transposed[start..][..weight.len()].copy_from_slice(&weight);
            }
        }
        Weights { values, transposed }
    }

    /// What level `l` reads.
    fn below<'a>(&self, l: usize, streams: RowMajor<'a>, hidden: &'a [f32]) -> RowMajor<'a> {
        let of_level = |below: usize| {
            let below = &self.levels[below];
            RowMajor { values: &hidden[below.below * streams.rows()..], width: below.width() }
        };
        l.checked_sub(1).map_or(streams, of_level)
    }

    /// Writes the units of all levels to `hidden`, level after level, and the logits.
    #[inline]
    pub fn forward(&self, weights: &Weights, streams: RowMajor, hidden: &mut [f32], logits: &mut [f32]) {
        let rows = streams.rows();
        for (l, level) in self.levels.iter().enumerate() {
            let (width, last) = (level.width(), l + 1 == self.levels.len());
            let (below, own) = hidden.split_at_mut(level.below * rows);
            let (own, behind) = own.split_at_mut(if last { 0 } else { width * rows });
            let out = if last { &mut *logits } else { own };
            for row in out.chunks_exact_mut(width) {
                row.copy_from_slice(&weights.values[level.biases..][..width]);
            }
            for towers in level.products(0..self.towers) {
                let units = level.units(&towers);
                let weight = &weights.transposed[level.weights[towers.start]..];
                let weight = Block::new(weight, 0, units.len(), units.len());
                let xs = level.reads(&towers, self.below(l, streams, below));
                multiply(rows, xs, weight, out, columns(&units, width), true);
            }
            match level.norm {
                Some(first) => {
                    let (scale, shift) = weights.values[first..][..2 * width].split_at(width);
                    let (normal, inverse) = behind.split_at_mut(width * rows);
                    normalise(&level.members(), scale, shift, true, out, normal, inverse);
                }
                None if last => {}
                None => relu(out),
            }
        }
    }

    /// Adds to `sums`, the gradient of all parameters' values, and to that of the streams; what `input` holds before
    /// counts for nothing if it is `fresh`.
    #[allow(clippy::too_many_arguments, reason = "what it reads, then what it writes")]
    pub fn backward(
        &self,
        weights: &Weights,
        streams: RowMajor,
        hidden: &[f32],
        gradient: &[f32],
        sums: &mut [f32],
        input: &mut [f32],
        fresh: bool,
    ) {
        let rows = streams.rows();
        // A backward pass of one task leaves the other towers without a gradient.
        let active = self.active(gradient);
        let whole = active == (0..self.towers);
        let mut delta = scratch(self.hidden * rows);
        if !whole {
            delta.fill(0.0);
        }
        if fresh && !whole {
            input.fill(0.0);
        }
        for (l, level) in self.levels.iter().enumerate().rev() {
            let (below, own) = delta.split_at_mut(level.below * rows);
            let own = if l + 1 == self.levels.len() {
                gradient
            } else {
                let (own, result) = (&mut own[..level.width() * rows], &hidden[level.below * rows..]);
                match level.norm {
                    Some(first) => level.before_norm(weights, first, result, own, sums),
                    None => mask(own, result),
                }
                &*own
            };
            let units = level.units(&active);
            let delta = Block::new(own, units.start, units.len(), level.width());
            let biases = &mut sums[level.biases + units.start..];
            let ones = Block::new(&ONES, 0, 1, 1);
            multiply_transposed(rows, ones, delta, biases, columns(&(0..units.len()), units.len()));
            let read = self.below(l, streams, hidden);
            let (to, adds) = match l.checked_sub(1) {
                Some(lower) => (&mut below[self.levels[lower].below * rows..], !whole),
                None => (&mut *input, !(fresh && whole)),
            };
            for towers in level.products(active.clone()) {
                let (units, start) = (level.units(&towers), level.weights[towers.start]);
                let delta = Block::new(own, units.start, units.len(), level.width());
                let xs = level.reads(&towers, read);
                let inputs = xs.columns.width;
                multiply_transposed(rows, delta, xs, &mut sums[start..], columns(&(0..inputs), inputs));
                let weight = Block::new(&weights.values[start..], 0, inputs, inputs);
                multiply(rows, delta, weight, to, xs.columns, adds);
            }
        }
    }

    /// The towers from the first to the last whose logits have a gradient.
    fn active(&self, gradient: &[f32]) -> Range<usize> {
        let Some(level) = self.levels.last() else { return 0..0 };
        let has_gradient = |tower: &usize| {
            let units = level.units(&(*tower..tower + 1));
            gradient.chunks_exact(level.width()).any(|row| row[units.clone()].iter().any(|g| *g != 0.0))
        };
        let first = (0..self.towers).find(has_gradient);
        let last = (0..self.towers).rev().find(has_gradient);
        first.zip(last).map_or(0..0, |(first, last)| first..last + 1)
    }
}

impl Default for Level {
    fn default() -> Self {
        let (reads, weights) = (Vec::new(), Vec::new());
        Self { reads, units: vec![0], weights, biases: 0, below: 0, norm: None, shared: false }
    }
}

impl Level {
    /// Units of all towers.
    fn width(&self) -> usize {
        self.units[self.units.len() - 1]
    }

    /// Units of each tower.
    fn members(&self) -> Vec<usize> {
        self.units.windows(2).map(|ends| ends[1] - ends[0]).collect()
    }

    /// Makes the gradient of the `result` of a normalised level, with what was kept behind it, that of its sums.
    fn before_norm(
        &self,
        weights: &Weights,
        first: usize,
        result: &[f32],
        gradient: &mut [f32],
        sums: &mut [f32],
    ) {
        let width = self.width();
        let (result, kept) = result.split_at(gradient.len());
        let (normal, inverse) = kept.split_at(gradient.len());
        let (to_scale, to_shift) = sums[first..][..2 * width].split_at_mut(width);
        let (members, scale) = (self.members(), &weights.values[first..][..width]);
        normalise_backward(&members, scale, true, result, normal, inverse, gradient, to_scale, to_shift);
    }

    /// Columns of the units of consecutive towers.
    fn units(&self, towers: &Range<usize>) -> Range<usize> {
        self.units[towers.start]..self.units[towers.end]
    }

    /// The towers of each product.
    fn products(&self, towers: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let step = if self.shared { towers.len().max(1) } else { 1 };
        towers.step_by(step).map(move |first| first..first + step)
    }

    /// What the towers of a product read.
    fn reads<'a>(&self, towers: &Range<usize>, below: RowMajor<'a>) -> Block<'a> {
        let columns = &self.reads[towers.start];
        Block::new(below.values, columns.start, columns.len(), below.width)
    }
}

impl RowMajor<'_> {
    fn rows(self) -> usize {
        self.values.len() / self.width
    }
}

/// Some columns of rows of `stride`.
fn columns(columns: &Range<usize>, stride: usize) -> Columns {
    Columns { at: columns.start, width: columns.len(), stride }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 11;

    /// Small whole numbers, whose sums are exact.
    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7 + seed * 5) % 9) as f32 - 4.0).collect()
    }

    /// Sizes and parameters of three towers of 5 columns with these hidden units each, and 2, 1 and 1 logits.
    fn towers(hidden: &[usize]) -> (Vec<(usize, usize)>, Vec<Vec<f32>>) {
        let (mut sizes, mut parameters) = (Vec::new(), Vec::new());
        for logits in [2, 1, 1] {
            let mut inputs = 5;
            for units in hidden.iter().copied().chain([logits]) {
                parameters.push(values(units * inputs, parameters.len()));
                parameters.push(values(units, 3));
                sizes.push((units, inputs));
                inputs = units;
            }
        }
        (sizes, parameters)
    }

    #[test]
    fn the_gradients_of_single_tasks_add_up_to_that_of_all() {
        for (starts, width) in [([0, 0, 0], 5), ([0, 5, 10], 15)] {
            for hidden in [&[][..], &[3], &[4, 3]] {
                let (sizes, parameters) = towers(hidden);
                let size = |layer: usize| Ok::<_, ()>(sizes[layer]);
                let levels = Levels::new(hidden.len() + 1, size, false, &starts).expect("sizes");
                let parameters: Vec<&[f32]> = parameters.iter().map(|values| &values[..]).collect();
                let weights = levels.weights(&parameters);
                let xs = values(ROWS * width, 1);
                let streams = RowMajor { values: &xs, width };
                let mut units = vec![f32::NAN; ROWS * levels.hidden];
                levels.forward(&weights, streams, &mut units, &mut [0.0; 4 * ROWS]);
                let backward = |tasks: Range<usize>| {
                    let mut gradient = values(4 * ROWS, 2);
                    let of_tasks = |i: usize| tasks.contains(&[0, 0, 1, 2][i % 4]);
                    (0..gradient.len()).filter(|&i| !of_tasks(i)).for_each(|i| gradient[i] = 0.0);
                    let (mut sums, mut input) = (vec![0.0; levels.values], vec![f32::NAN; xs.len()]);
                    levels.backward(&weights, streams, &units, &gradient, &mut sums, &mut input, true);
                    sums.extend(input);
                    sums
                };
                let mut sum = backward(0..0);
                assert!(sum.iter().all(|x| *x == 0.0));
                for task in 0..3 {
                    sum.iter_mut().zip(backward(task..task + 1)).for_each(|(sum, x)| *sum += x);
                }
                assert!(sum.iter().any(|x| *x != 0.0));
                assert_eq!(sum, backward(0..3), "towers from {starts:?} with {hidden:?}");
            }
        }
    }
}
