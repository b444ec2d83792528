//! A hash of numbers, by which they fall into shards and buckets.

/// The bits of `id`, mixed: the finisher of `SplitMix64` (Steele, Lea, Flood 2014), a bijection. It is part of what checkpoints are, so it
/// never changes.
pub fn mix(id: u64) -> u64 {
    let id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    id ^ (id >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_splitmix64() {
        // The first outputs for the seed 0, from the authors' program: the state goes up by a constant.
        let outputs = [0xe220_a839_7b1d_cdaf_u64, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
        for (step, expected) in (1..).zip(outputs) {
            assert_eq!(mix(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(step)), expected);
        }
        assert_eq!(mix(0), 0);
    }
}
