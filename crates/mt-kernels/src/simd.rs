//! Run-time choice of the vector instruction set, and the elementary functions that vectorise.

use pulp::Simd;

use crate::tiles::Tiles;

/// Defines a function whose body is compiled once per instruction set (baseline, AVX2 + FMA, AVX-512, Neon)
/// and dispatched at run time, so that one binary is fast everywhere.
///
/// The first parameter, `simd: S`, is the instruction set, a [`pulp::Simd`]; the caller does not pass it. Plain loops
/// in the body are vectorised by the compiler. Functions called from it must be `#[inline(always)]` to be compiled
/// along, and loops count indices: iterator adapters and closures may be compiled apart, for the baseline, where
/// `mul_add` is a call.
#[macro_export]
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($simd:ident: S, $($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $ty),*) {
            struct Call<T>(T);
            impl $crate::pulp::WithSimd for Call<($($ty,)*)> {
                type Output = ();
                #[inline(always)]
                fn with_simd<S: $crate::pulp::Simd>(self, $simd: S) {
                    let Call(($($arg,)*)) = self;
                    $body
                }
            }
            $crate::pulp::Arch::new().dispatch(Call(($($arg,)*)))
        }
    };
}

/// The instruction set that [`kernel!`](crate::kernel) chooses on this machine, as in `x86-64-v4`, with `-amx` where large
/// products run on the tile unit. Results are the same to the bit on machines where it is the same.
pub fn instructions() -> String {
    let level = format!("{:?}", pulp::Arch::new()).to_lowercase();
    let level = level.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
    let tiles = if Tiles::get().is_some() { "-amx" } else { "" };
    format!("{}-{level}{tiles}", std::env::consts::ARCH.replace('_', "-"))
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

/// `ln(1 + x)` in float32 for `x` in [-1/2, 1], within 2 units in the last place.
///
/// `ln(1 + x) = 2·artanh(s)` with `s = x / (2 + x)`, no further from 0 than 1/3; its series to `s¹³` is exact to 1.5e-8.
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let z = s * s;
    let mut p = 1.0 / 13.0;
    for c in [1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0] {
        p = p * z + c;
    }
    2.0 * (s + s * z * p)
}

/// The natural logarithm, of which no platform decides a bit; for a value a row, not for loops over vectors.
pub fn ln(x: f32) -> f32 {
    libm::log(x.into()) as f32
}

/// The logistic function `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `x`, or a zero of its sign where it is denormal. Many processors take a hundred cycles for a product with such a number,
/// and what only decays, as an optimizer's moments do, would stay among them for good.
#[inline(always)]
pub fn flushed(x: f32) -> f32 {
    above(x, f32::MIN_POSITIVE)
}

/// `x`, or a zero of its sign where it is smaller than `least`.
#[inline(always)]
pub fn above(x: f32, least: f32) -> f32 {
    if x.abs() < least { 0f32.copysign(x) } else { x }
}

/// Which values of a vector are smaller than `least`, a positive number. Their bits are compared, as whole numbers: in less
/// time, and a denormal number is like any other.
#[inline(always)]
pub fn below<S: Simd>(simd: S, xs: S::f32s, least: f32) -> S::m32s {
    let sizes = simd.transmute_i32s_f32s(simd.abs_f32s(xs));
    simd.less_than_i32s(sizes, simd.splat_i32s(least.to_bits() as i32))
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
    fn ln_1p_is_exact_to_two_units_in_the_last_place() {
        for i in 0..=100_000 {
            let size = (i as f32 * 1e-5).powi(3);
            for x in [size, -size / 2.0] {
                let exact = f64::from(x).ln_1p();
                let error = (f64::from(ln_1p(x)) - exact).abs();
                assert!(error <= 2.0 * f64::from(f32::EPSILON) * exact.abs(), "ln_1p({x}): error {error}");
            }
        }
    }

    #[test]
    fn denormal_numbers_count_as_zeros_of_their_sign() {
        let same = |a: f32, b: f32| assert_eq!(a.to_bits(), b.to_bits());
        for x in [f32::MIN_POSITIVE, 1.0, f32::INFINITY, 0.0] {
            same(flushed(x), x);
            same(flushed(-x), -x);
        }
        for x in [f32::from_bits(1), f32::MIN_POSITIVE.next_down()] {
            same(flushed(x), 0.0);
            same(flushed(-x), -0.0);
        }
        assert!(flushed(f32::NAN).is_nan());
    }

    #[test]
    fn exp_and_sigmoid_are_finite_everywhere() {
        for x in [f32::MIN, -1e3, -87.5, 0.0, 88.5, 1e3, f32::MAX] {
            assert!(exp(x).is_finite() && (0.0..=1.0).contains(&sigmoid(x)), "at {x}");
        }
    }
}
