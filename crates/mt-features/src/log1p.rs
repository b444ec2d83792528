//! `ln(1 + x)` in single precision, the same to the bit on every machine.
//!
//! C libraries differ in the last bit of their `log1pf` (glibc's changed with 2.41), and columns are scaled when a model is
//! trained and again wherever it is served. This is the scheme of fdlibm, `s_log1p.c`, with the constants and the order of
//! operations of its single precision, for arguments from 0: the same bits as glibc's up to 2.40, within 1 unit in the
//! last place.
//!
//! > Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Developed at SunPro, a Sun Microsystems, Inc.
//! > business. Permission to use, copy, modify, and distribute this software is freely granted, provided that this notice is
//! > preserved.

/// `ln(2)` in two parts; a product of the first with an exponent is exact.
const LN_2: [f32; 2] = [0.693_138_1, 9.058_001e-6];

/// The polynomial of `(ln(1 + f) - ln(1 - f)) / s - 2` in `s²`, from the highest power.
const POLYNOMIAL: [f32; 7] =
    [0.147_981_99, 0.153_138_38, 0.181_835_73, 0.222_221_99, 0.285_714_3, 0.4, 0.666_666_7];

/// `ln(1 + x)` for `x` from 0; infinity and NaN are returned.
pub(crate) fn ln_1p(x: f32) -> f32 {
    const SQRT_2: u32 = 0x3504f7;
    const ONE: u32 = 0x3f80_0000;
    let bits = x.to_bits();
    match bits {
        // Below 2⁻⁵⁴ and 2⁻²⁹.
        ..0x2480_0000 => return x,
        0x2480_0000..0x3100_0000 => return x - x * x * 0.5,
        0x7f80_0000.. => return x,
        _ => {}
    }
    // 1 + x = 2ᵏ(1 + f) with 1 + f between √½ and √2, but for what rounding the sum lost, relative to it: `rest`.
    let (mut k, mut f, mut rest, mut small) = (0, x, 0.0, false);
    if bits >= 0x3ed4_13d7 {
        let mut sum = x;
        if bits < 0x5a00_0000 {
            sum = 1.0 + x;
            let lost = if sum.to_bits() >> 23 > 127 { 1.0 - (sum - x) } else { x - (sum - 1.0) };
            rest = lost / sum;
        }
        k = (sum.to_bits() >> 23) as i32 - 127;
        let fraction = sum.to_bits() & 0x007f_ffff;
        let halved = fraction >= SQRT_2;
        k += i32::from(halved);
        f = f32::from_bits(fraction | if halved { ONE - (1 << 23) } else { ONE }) - 1.0;
        small = if halved { 0x0080_0000 - fraction < 4 } else { fraction == 0 };
    }
    let (k, half_square) = (k as f32, 0.5 * f * f);
    let low = k * LN_2[1] + rest;
    if small {
        return k * LN_2[0] - ((half_square * (1.0 - POLYNOMIAL[6] * f) - low) - f);
    }
    let s = f / (2.0 + f);
    let z = s * s;
    let sum = POLYNOMIAL.into_iter().fold(0.0, |sum, c| sum * z + c) * z;
    if k == 0.0 {
        return f - (half_square - s * (half_square + sum));
    }
    k * LN_2[0] - ((half_square - (s * (half_square + sum) + low)) - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from 2⁻³⁵ to 2¹²⁷, near each power of two and between.
    fn arguments() -> impl Iterator<Item = f32> {
        let near = |power: u32| {
            [0, 1, 2, 3, 0x3504f6, 0x3504f7, 0x3504f8, 0x7ffffc, 0x7fffff].map(|f| power << 23 | f)
        };
        let spread = (0u32..200_000).map(|i| (92 << 23) + i * 6_709);
        (92..255).flat_map(near).chain(spread).map(f32::from_bits)
    }

    #[test]
    fn a_logarithm_is_within_a_unit_in_the_last_place() {
        for x in arguments() {
            let exact = libm::log1p(f64::from(x));
            let unit = f64::from(f32::EPSILON) * exact;
            assert!((f64::from(ln_1p(x)) - exact).abs() < unit, "ln_1p({x})");
        }
        assert_eq!(ln_1p(0.0).to_bits(), 0);
        assert_eq!(ln_1p(f32::from_bits(1)), f32::from_bits(1));
        assert_eq!(ln_1p(f32::INFINITY), f32::INFINITY);
        assert!(ln_1p(f32::NAN).is_nan());
    }

    /// Models are trained on these bits: glibc's up to 2.40.
    #[test]
    fn the_bits_of_a_logarithm_never_change() {
        let known = [
            (0x2f00_0000, 0x2f00_0000),
            (0x3380_0000, 0x3380_0000),
            (0x3e75_2a9c, 0x3e5b_cb96),
            (0x3ea0_bffc, 0x3e8b_cd16),
            (0x3ed4_13d7, 0x3eb1_7220),
            (0x3ed9_6d15, 0x3eb5_36c4),
            (0x3f13_4737, 0x3ee8_ad90),
            (0x3f80_0000, 0x3f31_7218),
            (0x3fdb_ad4f, 0x3f7f_ce6e),
            (0x40ab_91bf, 0x3fec_d5ac),
            (0x423f_6b5e, 0x4078_e2fa),
            (0x45cf_ffa7, 0x410c_dacc),
            (0x5a00_0001, 0x4212_f27c),
            (0x7f7f_ffff, 0x42b1_7218),
        ];
        for (x, bits) in known {
            assert_eq!(ln_1p(f32::from_bits(x)).to_bits(), bits, "{x:#x}");
        }
        let fold = |hash: u64, x: f32| (hash ^ u64::from(ln_1p(x).to_bits())).wrapping_mul(0x100_0000_01b3);
        assert_eq!(arguments().fold(0xcbf2_9ce4_8422_2325, fold), 0x9672_075f_0bf2_fe93);
    }
}
