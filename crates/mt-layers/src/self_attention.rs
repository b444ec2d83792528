//! One block of self-attention over a row's list and its candidate. Q. Chen et al., *Behavior Sequence Transformer for E-commerce
//! Recommendation in Alibaba*, DLP-KDD 2019, section 2.2; multi-head attention is that of A. Vaswani et al., *Attention Is All You Need*,
//! NeurIPS 2017, section 3.2.
//!
//! `x_j = k_j + p_d(j)`, `x = q + p_0`, and of each head, with `j` over the values and the candidate itself,
//! `o = Σ_j softmax_j((xᵀ W_Q) · (x_jᵀ W_K) / √D) x_jᵀ W_V`;
//!
//! `y = norm(x + [o …] W_O)`, `v(q) = norm(y + relu(y W_1 + b_1) W_2 + b_2)`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | q | columns of `xs` | `(B, S)` | |
//! | k_j | [`Values`](crate::Values), the lists of all rows one after the other | `(N, S)` | |
//! | d(j) | how far a value is from the candidate, from 1 on | | |
//! | A, D | heads, and columns of each, `S / A` | | |
//! | W_Q, W_K, W_V, W_O | | `(S, S)` | `query.weight`, `key.weight`, `value.weight`, `output.weight` |
//! | p | | `(L + 1, S)` | `position` |
//! | norm | | `(S)` | `output.norm.scale`, `.shift` |
//! | W_1, b_1 | | `(S, F)`, `(F)` | `0.weight`, `0.bias` |
//! | W_2, b_2 | | `(F, S)`, `(S)` | `1.weight`, `1.bias` |
//! | norm | | `(S)` | `1.norm.scale`, `.shift` |
//!
//! Differs from the paper: of the block's outputs, which the paper puts side by side, that of the candidate is read, so that there are as many columns
//! as with any other pooling and a list costs what it has; with one block nothing else depends on what the others ask, so nothing else
//! is computed. Positions are places counted from the candidate, not spans of time, and are added to the values, not put beside
//! them; they start at 0, so that a place which training never sees says nothing. The last normalisation's scale starts at 0.03. ReLU in place of LeakyReLU, no dropout within the
//! block. A candidate without values attends to itself alone.

use candle_core::{D, DType, Result, Tensor, bail};
use candle_nn::{Init, VarBuilder};
use mt_kernels::attention::SelfAttention;

use crate::init::Initializer;
use crate::lists::Unit;
use crate::norm::standardised;
use crate::portable::exp;

/// What the last normalisation scales by at the start: its columns begin about as small as those of embedding tables beside them. Were
/// they of size 1, chance would outweigh all else that the network reads.
const START: f64 = 0.03;

/// The parameters of a block over so many columns, in the order of the table above, with the positions behind the four matrices.
pub(crate) fn parameters(
    width: usize,
    sizes: &SelfAttention,
    init: Initializer,
    vb: &VarBuilder,
) -> Result<Vec<Tensor>> {
    let weight = |layer: &str, (inputs, outputs): (usize, usize)| {
        vb.pp(layer).get_with_hints((inputs, outputs), "weight", init.weight(inputs, outputs))
    };
    let bias = |layer: &str, units: usize| vb.pp(layer).get_with_hints(units, "bias", init.bias());
    let norm = |layer: &str, what: &str, value| {
        vb.pp(layer).pp("norm").get_with_hints(width, what, Init::Const(value))
    };
    let square = |layer| weight(layer, (width, width));
    let SelfAttention { hidden, longest, .. } = *sizes;
    Ok(vec![
        square("query")?,
        square("key")?,
        square("value")?,
        square("output")?,
        vb.get_with_hints((longest + 1, width), "position", Init::Const(0.0))?,
        norm("output", "scale", 1.0)?,
        norm("output", "shift", 0.0)?,
        weight("0", (width, hidden))?,
        bias("0", hidden)?,
        weight("1", (hidden, width))?,
        bias("1", width)?,
        norm("1", "scale", START)?,
        norm("1", "shift", 0.0)?,
    ])
}

/// What the lists become, `(B, S)`, in candle's own operations. Elements are those of all lists, then all candidates.
pub(crate) fn pooled(
    unit: &Unit,
    sizes: &SelfAttention,
    xs: &Tensor,
    values: &Tensor,
    offsets: &[u32],
) -> Result<Tensor> {
    let [
        query,
        key,
        value,
        output,
        positions,
        scale,
        shift,
        first,
        first_bias,
        second,
        second_bias,
        last_scale,
        last_shift,
    ] = &unit.parameters[..]
    else {
        bail!("a block of {} parameters", unit.parameters.len())
    };
    let (rows, device, dtype) = (xs.dim(0)?, xs.device(), xs.dtype());
    let (heads, depth) = (sizes.heads, unit.width / sizes.heads);
    let (mut row, mut position) = (Vec::new(), Vec::new());
    for (b, ends) in offsets.windows(2).enumerate() {
        let count = (ends[1] - ends[0]) as usize;
        row.extend(std::iter::repeat_n(b as u32, count));
        position.extend((0..count).map(|j| sizes.position(j, count) as u32));
    }
    row.extend(0..rows as u32);
    position.resize(row.len(), 0);
    let (count, indices) = (row.len(), row);
    let row = Tensor::new(&indices[..], device)?;
    let position = Tensor::from_vec(position, count, device)?;
    let candidates = unit.query(xs)?;
    let elements = if count > rows { Tensor::cat(&[values, &candidates], 0)? } else { candidates };
    let elements = (elements + positions.index_select(&position, 0)?)?;
    let candidates = elements.narrow(0, count - rows, rows)?;

    let of_heads = |xs: &Tensor| xs.reshape((count, heads, depth));
    let asked = candidates.matmul(query)?.index_select(&row, 0)?;
    let scores = (of_heads(&asked)? * of_heads(&elements.matmul(key)?)?)?.sum(D::Minus1)?;
    let scores = (scores / (depth as f64).sqrt())?;
    let most = largest(&scores, &indices, rows)?.to_dtype(dtype)?.to_device(device)?;
    let powers = exp(&(scores - most.index_select(&row, 0)?)?)?;
    let sums = Tensor::zeros((rows, heads), dtype, device)?.index_add(&row, &powers, 0)?;
    let shares = (powers / sums.index_select(&row, 0)?)?.unsqueeze(2)?;
    let weighed = of_heads(&elements.matmul(value)?)?.broadcast_mul(&shares)?;
    let weighed = weighed.reshape((count, unit.width))?;
    let mixed = Tensor::zeros((rows, unit.width), dtype, device)?.index_add(&row, &weighed, 0)?;

    let middle = normal(&(candidates + mixed.matmul(output)?)?, scale, shift)?;
    let units = middle.matmul(first)?.broadcast_add(first_bias)?.relu()?;
    let fed = units.matmul(second)?.broadcast_add(second_bias)?;
    normal(&(middle + fed)?, last_scale, last_shift)
}

/// The largest score of each row and head, without a gradient: the weights do not depend on it.
fn largest(scores: &Tensor, row: &[u32], rows: usize) -> Result<Tensor> {
    let heads = scores.dim(1)?;
    let mut most = vec![f64::NEG_INFINITY; rows * heads];
    for (scores, &row) in scores.detach().to_dtype(DType::F64)?.to_vec2::<f64>()?.iter().zip(row) {
        let most = &mut most[row as usize * heads..][..heads];
        most.iter_mut().zip(scores).for_each(|(most, score)| *most = most.max(*score));
    }
    Tensor::from_vec(most, (rows, heads), &candle_core::Device::Cpu)
}

fn normal(xs: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    standardised(xs, D::Minus1)?.0.broadcast_mul(scale)?.broadcast_add(shift)
}
