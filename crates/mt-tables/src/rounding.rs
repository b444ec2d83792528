//! Rows in half precision: what an update leaves of a value is rounded up or down by chance, in proportion, so that its
//! mean is the value itself. Rounded to the nearest, an update of less than half the distance between two numbers would
//! be lost, however often it comes. N. Wang et al., *Training Deep Neural Networks with 8-bit Floating Point Numbers*,
//! 2018.

use half::{bf16, f16};
use mt_kernels::counter::draw;

use crate::storage::Storage;

/// Bits of the numbers nearest to `values`, in as many of `halves`.
pub(crate) fn nearest(storage: Storage, values: &[f32], halves: &mut [u16]) {
    for (half, &x) in halves.iter_mut().zip(values) {
        *half = match storage {
            Storage::Bf16 => bf16::from_f32(x).to_bits(),
            Storage::F16 | Storage::F32 => f16::from_f32(x).to_bits(),
        };
    }
}

/// The same, rounded by chance, which follows from `key` alone.
#[inline(always)]
pub(crate) fn by_chance(storage: Storage, values: &[f32], key: u64, halves: &mut [u16]) {
    for j in 0..values.len().div_ceil(4) {
        let bits = draw(key, j as u64);
        for i in 4 * j..values.len().min(4 * j + 4) {
            let chance = (bits >> (16 * (i % 4))) as u32 & 0xffff;
            halves[i] = match storage {
                Storage::Bf16 => to_bf16(values[i], chance),
                Storage::F16 | Storage::F32 => to_f16(values[i], chance),
            };
        }
    }
}

/// `chance` of 16 bits is compared with the 16 bits that are cut off.
#[inline(always)]
fn to_bf16(x: f32, chance: u32) -> u16 {
    let bits = x.to_bits();
    let up = bits.wrapping_add(chance);
    // Neither beyond the largest number, nor from one that is none to another.
    let kept = if up & 0x7f80_0000 == 0x7f80_0000 { bits } else { up };
    (kept >> 16) as u16
}

#[inline(always)]
fn to_f16(x: f32, chance: u32) -> u16 {
    /// The largest number, 65504.
    const LARGEST: u32 = 0x7bff;
    let (sign, size) = ((x.to_bits() >> 16) & 0x8000, x.abs());
    let bits = if x.is_nan() {
        LARGEST + 2
    } else if size >= 6.103_515_6e-5 {
        // 13 bits are cut off, and the exponent starts 112 later.
        ((size.to_bits().saturating_add(chance >> 3) >> 13) - (112 << 10)).min(LARGEST)
    } else {
        // Below 2⁻¹⁴ numbers are 2⁻²⁴ apart.
        ((size * (1u64 << 40) as f32) as u32 + chance) >> 16
    };
    (sign | bits) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_what_is_stored_is_the_value() {
        for storage in [Storage::F16, Storage::Bf16] {
            for x in [0.007_53, -0.3, 1.000_1, 3e-5, -1e-7, 900.7, 0.0] {
                let n = 4096;
                let mut halves = vec![0; n];
                by_chance(storage, &vec![x; n], 7, &mut halves);
                let wide = |half: &u16| match storage {
                    Storage::Bf16 => bf16::from_bits(*half).to_f64(),
                    _ => f16::from_bits(*half).to_f64(),
                };
                let (low, high) =
                    halves.iter().map(wide).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
                let mean = halves.iter().map(wide).sum::<f64>() / n as f64;
                let x = f64::from(x);
                assert!(low <= x && x <= high, "{storage:?}: {low} to {high}, {x}");
                // Five standard errors of a coin between the two.
                assert!((mean - x).abs() <= (high - low) * 2.5 / 64.0, "{storage:?}: mean {mean}, {x}");
                let spacing = if storage == Storage::Bf16 { 1.0 / 128.0 } else { 1.0 / 1024.0 };
                assert!(high - low <= (x.abs() * spacing).max(6e-8), "{storage:?}: {low} to {high}");
            }
        }
    }

    #[test]
    fn what_half_precision_holds_stays_as_it_is() {
        for half in 0..=u16::MAX {
            for chance in [0, 0x7fff, 0xffff] {
                let x = f16::from_bits(half);
                if x.is_finite() {
                    assert_eq!(to_f16(x.to_f32(), chance), half, "{x}");
                }
                let x = bf16::from_bits(half);
                if x.is_finite() {
                    assert_eq!(to_bf16(x.to_f32(), chance), half, "{x}");
                }
            }
        }
        for x in [f32::INFINITY, f32::NEG_INFINITY, 1e6, -1e6, f32::NAN] {
            assert_eq!(f16::from_bits(to_f16(x, 0xffff)).is_nan(), x.is_nan());
            assert!(!f16::from_bits(to_f16(x, 0xffff)).is_infinite());
            assert_eq!(bf16::from_bits(to_bf16(x, 0xffff)).is_nan(), x.is_nan());
        }
    }
}
