//! Layer normalisation of a layer's sums, row by row.
//!
//! `h = relu(scale ⊙ n + shift)`, `n = (x - mean x) / √(var x + ε)` over the units of each member

use crate::kernel;

/// `ε`.
pub const EPSILON: f64 = 1e-5;

/// Partial sums that are taken side by side.
const LANES: usize = 8;

/// `Σ a ⊙ b`, in lanes.
#[inline(always)]
fn product_sum(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = a.len() / LANES * LANES;
    let b = &b[..a.len()];
    for at in (0..whole).step_by(LANES) {
        for i in 0..LANES {
            lanes[i] += a[at + i] * b[at + i];
        }
    }
    for i in whole..a.len() {
        lanes[i - whole] += a[i] * b[i];
    }
    total(lanes)
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = values.len() / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        for i in 0..LANES {
            lanes[i] += values[at + i];
        }
    }
    for i in whole..values.len() {
        lanes[i - whole] += values[i];
    }
    total(lanes)
}

#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    let mut all = 0.0;
    for lane in lanes {
        all += lane;
    }
    all
}

kernel! {
    /// Normalises rows of sums in place, member by member of `members` columns each; keeps `normal` and `inverse`.
    pub fn normalise(
        _simd: S,
        members: &[usize],
        scale: &[f32],
        shift: &[f32],
        relu: bool,
        out: &mut [f32],
        normal: &mut [f32],
        inverse: &mut [f32],
    ) {
        let (width, count) = (scale.len(), members.len());
        let mut at = 0;
        for r in 0..out.len() / width {
            for m in 0..count {
                let units = members[m];
                let (out, normal) = (&mut out[at..][..units], &mut normal[at..][..units]);
                let first = at - r * width;
                let (scale, shift) = (&scale[first..][..units], &shift[first..][..units]);
                let mean = sum(out) / units as f32;
                for i in 0..units {
                    normal[i] = out[i] - mean;
                }
                let variance = product_sum(normal, normal) / units as f32;
                let over = 1.0 / (variance + EPSILON as f32).sqrt();
                inverse[r * count + m] = over;
                for i in 0..units {
                    normal[i] *= over;
                    let value = normal[i] * scale[i] + shift[i];
                    out[i] = if relu && value < 0.0 { 0.0 } else { value };
                }
                at += units;
            }
        }
    }
}

kernel! {
    /// Makes the gradient of a layer's `result` that of its sums before they were normalised, and adds up that of `scale` and
    /// `shift`.
    pub fn normalise_backward(
        _simd: S,
        members: &[usize],
        scale: &[f32],
        relu: bool,
        result: &[f32],
        normal: &[f32],
        inverse: &[f32],
        gradient: &mut [f32],
        to_scale: &mut [f32],
        to_shift: &mut [f32],
    ) {
        let (width, count) = (scale.len(), members.len());
        let mut at = 0;
        for r in 0..gradient.len() / width {
            for m in 0..count {
                let units = members[m];
                let first = at - r * width;
                let (gradient, result) = (&mut gradient[at..][..units], &result[at..][..units]);
                let (normal, scale) = (&normal[at..][..units], &scale[first..][..units]);
                let (to_scale, to_shift) = (&mut to_scale[first..][..units], &mut to_shift[first..][..units]);
                for i in 0..units {
                    let own = if relu && result[i] <= 0.0 { 0.0 } else { gradient[i] };
                    to_scale[i] += own * normal[i];
                    to_shift[i] += own;
                    gradient[i] = own * scale[i];
                }
                let mean = sum(gradient) / units as f32;
                let slope = product_sum(gradient, normal) / units as f32;
                let over = inverse[r * count + m];
                for i in 0..units {
                    gradient[i] = (gradient[i] - mean - normal[i] * slope) * over;
                }
                at += units;
            }
        }
    }
}
