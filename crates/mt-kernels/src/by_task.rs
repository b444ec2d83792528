//! The tasks' gradients `(B, C)` of one tensor: their inner products, and their weighted sum.

use std::ops::Range;

use crate::buffer::buffer;
use crate::kernel;

/// Partial sums of an inner product, as many as the widest vector has places.
const LANES: usize = 16;

/// Adds `Σ_rows part_a[shared] · part_b[shared]` to place `(a, b)` of `gram` `(T, T)`.
///
/// Products of a row are summed in float32, rows in float64, in one order.
pub fn add_products(parts: &[&[f32]], width: usize, shared: &Range<usize>, gram: &mut [f64]) {
    let tasks = parts.len();
    for a in 0..tasks {
        for b in 0..=a {
            let mut sum = 0.0;
            product(parts[a], parts[b], width, shared, &mut sum);
            gram[a * tasks + b] += sum;
            if a != b {
                gram[b * tasks + a] += sum;
            }
        }
    }
}

kernel! {
    fn product(_simd: S, a: &[f32], b: &[f32], width: usize, shared: &Range<usize>, sum: &mut f64) {
        for r in 0..a.len() / width {
            let a = &a[r * width..][..width][shared.start..shared.end];
            let b = &b[r * width..][..width][shared.start..shared.end];
            let whole = a.len() - a.len() % LANES;
            let mut lanes = [0f32; LANES];
            for at in (0..whole).step_by(LANES) {
                for i in 0..LANES {
                    lanes[i] += a[at + i] * b[at + i];
                }
            }
            for i in whole..a.len() {
                lanes[i - whole] += a[i] * b[i];
            }
            let mut row = 0.0;
            for i in 0..LANES {
                row += lanes[i];
            }
            *sum += f64::from(row);
        }
    }
}

/// `Σ_t factors_t ⊙ part_t`, with a factor for each column.
pub fn mixed(parts: &[&[f32]], factors: &[Vec<f32>]) -> Vec<f32> {
    let mut sum = buffer(parts[0].len());
    for (part, factors) in parts.iter().zip(factors) {
        add_scaled(part, factors, &mut sum);
    }
    sum
}

kernel! {
    fn add_scaled(_simd: S, part: &[f32], factors: &[f32], sum: &mut [f32]) {
        let width = factors.len();
        for at in (0..sum.len()).step_by(width) {
            let (part, sum) = (&part[at..at + width], &mut sum[at..at + width]);
            for i in 0..width {
                sum[i] += factors[i] * part[i];
            }
        }
    }
}
