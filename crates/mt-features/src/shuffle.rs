//! The order in which an epoch sees its rows.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A random order of `0..n`, decided by `seed` and `epoch` alone: same numbers on every machine and version.
pub fn permutation(n: u32, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // A stream for each epoch, so that seed 1 epoch 2 is not seed 2 epoch 1.
    rng.set_stream(epoch);
    for last in (1..n).rev() {
        let other = below(&mut rng, last + 1);
        order.swap(last as usize, other as usize);
    }
    order
}

/// A number below `bound`, each equally likely (Lemire 2019). Our own, as `rand`'s may change its values with
/// a version, and with them every run.
fn below(rng: &mut impl RngCore, bound: u32) -> u32 {
    let mut product = u64::from(rng.next_u32()) * u64::from(bound);
    if (product as u32) < bound {
        let unfair = bound.wrapping_neg() % bound;
        while (product as u32) < unfair {
            product = u64::from(rng.next_u32()) * u64::from(bound);
        }
    }
    (product >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_every_row_once() {
        for n in [0, 1, 2, 1000] {
            let mut order = permutation(n, 7, 3);
            order.sort_unstable();
            assert!(order.into_iter().eq(0..n));
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_repeat() {
        assert_eq!(permutation(100, 1, 2), permutation(100, 1, 2));
        assert_ne!(permutation(100, 1, 2), permutation(100, 1, 3));
        assert_ne!(permutation(100, 1, 2), permutation(100, 2, 1));
    }

    #[test]
    fn every_order_of_three_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::<Vec<u32>, u32>::new();
        (0..6000).for_each(|epoch| *counts.entry(permutation(3, 5, epoch)).or_default() += 1);
        // Six standard deviations of a count around 1000.
        assert!(counts.len() == 6 && counts.values().all(|n| n.abs_diff(1000) < 175), "{counts:?}");
    }
}
