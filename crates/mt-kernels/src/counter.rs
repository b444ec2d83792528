//! Random bits by counter: the n-th draw of a key, without those before it.

/// Increment of the counter: 2⁶⁴ divided by the golden ratio.
pub const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea & Flood 2014; constants of Stafford's variant 13).
#[inline(always)]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draw number `n` of `key`.
#[inline(always)]
pub fn draw(key: u64, n: u64) -> u64 {
    mix(key.wrapping_add(GAMMA.wrapping_mul(n + 1)))
}
