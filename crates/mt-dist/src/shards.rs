//! Into how many shards a step is cut, and whose they are.

use crate::cut::part;
use crate::error::{Error, Result};
use std::ops::Range;

/// A number of shards: a power of two. The sums of a step are taken over shards, so they depend on this number, and not on how many
/// ranks share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shards(usize);

impl Shards {
    /// A step that is not cut.
    pub const ONE: Shards = Shards(1);

    /// `2^power` of them; a power that is too large is taken for the largest.
    pub const fn power(power: u32) -> Shards {
        Shards(if power < usize::BITS { 1 << power } else { 1 << (usize::BITS - 1) })
    }

    /// # Errors
    ///
    /// [`Error::Shards`] unless `count` is a power of two.
    pub fn new(count: usize) -> Result<Shards> {
        if count.is_power_of_two() { Ok(Shards(count)) } else { Err(Error::Shards(count)) }
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.0
    }

    /// Those of `rank` among `size`: from `count * rank / size` to `count * (rank + 1) / size`. Empty for some where there are more
    /// ranks than shards.
    pub fn of(self, rank: usize, size: usize) -> Range<usize> {
        part(self.0, rank, size)
    }

    /// The rank among `size` (1 or more) that has `shard`, which is one of [`of`](Self::of) it.
    ///
    /// ```
    /// # use mt_dist::Shards;
    /// let buckets = Shards::new(256)?;
    /// assert_eq!([0, 84, 85, 255].map(|bucket| buckets.rank(bucket, 3)), [0, 0, 1, 2]);
    /// # Ok::<(), mt_dist::Error>(())
    /// ```
    pub fn rank(self, shard: usize, size: usize) -> usize {
        // The last whose first shard is not behind it.
        (((shard as u128 + 1) * size as u128 - 1) / self.0 as u128) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_two() {
        assert!([1, 2, 4, 1 << 20].iter().all(|&count| Shards::new(count).is_ok()));
        assert!([0, 3, 6, usize::MAX].iter().all(|&count| Shards::new(count) == Err(Error::Shards(count))));
    }

    #[test]
    fn each_has_one_owner() {
        let shards = Shards::new(8).unwrap();
        assert_eq!([0, 1, 2].map(|rank| shards.of(rank, 3)), [0..2, 2..5, 5..8]);
        for size in 1..300 {
            for shards in [shards, Shards::ONE, Shards::new(256).unwrap()] {
                assert!((0..size).flat_map(|rank| shards.of(rank, size)).eq(0..shards.count()));
                let found = |shard: usize| shards.of(shards.rank(shard, size), size).contains(&shard);
                assert!((0..shards.count()).all(found), "{shards:?} {size}");
            }
        }
    }
}
