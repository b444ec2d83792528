//! Attention over one list, with its backward pass.
//!
//! The first layer reads `[q, k, q - k, q ⊙ k]`, and `q` is the same for the whole list. So a list has a matrix of its own,
//! `M = (W_k - W_d) + diag(q) · W_p`, and a bias of its own, `b + (W_q + W_d)ᵀ q`, which its values pass through: `S·H` products a
//! value in place of `4·S·H`, and nothing of four times the width is ever written.
#![allow(clippy::too_many_arguments, reason = "what a kernel reads, then what it writes")]

use crate::blocks::{LANES, add_scaled, dot, load, scale, store};
use crate::each_block;
use crate::kernel;
use crate::simd::sigmoid;

/// What does not change from list to list.
pub struct Kept<'a> {
    pub(crate) width: usize,
    pub(crate) hidden: usize,
    /// `W_q + W_d`, `W_k - W_d` and `W_p`, each `(S, H)`.
    of_query: Vec<f32>,
    of_value: Vec<f32>,
    of_product: &'a [f32],
    /// The last two as `(H, S)`.
    turned_value: Vec<f32>,
    turned_product: Vec<f32>,
    bias: &'a [f32],
    last: &'a [f32],
    last_bias: f32,
}

impl<'a> Kept<'a> {
    /// Of the parameters `W`, `b`, `w` and `c`.
    pub fn new(width: usize, hidden: usize, parameters: &[&'a [f32]]) -> Self {
        let matrix = |i: usize| &parameters[0][i * width * hidden..][..width * hidden];
        let (query, value, difference, product) = (matrix(0), matrix(1), matrix(2), matrix(3));
        let turn = |matrix: &[f32]| {
            let column = |h: usize| matrix[h..].iter().step_by(hidden).copied();
            (0..hidden).flat_map(column).collect::<Vec<f32>>()
        };
        let of_value: Vec<f32> = value.iter().zip(difference).map(|(k, d)| k - d).collect();
        Self {
            width,
            hidden,
            of_query: query.iter().zip(difference).map(|(q, d)| q + d).collect(),
            turned_value: turn(&of_value),
            of_value,
            of_product: product,
            turned_product: turn(product),
            bias: parameters[1],
            last: parameters[2],
            last_bias: parameters[3][0],
        }
    }
}

/// What a thread needs for one list after the other.
pub struct Room {
    /// The candidate, `(S)`.
    pub query: Vec<f32>,
    /// What the list becomes, or the gradient of that, `(S)`.
    pub pooled: Vec<f32>,
    /// Gradient of the candidate, `(S)`.
    pub to_query: Vec<f32>,
    /// `M` `(S, H)`, and `(H, S)`.
    matrix: Vec<f32>,
    turned: Vec<f32>,
    /// The list's bias, and the gradient of that, `(H)`.
    bias: Vec<f32>,
    to_bias: Vec<f32>,
    /// Gradient of `M`, `(S, H)`.
    to_matrix: Vec<f32>,
    /// Of each value what the first layer makes of it, and the gradient of that, `(n, H)`.
    units: Vec<f32>,
    slopes: Vec<f32>,
    /// Of each value its weight, and the slope of its score, `(n)`.
    weights: Vec<f32>,
    slope: Vec<f32>,
}

impl Room {
    /// For values of so many columns and so many `hidden` units.
    pub fn new(width: usize, hidden: usize) -> Self {
        let zeros = |n: usize| vec![0.0; n];
        Self {
            query: zeros(width),
            pooled: zeros(width),
            to_query: zeros(width),
            matrix: zeros(width * hidden),
            turned: zeros(width * hidden),
            bias: zeros(hidden),
            to_bias: zeros(hidden),
            to_matrix: zeros(width * hidden),
            units: Vec::new(),
            slopes: Vec::new(),
            weights: Vec::new(),
            slope: Vec::new(),
        }
    }

    /// Makes room for lists of `count` values.
    fn fit(&mut self, count: usize, hidden: usize) {
        if self.weights.len() < count {
            self.units.resize(count * hidden, 0.0);
            self.slopes.resize(count * hidden, 0.0);
            self.weights.resize(count, 0.0);
            self.slope.resize(count, 0.0);
        }
    }
}

/// Gradients of the parameters, summed over lists.
pub struct Sums {
    /// Of what reads `q` alone `(S, H)`: `Σ q Dᵀ`, with `D` the gradient of a list's bias.
    of_query: Vec<f32>,
    /// `Σ G`, with `G` the gradient of a list's `M`, and `Σ diag(q) · G`.
    of_value: Vec<f32>,
    of_product: Vec<f32>,
    bias: Vec<f32>,
    last: Vec<f32>,
    last_bias: Vec<f32>,
}

impl Sums {
    /// Zeros, for values of so many columns and so many `hidden` units.
    pub fn new(width: usize, hidden: usize) -> Self {
        let zeros = |n: usize| vec![0.0; n];
        Self {
            of_query: zeros(width * hidden),
            of_value: zeros(width * hidden),
            of_product: zeros(width * hidden),
            bias: zeros(hidden),
            last: zeros(hidden),
            last_bias: zeros(1),
        }
    }

    /// Adds those of other lists.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.of_query, &other.of_query),
            (&mut self.of_value, &other.of_value),
            (&mut self.of_product, &other.of_product),
            (&mut self.bias, &other.bias),
            (&mut self.last, &other.last),
            (&mut self.last_bias, &other.last_bias),
        ];
        for (sums, others) in pairs {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        }
    }

    /// In the order and shapes of the parameters.
    pub fn gradients(self) -> Vec<Vec<f32>> {
        let differences = self.of_query.iter().zip(&self.of_value).map(|(query, value)| query - value);
        let differences: Vec<f32> = differences.collect();
        let weight = [self.of_query, self.of_value, differences, self.of_product].concat();
        vec![weight, self.bias, self.last, self.last_bias]
    }
}

/// A matrix as the left factor of a product: its first value, and how far it is to the next row and the next column.
pub(super) type Left<'a> = (&'a [f32], usize, usize);

/// `out[r] += Σ_d a[r, d] · b[d]`, of `R` rows and `W` whole blocks from column `at` of rows of `width` values: the sums stay in
/// registers.
#[inline(always)]
fn tile<const R: usize, const W: usize>(
    (a, row, step): Left<'_>,
    b: &[f32],
    (width, at): (usize, usize),
    out: &mut [f32],
) {
    let mut sums = [[[0.0; LANES]; W]; R];
    for r in 0..R {
        for w in 0..W {
            sums[r][w] = load(&out[r * width..], at + w * LANES, LANES);
        }
    }
    for d in 0..b.len() / width {
        for w in 0..W {
            let y = load(&b[d * width..], at + w * LANES, LANES);
            for r in 0..R {
                let x = a[r * row + d * step];
                for l in 0..LANES {
                    sums[r][w][l] = x.mul_add(y[l], sums[r][w][l]);
                }
            }
        }
    }
    for r in 0..R {
        for w in 0..W {
            store(sums[r][w], &mut out[r * width..], at + w * LANES, LANES);
        }
    }
}

/// The same of `R` whole rows, so many blocks at a time that sums need not wait for each other.
#[inline(always)]
fn rows<const R: usize>((a, row, step): Left<'_>, b: &[f32], width: usize, out: &mut [f32]) {
    let mut at = 0;
    // Of four blocks twice two.
    while R < 8 && at + 3 * LANES <= width && at + 4 * LANES != width {
        tile::<R, 3>((a, row, step), b, (width, at), out);
        at += 3 * LANES;
    }
    while R < 8 && at + 2 * LANES <= width {
        tile::<R, 2>((a, row, step), b, (width, at), out);
        at += 2 * LANES;
    }
    if at + LANES <= width {
        tile::<R, 1>((a, row, step), b, (width, at), out);
        at += LANES;
    }
    for r in 0..R {
        for w in at..width {
            let mut sum = out[r * width + w];
            for d in 0..b.len() / width {
                sum = a[r * row + d * step].mul_add(b[d * width + w], sum);
            }
            out[r * width + w] = sum;
        }
    }
}

/// The same of all rows of `out`.
#[inline(always)]
pub(super) fn multiply((a, row, step): Left<'_>, b: &[f32], width: usize, out: &mut [f32]) {
    let (count, mut r) = (out.len() / width, 0);
    while width < 2 * LANES && r + 8 <= count {
        rows::<8>((&a[r * row..], row, step), b, width, &mut out[r * width..(r + 8) * width]);
        r += 8;
    }
    while r + 4 <= count {
        rows::<4>((&a[r * row..], row, step), b, width, &mut out[r * width..(r + 4) * width]);
        r += 4;
    }
    while r < count {
        rows::<1>((&a[r * row..], row, step), b, width, &mut out[r * width..(r + 1) * width]);
        r += 1;
    }
}

/// `M` and the bias of the list of `query`.
#[inline(always)]
fn matrix_of(kept: &Kept, query: &[f32], matrix: &mut [f32], bias: &mut [f32]) {
    let hidden = kept.hidden;
    bias.copy_from_slice(kept.bias);
    matrix.copy_from_slice(&kept.of_value);
    rows::<1>((query, 0, 1), &kept.of_query, hidden, bias);
    for i in 0..kept.width {
        let row = i * hidden..(i + 1) * hidden;
        add_scaled(query[i], &kept.of_product[row.clone()], &mut matrix[row]);
    }
}

/// What the first layer makes of all values, before its activation.
#[inline(always)]
fn units_of(kept: &Kept, matrix: &[f32], bias: &[f32], list: &[f32], units: &mut [f32]) {
    for j in 0..units.len() / kept.hidden {
        units[j * kept.hidden..][..kept.hidden].copy_from_slice(bias);
    }
    multiply((list, kept.width, 1), matrix, kept.hidden, units);
}

/// What [`dot`] says of `units` less what is negative of them, and `last`.
#[inline(always)]
fn score(kept: &Kept, units: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    each_block!(kept.hidden, |at, n| {
        let (x, y) = (load(units, at, n), load(kept.last, at, n));
        for i in 0..LANES {
            sums[i] += x[i].max(0.0) * y[i];
        }
    });
    kept.last_bias + dot(&sums, &[1.0; LANES])
}

kernel! {
    /// Pools the values `list` `(n, S)` of `room.query` into `room.pooled`.
    pub(super) fn forward_list(_simd: S, kept: &Kept<'_>, list: &[f32], room: &mut Room) {
        let (width, hidden) = (kept.width, kept.hidden);
        let count = list.len() / width;
        room.fit(count, hidden);
        let Room { query, pooled, matrix, bias, units, weights, .. } = room;
        let (units, weights) = (&mut units[..count * hidden], &mut weights[..count]);
        matrix_of(kept, query, matrix, bias);
        units_of(kept, matrix, bias, list, units);
        for j in 0..count {
            weights[j] = score(kept, &units[j * hidden..][..hidden]);
        }
        let share = 1.0 / (count as f32).sqrt();
        for j in 0..count {
            weights[j] = sigmoid(weights[j]) * share;
        }
        pooled.fill(0.0);
        rows::<1>((weights, 0, 1), list, width, pooled);
    }
}

kernel! {
    /// Of the gradient `room.pooled` of what `list` became: adds that of its values to `to_list`, or writes it there where that is
    /// `fresh`, adds that of the parameters to `sums`, and writes that of `room.query` to `room.to_query`.
    pub(super) fn backward_list(
        _simd: S,
        kept: &Kept<'_>,
        list: &[f32],
        to_list: &mut [f32],
        fresh: bool,
        room: &mut Room,
        sums: &mut Sums,
    ) {
        let (width, hidden) = (kept.width, kept.hidden);
        let count = list.len() / width;
        room.fit(count, hidden);
        let Room { query, pooled, to_query, matrix, turned, bias, to_bias, to_matrix, .. } = room;
        let (units, slopes) = (&mut room.units[..count * hidden], &mut room.slopes[..count * hidden]);
        let (weights, slope) = (&mut room.weights[..count], &mut room.slope[..count]);
        matrix_of(kept, query, matrix, bias);
        units_of(kept, matrix, bias, list, units);
        for h in 0..hidden {
            let row = h * width..(h + 1) * width;
            let (value, product) = (&kept.turned_value[row.clone()], &kept.turned_product[row.clone()]);
            let turned = &mut turned[row];
            each_block!(width, |at, n| {
                let (mut x, q, p) = (load(value, at, n), load(query, at, n), load(product, at, n));
                for l in 0..LANES {
                    x[l] += q[l] * p[l];
                }
                store(x, turned, at, n);
            });
        }
        for j in 0..count {
            weights[j] = score(kept, &units[j * hidden..][..hidden]);
            slope[j] = dot(pooled, &list[j * width..][..width]);
        }
        let share = 1.0 / (count as f32).sqrt();
        for j in 0..count {
            let chance = sigmoid(weights[j]);
            weights[j] = chance * share;
            slope[j] *= share * chance * (1.0 - chance);
            sums.last_bias[0] += slope[j];
        }
        to_bias.fill(0.0);
        for j in 0..count {
            let (units, slopes) = (&units[j * hidden..][..hidden], &mut slopes[j * hidden..][..hidden]);
            each_block!(hidden, |at, n| {
                let (x, w) = (load(units, at, n), load(kept.last, at, n));
                let (mut last, mut bias) = (load(&sums.last, at, n), load(to_bias, at, n));
                let mut own = [0.0; LANES];
                for l in 0..LANES {
                    let there = x[l] > 0.0;
                    last[l] += if there { slope[j] * x[l] } else { 0.0 };
                    own[l] = if there { slope[j] * w[l] } else { 0.0 };
                    bias[l] += own[l];
                }
                store(last, &mut sums.last, at, n);
                store(bias, to_bias, at, n);
                store(own, slopes, at, n);
            });
            let to_value = &mut to_list[j * width..][..width];
            match fresh {
                true => scale(weights[j], pooled, to_value),
                false => add_scaled(weights[j], pooled, to_value),
            }
        }
        multiply((slopes, hidden, 1), turned, width, to_list);
        to_matrix.fill(0.0);
        multiply((list, 1, width), slopes, hidden, to_matrix);
        add_scaled(1.0, to_bias, &mut sums.bias);
        for i in 0..width {
            let (row, q, mut slope) = (i * hidden, query[i], [0.0; LANES]);
            each_block!(hidden, |at, n| {
                let (g, d) = (load(to_matrix, row + at, n), load(to_bias, at, n));
                let (a, b) = (load(&kept.of_query, row + at, n), load(kept.of_product, row + at, n));
                let mut of_query = load(&sums.of_query, row + at, n);
                let mut of_value = load(&sums.of_value, row + at, n);
                let mut of_product = load(&sums.of_product, row + at, n);
                for l in 0..LANES {
                    slope[l] += a[l] * d[l] + b[l] * g[l];
                    of_query[l] += q * d[l];
                    of_value[l] += g[l];
                    of_product[l] += q * g[l];
                }
                store(of_query, &mut sums.of_query, row + at, n);
                store(of_value, &mut sums.of_value, row + at, n);
                store(of_product, &mut sums.of_product, row + at, n);
            });
            to_query[i] = dot(&slope, &[1.0; LANES]);
        }
    }
}
