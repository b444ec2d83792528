//! Which rows of a table one of several ranks keeps.
//!
//! Ids fall into 256 buckets, and each rank has as many consecutive ones as any other, give or take one. Of each 256 ids in a row
//! every bucket gets one, in an order turned by a hash: a vocabulary is sorted by how often its values are there, and ids as they
//! come may all be multiples of something.

use mt_dist::{buckets_of, mix, owner};

/// Buckets of a table.
const BUCKETS: u32 = mt_dist::BUCKETS as u32;

/// The rows of a table that a rank keeps: its buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owned {
    first: u32,
    count: u32,
}

/// Where the first of these 256 ids stands among the buckets.
#[inline(always)]
fn turn(of: u32) -> u32 {
    mix(u64::from(of)) as u32 % BUCKETS
}

fn bucket(id: u32) -> u32 {
    (id + turn(id / BUCKETS)) % BUCKETS
}

impl Owned {
    /// All of them.
    pub const ALL: Self = Self { first: 0, count: BUCKETS };

    /// Those of a rank.
    pub fn of(rank: usize, ranks: usize) -> Self {
        let buckets = buckets_of(rank, ranks);
        Self { first: buckets.start as u32, count: buckets.len() as u32 }
    }

    #[inline(always)]
    fn is_all(self) -> bool {
        self.count == BUCKETS
    }

    /// Room for its rows of a table of so many.
    pub fn room(self, rows: usize) -> usize {
        if self.is_all() { rows } else { rows.div_ceil(BUCKETS as usize) * self.count as usize }
    }

    /// Whether it keeps a row.
    pub fn has(self, id: u32) -> bool {
        (self.first..self.first + self.count).contains(&bucket(id))
    }

    /// Where a row that it keeps is.
    pub fn place(self, id: u32) -> u32 {
        if self.is_all() { id } else { id / BUCKETS * self.count + (bucket(id) - self.first) }
    }

    /// The row that is there.
    #[inline(always)]
    pub fn id(self, place: u32) -> u32 {
        if self.is_all() {
            return place;
        }
        let (of, bucket) = (place / self.count, self.first + place % self.count);
        of * BUCKETS + (bucket + BUCKETS - turn(of)) % BUCKETS
    }
}

/// The rank of each bucket, by which the rank that keeps a row is found.
#[derive(Debug, Clone)]
pub(crate) struct Owners {
    of: Vec<usize>,
    owned: Vec<Owned>,
}

impl Owners {
    pub fn new(ranks: usize) -> Self {
        let of = (0..mt_dist::BUCKETS).map(|bucket| owner(bucket, ranks)).collect();
        Self { of, owned: (0..ranks).map(|rank| Owned::of(rank, ranks)).collect() }
    }

    /// The rank that keeps a row, and its place there.
    pub fn find(&self, id: u32) -> (usize, u32) {
        let rank = self.of[bucket(id) as usize];
        (rank, self.owned[rank].place(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_one_place_and_each_rank_as_many() {
        let rows = 10_000;
        for ranks in [1, 2, 3, 5, 8, 256] {
            let owners = Owners::new(ranks);
            let mut kept = vec![0; ranks];
            for id in 0..rows {
                let (rank, place) = owners.find(id);
                let owned = Owned::of(rank, ranks);
                assert!(owned.has(id) && (place as usize) < owned.room(rows as usize));
                assert_eq!(owned.id(place), id);
                assert_eq!((0..ranks).filter(|&rank| Owned::of(rank, ranks).has(id)).count(), 1);
                kept[rank] += 1;
            }
            let most = rows.div_ceil(BUCKETS) as usize * 256usize.div_ceil(ranks);
            assert!(kept.iter().all(|&kept| kept <= most && kept + 80 >= 39 * (256 / ranks)), "{kept:?}");
        }
        assert_eq!(Owners::new(1).find(77), (0, 77));
    }

    #[test]
    fn multiples_of_a_number_are_spread() {
        for step in [2, 16, 256, 1024] {
            let owners = Owners::new(4);
            let mut kept = [0; 4];
            (0..4000).for_each(|i| kept[owners.find(i * step).0] += 1);
            assert!(kept.iter().all(|kept| (850..1150).contains(kept)), "{step}: {kept:?}");
        }
    }
}
