//! A block of self-attention over lists and their candidates, whose result at the candidate is read, with its backward pass. What is
//! computed is said in [`crate::self_attention`].
//!
//! Only the candidate asks, so keys and values of the others are never made. With `q` what a head asks, the score of an element `x` is
//! `(W_Kᵀ x) · q = x · (W_K q)`, and the sum of values is `Σ_j a_j W_Vᵀ x_j = W_Vᵀ Σ_j a_j x_j`: one product with each matrix a row, and of
//! the elements themselves as many as there are heads. Matrices are kept head by head: `(S, D)` of each, or turned `(D, S)`.

use super::activation::multiply;
use super::block::{Block, PARAMETERS, SelfAttention, turn};
use super::reading::{Reading, Rows, ToRows};
use crate::blocks::{LANES, dot, load, store};
use crate::each_block;
use crate::kernel;
use crate::normal::{normalise, normalise_backward};
use crate::simd::exp;

/// What a thread makes of a chunk of rows on the way to their results. What heads have is that of one head after the other.
struct Room {
    /// The candidates with their position, `(B, S)`.
    queries: Vec<f32>,
    /// What each head asks of them `(B, D)`, over `√D`, and that times its `W_K` `(B, S)`.
    asked: Vec<f32>,
    keyed: Vec<f32>,
    /// The elements with their positions, the candidate behind the values of each row, `(N + B, S)`.
    elements: Vec<f32>,
    /// Of each row each head's weights of its elements.
    shares: Vec<f32>,
    /// Of each head the weighed sum of the elements `(B, S)`, and that times its `W_V` `(B, D)`.
    mixed: Vec<f32>,
    made: Vec<f32>,
    /// What the feed-forward layers read `(B, S)`, and its hidden units `(B, F)`.
    middle: Vec<f32>,
    units: Vec<f32>,
    /// What both normalisations keep.
    normal: [Vec<f32>; 2],
    inverse: [Vec<f32>; 2],
}

impl Room {
    fn new(block: &Block<'_>, rows: &Rows<'_>) -> Self {
        let (width, hidden, heads, count) =
            (block.width, block.sizes.hidden, block.sizes.heads, rows.count());
        let elements = rows.values.len() / width + count;
        let zeros = |n: usize| vec![0.0; n];
        Self {
            queries: zeros(count * width),
            asked: zeros(count * width),
            keyed: zeros(heads * count * width),
            elements: zeros(elements * width),
            shares: zeros(heads * elements),
            mixed: zeros(heads * count * width),
            made: zeros(count * width),
            middle: zeros(count * width),
            units: zeros(count * hidden),
            normal: [zeros(count * width), zeros(count * width)],
            inverse: [zeros(count), zeros(count)],
        }
    }
}

/// Scores to weights that add up to 1.
#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let mut most = f32::NEG_INFINITY;
    for j in 0..scores.len() {
        most = most.max(scores[j]);
    }
    for j in 0..scores.len() {
        scores[j] = exp(scores[j] - most);
    }
    let mut sum = 0.0;
    for j in 0..scores.len() {
        sum += scores[j];
    }
    for j in 0..scores.len() {
        scores[j] /= sum;
    }
}

/// `out[r] += x` for each row of `out`.
#[inline(always)]
fn add_to_rows(x: &[f32], out: &mut [f32]) {
    for r in 0..out.len() / x.len() {
        for i in 0..x.len() {
            out[r * x.len() + i] += x[i];
        }
    }
}

/// `sums += Σ_r xs[r]`.
#[inline(always)]
fn add_rows(xs: &[f32], sums: &mut [f32]) {
    for r in 0..xs.len() / sums.len() {
        for i in 0..sums.len() {
            sums[i] += xs[r * sums.len() + i];
        }
    }
}

kernel! {
    /// Up to what is normalised first, in `room.middle`.
    fn attend(_simd: S, block: &Block<'_>, rows: &Rows<'_>, room: &mut Room) {
        let (width, depth, heads, count) = (block.width, block.depth, block.sizes.heads, rows.count());
        let (wide, deep, matrix) = (count * width, count * depth, width * depth);
        let [_, _, _, output, positions, ..] = block.parameters;
        let over = 1.0 / (depth as f32).sqrt();
        room.queries.copy_from_slice(rows.queries);
        add_to_rows(&positions[..width], &mut room.queries);
        for h in 0..heads {
            let asked = &mut room.asked[h * deep..(h + 1) * deep];
            multiply((&room.queries[..], width, 1), &block.query[h * matrix..(h + 1) * matrix], depth, asked);
            for i in 0..deep {
                asked[i] *= over;
            }
            let turned = &block.key_turned[h * matrix..(h + 1) * matrix];
            multiply((&*asked, depth, 1), turned, width, &mut room.keyed[h * wide..(h + 1) * wide]);
        }
        let mut at = 0;
        for b in 0..count {
            let list = rows.list(b);
            let (own, n) = (b * width..(b + 1) * width, list.len());
            let elements = &mut room.elements[at * width..(at + n + 1) * width];
            elements[..n * width].copy_from_slice(&rows.values[list.start * width..list.end * width]);
            for j in 0..n {
                let position = block.sizes.position(j, n) * width;
                let position = &positions[position..position + width];
                add_to_rows(position, &mut elements[j * width..(j + 1) * width]);
            }
            elements[n * width..].copy_from_slice(&room.queries[own]);
            for h in 0..heads {
                let shares = &mut room.shares[at * heads + h * (n + 1)..][..n + 1];
                let own = h * wide + b * width..h * wide + (b + 1) * width;
                for j in 0..n + 1 {
                    shares[j] = dot(&room.keyed[own.clone()], &elements[j * width..(j + 1) * width]);
                }
                softmax(shares);
                multiply((&*shares, 0, 1), elements, width, &mut room.mixed[own]);
            }
            at += n + 1;
        }
        room.middle.copy_from_slice(&room.queries);
        for h in 0..heads {
            let made = &mut room.made[h * deep..(h + 1) * deep];
            let mixed = &room.mixed[h * wide..(h + 1) * wide];
            multiply((mixed, width, 1), &block.value[h * matrix..(h + 1) * matrix], depth, made);
            multiply((&*made, depth, 1), &output[h * matrix..(h + 1) * matrix], width, &mut room.middle);
        }
    }
}

kernel! {
    /// From the middle to what is normalised last.
    fn feed(_simd: S, block: &Block<'_>, room: &mut Room, out: &mut [f32]) {
        let [_, _, _, _, _, _, _, first, first_bias, second, second_bias, ..] = block.parameters;
        add_to_rows(first_bias, &mut room.units);
        multiply((&room.middle[..], block.width, 1), first, block.sizes.hidden, &mut room.units);
        for i in 0..room.units.len() {
            room.units[i] = if room.units[i] > 0.0 { room.units[i] } else { 0.0 };
        }
        out.copy_from_slice(&room.middle);
        add_to_rows(second_bias, out);
        multiply((&room.units[..], block.sizes.hidden, 1), second, block.width, out);
    }
}

kernel! {
    /// Makes the gradient of what [`feed`] gives that of the middle.
    fn feed_back(_simd: S, block: &Block<'_>, room: &Room, gradient: &mut [f32], sums: &mut Sums) {
        let (width, hidden) = (block.width, block.sizes.hidden);
        let [_, _, _, _, _, _, _, to_first, to_first_bias, to_second, to_second_bias, ..] = sums;
        add_rows(gradient, to_second_bias);
        multiply((&room.units[..], 1, hidden), gradient, width, to_second);
        let mut slopes = vec![0.0; room.units.len()];
        multiply((&*gradient, width, 1), &block.second_turned, hidden, &mut slopes);
        for i in 0..slopes.len() {
            slopes[i] = if room.units[i] > 0.0 { slopes[i] } else { 0.0 };
        }
        add_rows(&slopes, to_first_bias);
        multiply((&room.middle[..], 1, width), &slopes, hidden, to_first);
        multiply((&slopes[..], hidden, 1), &block.first_turned, width, gradient);
    }
}

kernel! {
    /// Hands on the gradient of what [`attend`] gives.
    fn attend_back(
        _simd: S,
        block: &Block<'_>,
        rows: &Rows<'_>,
        room: &Room,
        gradient: &[f32],
        to: ToRows<'_>,
        sums: &mut Sums,
    ) {
        let (width, depth, heads, count) = (block.width, block.depth, block.sizes.heads, rows.count());
        let (wide, deep, matrix) = (count * width, count * depth, width * depth);
        let [to_query, to_key, to_value, to_output, to_positions, ..] = sums;
        let mut to_mixed = vec![0.0; heads * wide];
        for h in 0..heads {
            let (made, mixed) = (&room.made[h * deep..(h + 1) * deep], &room.mixed[h * wide..(h + 1) * wide]);
            let own = h * matrix..(h + 1) * matrix;
            let mut to_made = vec![0.0; deep];
            multiply((made, 1, depth), gradient, width, &mut to_output[own.clone()]);
            multiply((gradient, width, 1), &block.output_turned[own.clone()], depth, &mut to_made);
            multiply((mixed, 1, width), &to_made, depth, &mut to_value[own.clone()]);
            let to_mixed = &mut to_mixed[h * wide..(h + 1) * wide];
            multiply((&to_made[..], depth, 1), &block.value_turned[own], width, to_mixed);
        }
        let ToRows { queries: to_queries, values: to_values, fresh } = to;
        to_queries.copy_from_slice(gradient);
        let (mut at, mut to_keyed, mut slopes) = (0, vec![0.0; heads * wide], Vec::new());
        for b in 0..count {
            let list = rows.list(b);
            let n = list.len();
            let elements = &room.elements[at * width..(at + n + 1) * width];
            let shares = &room.shares[at * heads..(at + n + 1) * heads];
            slopes.resize(heads * (n + 1), 0.0);
            for h in 0..heads {
                let own = h * wide + b * width..h * wide + (b + 1) * width;
                let (shares, slopes) =
                    (&shares[h * (n + 1)..][..n + 1], &mut slopes[h * (n + 1)..][..n + 1]);
                for j in 0..n + 1 {
                    slopes[j] = dot(&to_mixed[own.clone()], &elements[j * width..(j + 1) * width]);
                }
                let mean = dot(shares, slopes);
                for j in 0..n + 1 {
                    slopes[j] = shares[j] * (slopes[j] - mean);
                }
                multiply((&*slopes, 0, 1), elements, width, &mut to_keyed[own]);
            }
            for j in 0..n + 1 {
                each_block!(width, |at, lanes| {
                    let mut sum = [0.0; LANES];
                    for h in 0..heads {
                        let (share, slope) = (shares[h * (n + 1) + j], slopes[h * (n + 1) + j]);
                        let of = h * wide + b * width + at;
                        let (x, y) = (load(&to_mixed, of, lanes), load(&room.keyed, of, lanes));
                        for l in 0..LANES {
                            sum[l] += share * x[l] + slope * y[l];
                        }
                    }
                    if j == n {
                        add(sum, to_queries, b * width + at, lanes);
                    } else {
                        add(sum, to_positions, block.sizes.position(j, n) * width + at, lanes);
                        let of = (list.start + j) * width + at;
                        match fresh {
                            true => store(sum, to_values, of, lanes),
                            false => add(sum, to_values, of, lanes),
                        }
                    }
                });
            }
            at += n + 1;
        }
        let over = 1.0 / (depth as f32).sqrt();
        for h in 0..heads {
            let (asked, own) = (&room.asked[h * deep..(h + 1) * deep], h * matrix..(h + 1) * matrix);
            let (to_keyed, mut to_asked) = (&to_keyed[h * wide..(h + 1) * wide], vec![0.0; deep]);
            multiply((asked, 1, depth), to_keyed, width, &mut to_key[own.clone()]);
            multiply((to_keyed, width, 1), &block.key[own.clone()], depth, &mut to_asked);
            for i in 0..deep {
                to_asked[i] *= over;
            }
            multiply((&room.queries[..], 1, width), &to_asked, depth, &mut to_query[own.clone()]);
            multiply((&to_asked[..], depth, 1), &block.query_turned[own], width, to_queries);
        }
        add_rows(to_queries, &mut to_positions[..width]);
    }
}

/// Adds a block's first values to those at `at`.
#[inline(always)]
fn add(block: [f32; LANES], to: &mut [f32], at: usize, lanes: usize) {
    let mut sum = load(to, at, lanes);
    for l in 0..LANES {
        sum[l] += block[l];
    }
    store(sum, to, at, lanes);
}

/// Gradients of the parameters; of `W_Q` and `W_V` head by head, of `W_K` turned.
type Sums = [Vec<f32>; PARAMETERS];

impl Block<'_> {
    /// Writes what the rows become to `out`; what the way back needs comes out.
    fn run(&self, rows: &Rows<'_>, out: &mut [f32]) -> Room {
        let [_, _, _, _, _, scale, shift, _, _, _, _, last_scale, last_shift] = self.parameters;
        let (mut room, members) = (Room::new(self, rows), [self.width]);
        attend(self, rows, &mut room);
        let Room { middle, normal, inverse, .. } = &mut room;
        normalise(&members, scale, shift, false, middle, &mut normal[0], &mut inverse[0]);
        feed(self, &mut room, out);
        let Room { normal, inverse, .. } = &mut room;
        normalise(&members, last_scale, last_shift, false, out, &mut normal[1], &mut inverse[1]);
        room
    }
}

/// A chunk at a time. A row without values is its candidate alone.
impl Reading for Block<'_> {
    type Sums = Sums;

    const ALONE: bool = true;

    fn products(&self, rows: usize, values: usize) -> usize {
        let Self { sizes: SelfAttention { heads, hidden, .. }, width, .. } = self;
        2 * width * (rows * (2 * width + hidden) + values * heads)
    }

    fn forward(&self, rows: &Rows<'_>, out: &mut [f32]) {
        self.run(rows, out);
    }

    fn sums(&self) -> Sums {
        self.parameters.map(|values| vec![0.0; values.len()])
    }

    fn backward(&self, rows: &Rows<'_>, gradient: &[f32], to: ToRows<'_>, sums: &mut Sums) {
        let [_, _, _, _, _, scale, _, _, _, _, _, last_scale, _] = self.parameters;
        let (mut out, mut gradient, members) = (vec![0.0; gradient.len()], gradient.to_vec(), [self.width]);
        let room = self.run(rows, &mut out);
        let (Room { middle, normal, inverse, .. }, slopes) = (&room, &mut gradient);
        let [.., to_scale, to_shift] = sums;
        let (own, over) = (&normal[1], &inverse[1]);
        normalise_backward(&members, last_scale, false, &out, own, over, slopes, to_scale, to_shift);
        feed_back(self, &room, slopes, sums);
        let [_, _, _, _, _, to_scale, to_shift, ..] = sums;
        let (own, over) = (&normal[0], &inverse[0]);
        normalise_backward(&members, scale, false, middle, own, over, slopes, to_scale, to_shift);
        attend_back(self, rows, &room, slopes, to, sums);
    }

    fn gradients(&self, chunks: &[Sums]) -> Vec<Vec<f32>> {
        let mut all = self.sums();
        for (sums, found) in chunks.iter().flat_map(|chunk| (0..PARAMETERS).zip(chunk)) {
            all[sums].iter_mut().zip(found).for_each(|(sum, gradient)| *sum += gradient);
        }
        for head_by_head in [0, 2] {
            all[head_by_head] = turn(&all[head_by_head], self.sizes.heads, self.depth);
        }
        all[1] = turn(&all[1], self.width, 1);
        all.into()
    }
}
