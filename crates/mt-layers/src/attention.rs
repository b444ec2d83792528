//! Attention of a candidate over the lists of a row: the local activation unit of DIN. G. Zhou et al., *Deep Interest Network for
//! Click-Through Rate Prediction*, KDD 2018, section 4.3, eq. 3.
//!
//! `v(q) = Σ_j a(k_j, q) · k_j`, `a(k, q) = σ(wᵀ relu(W [q, k, q - k, q ⊙ k] + b) + c) / √n`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | q | columns of `xs` | `(B, S)` | |
//! | k_j | [`Values`], the lists of all rows one after the other | `(N, S)` | |
//! | n | values of a row's list | | |
//! | W, b | | `(4·S, H)`, `(H)` | `0.weight`, `0.bias` |
//! | w, c | | `(H, 1)`, `(1)` | `1.weight`, `1.bias` |
//!
//! Differs from the paper: weights are between 0 and 1 and divided by the root of the list's length, so that a long history does
//! not drown its neighbours; ReLU in place of Dice; `q - k` beside the product. An empty list gives zeros.

use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use mt_kernels::attention::SelfAttention;

use crate::fused::attention::attended;
use crate::init::Initializer;
use crate::lists::{AttentionKind, Side, Unit, Values};
use crate::run::Run;
use crate::self_attention;

/// What reads lists with an eye on the candidate, with the columns that it reads and writes: a local activation unit, or a
/// [block of self-attention](crate::SelfAttention).
#[derive(Debug, Clone)]
pub struct Attention(Unit);

impl Attention {
    /// A unit of this kind over values of the columns of all `sides`, one beside the other.
    ///
    /// # Errors
    /// If there are no sides, sizes are 0 or do not fit, or `vb` cannot provide a parameter.
    pub fn new(sides: Vec<Side>, kind: AttentionKind, init: Initializer, vb: VarBuilder) -> Result<Self> {
        let width: usize = sides.iter().map(|side| side.width).sum();
        let parameters = match &kind {
            AttentionKind::Activation { hidden } if width > 0 && *hidden > 0 => {
                let (hidden, first, last) = (*hidden, vb.pp("0"), vb.pp("1"));
                vec![
                    first.get_with_hints((4 * width, hidden), "weight", init.weight(4 * width, hidden))?,
                    first.get_with_hints(hidden, "bias", init.bias())?,
                    last.get_with_hints((hidden, 1), "weight", init.weight(hidden, 1))?,
                    last.get_with_hints(1, "bias", init.bias())?,
                ]
            }
            AttentionKind::SelfAttention(sizes) if sizes.fit(width) => {
                self_attention::parameters(width, sizes, init, &vb)?
            }
            kind => bail!("attention over {width} columns, {kind:?}"),
        };
        Ok(Self(Unit { sides, width, kind, parameters }))
    }

    /// Writes what each of `units` makes of its values into the columns of `xs` `(B, D)` that are its own, and hands on the
    /// others as they are. Queries are read of `xs`, never of another unit's result.
    ///
    /// # Errors
    /// If there are not as many lists as units, or sizes do not fit.
    pub fn fill(units: &[Self], xs: &Tensor, lists: &[Values], run: &mut Run) -> Result<Tensor> {
        let (rows, columns) = xs.dims2()?;
        if units.len() != lists.len() {
            bail!("{} lists for {} units of attention", lists.len(), units.len())
        }
        for (Self(unit), Values { values, offsets }) in units.iter().zip(lists) {
            let (count, width) = values.dims2()?;
            let ends = (offsets.first().copied(), offsets.last().map(|&end| end as usize));
            if width != unit.width || offsets.len() != rows + 1 || ends != (Some(0), Some(count)) {
                bail!("attention over {width} columns of {count} values in {} lists", offsets.len())
            }
            if !offsets.is_sorted() {
                bail!("lists that end before they begin")
            }
            if let AttentionKind::SelfAttention(SelfAttention { longest, .. }) = unit.kind {
                let most = offsets.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max();
                if most > Some(longest) {
                    bail!("a list of {} values, of which {longest} have a position", most.unwrap_or_default())
                }
            }
            let end = unit.sides.iter().map(|side| side.query.max(side.out) + side.width).max();
            if end > Some(columns) {
                bail!("attention reads {end:?} columns of {columns}")
            }
        }
        let units: Vec<&Unit> = units.iter().map(|Self(unit)| unit).collect();
        match attended(&units, xs, lists, run)? {
            Some(filled) => Ok(filled),
            None => composed(&units, xs, lists),
        }
    }
}

/// The same in candle's own operations.
fn composed(units: &[&Unit], xs: &Tensor, lists: &[Values]) -> Result<Tensor> {
    let (rows, columns) = xs.dims2()?;
    let mut filled: Vec<(usize, Tensor)> = Vec::new();
    for (unit, list) in units.iter().zip(lists) {
        let pooled = pooled(unit, xs, list)?;
        let mut at = 0;
        for side in &unit.sides {
            filled.push((side.out, pooled.narrow(1, at, side.width)?));
            at += side.width;
        }
    }
    filled.sort_by_key(|(out, _)| *out);
    let (mut parts, mut at) = (Vec::new(), 0);
    for (out, pooled) in filled {
        parts.extend((out > at).then(|| xs.narrow(1, at, out - at)).transpose()?);
        at = out + pooled.dim(1)?;
        parts.push(pooled);
    }
    parts.extend((columns > at).then(|| xs.narrow(1, at, columns - at)).transpose()?);
    Tensor::cat(&parts, 1)?.reshape((rows, columns))
}

/// What the lists become, `(B, S)`.
fn pooled(unit: &Unit, xs: &Tensor, Values { values, offsets }: &Values) -> Result<Tensor> {
    if let AttentionKind::SelfAttention(sizes) = &unit.kind {
        return self_attention::pooled(unit, sizes, xs, values, offsets);
    }
    let (rows, device, dtype) = (xs.dim(0)?, xs.device(), xs.dtype());
    let zeros = Tensor::zeros((rows, unit.width), dtype, device)?;
    let count = values.dim(0)?;
    if count == 0 {
        return Ok(zeros);
    }
    let lengths = || offsets.windows(2).map(|ends| ends[1] - ends[0]);
    let of_row = |(row, length): (u32, u32)| std::iter::repeat_n(row, length as usize);
    let row: Vec<u32> = (0..).zip(lengths()).flat_map(of_row).collect();
    let row = Tensor::from_vec(row, count, device)?;
    let share = |length: u32| std::iter::repeat_n(1.0 / (length as f32).sqrt(), length as usize);
    let shares = Tensor::from_vec(lengths().flat_map(share).collect(), (count, 1), device)?;
    let q = unit.query(xs)?.index_select(&row, 0)?;
    let [weight, bias, last_weight, last_bias] = &unit.parameters[..] else {
        bail!("a unit of {} parameters", unit.parameters.len())
    };
    let read = Tensor::cat(&[&q, values, &(&q - values)?, &(&q * values)?], 1)?;
    let hidden = read.matmul(weight)?.broadcast_add(bias)?.relu()?;
    let scores = hidden.matmul(last_weight)?.broadcast_add(last_bias)?;
    let weights = (candle_nn::ops::sigmoid(&scores)? * shares.to_dtype(dtype)?)?;
    zeros.index_add(&row, &values.broadcast_mul(&weights)?, 0)
}
