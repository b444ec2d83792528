//! Row arithmetic in blocks of a fixed width, which the compiler keeps in vector registers. A plain loop over a row's
//! 16 values is vectorised for rows of 64, and short ones fall through to its scalar rest.

/// Values of a block: the widest that leaves no half-empty vector at the usual row widths of 8, 16, 24, 32.
pub const LANES: usize = 8;

/// A block.
pub type Block = [f32; LANES];

/// `n` values from `at`, the rest of the block 0. Whole blocks go as arrays: `copy_from_slice` stays a call.
#[inline(always)]
pub fn load(from: &[f32], at: usize, n: usize) -> Block {
    let from = &from[at..at + n];
    if let Some(whole) = from.first_chunk() {
        return *whole;
    }
    let mut block = [0.0; LANES];
    block[..n].copy_from_slice(from);
    block
}

/// The first `n` values of a block to `at`.
#[inline(always)]
pub fn store(block: Block, to: &mut [f32], at: usize, n: usize) {
    let to = &mut to[at..at + n];
    if let Some(whole) = to.first_chunk_mut() {
        *whole = block;
        return;
    }
    to.copy_from_slice(&block[..n]);
}

/// Runs `$body` for every block of a row of `$width` values, with its first position and its number of values: a
/// constant for whole blocks.
#[macro_export]
macro_rules! each_block {
    ($width:expr, |$at:ident, $n:ident| $body:block) => {{
        let width = $width;
        let mut $at = 0;
        while $at + $crate::blocks::LANES <= width {
            let $n = $crate::blocks::LANES;
            $body
            $at += $crate::blocks::LANES;
        }
        if $at < width {
            let $n = width - $at;
            $body
        }
    }};
}

/// `out = xs`.
#[inline(always)]
pub fn copy(xs: &[f32], out: &mut [f32]) {
    each_block!(out.len(), |at, n| { store(load(xs, at, n), out, at, n) });
}

/// `out = factor · xs`.
#[inline(always)]
pub fn scale(factor: f32, xs: &[f32], out: &mut [f32]) {
    each_block!(out.len(), |at, n| {
        let mut x = load(xs, at, n);
        for i in 0..LANES {
            x[i] *= factor;
        }
        store(x, out, at, n);
    });
}

/// `out += factor · xs`.
#[inline(always)]
pub fn add_scaled(factor: f32, xs: &[f32], out: &mut [f32]) {
    each_block!(out.len(), |at, n| {
        let (x, mut sum) = (load(xs, at, n), load(out, at, n));
        for i in 0..LANES {
            sum[i] += factor * x[i];
        }
        store(sum, out, at, n);
    });
}

/// `Σ a·b`, in an order that does not depend on the machine's vectors.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    each_block!(a.len(), |at, n| {
        let (x, y) = (load(a, at, n), load(b, at, n));
        for i in 0..LANES {
            sums[i] += x[i] * y[i];
        }
    });
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_width_are_covered_once() {
        for width in 0..40 {
            let xs: Vec<f32> = (0..width).map(|i| i as f32 - 3.0).collect();
            let mut out = vec![1.0; width];
            add_scaled(2.0, &xs, &mut out);
            assert!(out.iter().zip(&xs).all(|(o, x)| *o == 1.0 + 2.0 * x), "{width}: {out:?}");
            scale(0.5, &xs, &mut out);
            assert!(out.iter().zip(&xs).all(|(o, x)| *o == 0.5 * x), "{width}: {out:?}");
            copy(&xs, &mut out);
            assert_eq!(out, xs);
            assert_eq!(dot(&xs, &xs), xs.iter().map(|x| x * x).sum::<f32>());
        }
    }
}
