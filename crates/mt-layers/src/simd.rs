//! Run-time choice of the vector instruction set, and the elementary functions that vectorise.

/// Defines a function whose body is compiled once per instruction set (baseline, AVX2 + FMA, AVX-512, Neon)
/// and dispatched at run time, so that one binary is fast everywhere. The body is plain Rust: the compiler
/// vectorises its loops. Functions called from it must be `#[inline(always)]` to be compiled along.
#[macro_export]
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $ty),*) {
            struct Call<T>(T);
            impl $crate::pulp::WithSimd for Call<($($ty,)*)> {
                type Output = ();
                #[inline(always)]
                fn with_simd<S: $crate::pulp::Simd>(self, _: S) {
                    let Call(($($arg,)*)) = self;
                    $body
                }
            }
            $crate::pulp::Arch::new().dispatch(Call(($($arg,)*)))
        }
    };
}

/// `eˣ` in float32, within 2 units in the last place on [-87, 88]; the argument is clamped to that range.
///
/// Cephes' scheme: `eˣ = 2ⁿ · eʳ` with `|r| ≤ ½ ln 2` and a polynomial for `eʳ`. Branch-free, so loops over it
/// vectorise; libm's `expf` takes about eight times as long in them.
#[inline(always)]
#[allow(clippy::excessive_precision)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ leaves the rounded integer in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_375;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_15e-4_f32;
    for c in [1.398_199_95e-3, 8.333_451_9e-3, 4.166_579_6e-2, 1.666_666_55e-1, 5.000_000_1e-1] {
        p = p * r + c;
    }
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    (p * r * r + r + 1.0) * f32::from_bits(power)
}

/// The logistic function `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `Σ aᵢ·bᵢ` over sixteen partial sums, always folded in the same order.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<16>();
    let (b_blocks, b_rest) = b.as_chunks::<16>();
    let mut sums = [0f32; 16];
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for i in 0..16 {
            sums[i] = x[i].mul_add(y[i], sums[i]);
        }
    }
    let mut sums8 = [0f32; 8];
    for i in 0..8 {
        sums8[i] = sums[i] + sums[i + 8];
    }
    let mut rest = 0.0;
    for (x, y) in a_rest.iter().zip(b_rest) {
        rest = x.mul_add(*y, rest);
    }
    let sums4 = [sums8[0] + sums8[4], sums8[1] + sums8[5], sums8[2] + sums8[6], sums8[3] + sums8[7]];
    (sums4[0] + sums4[2]) + (sums4[1] + sums4[3]) + rest
}

/// `y += a·x`.
#[inline(always)]
pub(crate) fn axpy(a: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = a.mul_add(*x, *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_two_units_in_the_last_place() {
        for i in -86_000..87_000 {
            let x = i as f32 * 1e-3;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "exp({x}): relative error {error}");
        }
    }

    #[test]
    fn exp_and_sigmoid_are_finite_everywhere() {
        for x in [f32::MIN, -1e3, -87.5, 0.0, 88.5, 1e3, f32::MAX] {
            assert!(exp(x).is_finite() && (0.0..=1.0).contains(&sigmoid(x)), "at {x}");
        }
    }

    #[test]
    fn dot_matches_a_plain_sum() {
        for n in [0, 1, 7, 16, 33, 117] {
            let a: Vec<f32> = (0..n).map(|i| i as f32 * 0.25).collect();
            let b: Vec<f32> = (0..n).map(|i| 1.0 - i as f32 * 0.5).collect();
            let plain: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            assert!((dot(&a, &b) - plain).abs() <= plain.abs() * 1e-5);
        }
    }
}
