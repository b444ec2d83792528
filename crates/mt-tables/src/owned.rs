//! Which rows of a table one of several ranks keeps.
//!
//! Ids fall into 256 buckets, and each rank has as many consecutive ones as any other, give or take one. Of each 256 ids in a row
//! every bucket gets one, in an order turned by a hash: a vocabulary is sorted by how often its values are there, and ids as they
//! come may all be multiples of something.

use mt_dist::{Shards, mix};

use crate::buckets::Spans;

/// Buckets of a table.
const BUCKETS: u32 = 1 << POWER;
const POWER: u32 = 8;

/// The same, as they are shared out.
const ALL: Shards = Shards::power(POWER);

/// The rows of a table that a rank keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owned {
    All,
    /// Those of so many buckets.
    Buckets {
        first: u32,
        count: u32,
    },
    /// Those of a table that grows, in a row.
    Rows {
        first: u32,
        end: u32,
    },
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
    /// Those of a rank, of a table that does not grow.
    pub fn of(rank: usize, ranks: usize) -> Self {
        let buckets = ALL.of(rank, ranks);
        match ranks {
            1 => Self::All,
            _ => Self::Buckets { first: buckets.start as u32, count: buckets.len() as u32 },
        }
    }

    /// Room for its rows of a table of so many.
    pub fn room(self, rows: usize) -> usize {
        match self {
            Self::All => rows,
            Self::Buckets { count, .. } => rows.div_ceil(BUCKETS as usize) * count as usize,
            Self::Rows { first, end } => (end - first) as usize,
        }
    }

    /// Whether it keeps a row.
    pub fn has(self, id: u32) -> bool {
        match self {
            Self::All => true,
            Self::Buckets { first, count } => (first..first + count).contains(&bucket(id)),
            Self::Rows { first, end } => (first..end).contains(&id),
        }
    }

    /// Where a row that it keeps is.
    pub fn place(self, id: u32) -> u32 {
        match self {
            Self::All => id,
            Self::Buckets { first, count } => id / BUCKETS * count + (bucket(id) - first),
            Self::Rows { first, .. } => id - first,
        }
    }

    /// The row that is there.
    #[inline(always)]
    pub fn id(self, place: u32) -> u32 {
        match self {
            Self::All => place,
            Self::Buckets { first, count } => {
                let (of, bucket) = (place / count, first + place % count);
                of * BUCKETS + (bucket + BUCKETS - turn(of)) % BUCKETS
            }
            Self::Rows { first, .. } => place + first,
        }
    }
}

/// By which the rank that keeps a row of a table is found.
#[derive(Debug)]
pub(crate) enum Owners {
    /// What each keeps.
    Buckets(Vec<Owned>),
    /// Of a table that grows.
    Rows { spans: Spans, ranks: usize },
}

impl Owners {
    pub fn new(spans: Option<Spans>, ranks: usize) -> Self {
        if let Some(spans) = spans {
            return Self::Rows { spans, ranks };
        }
        Self::Buckets((0..ranks).map(|rank| Owned::of(rank, ranks)).collect())
    }

    /// The rank that keeps a row, and its place there.
    pub fn find(&self, id: u32) -> (usize, u32) {
        match self {
            Self::Buckets(owned) => {
                let rank = ALL.rank(bucket(id) as usize, owned.len());
                (rank, owned[rank].place(id))
            }
            Self::Rows { spans, ranks } => {
                let rank = spans.rank_of_row(id, *ranks);
                (rank, id - spans.rows_of_rank(rank, *ranks).start)
            }
        }
    }

    /// The rank that keeps a key.
    pub fn of_key(&self, key: u64) -> usize {
        match self {
            Self::Buckets(_) => 0,
            Self::Rows { spans, ranks } => spans.rank_of_key(key, *ranks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_one_place_and_each_rank_as_many() {
        let rows = 10_000;
        for ranks in [1, 2, 3, 5, 8, 256] {
            let owners = Owners::new(None, ranks);
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
        assert_eq!(Owners::new(None, 1).find(77), (0, 77));
    }

    #[test]
    fn multiples_of_a_number_are_spread() {
        for step in [2, 16, 256, 1024] {
            let owners = Owners::new(None, 4);
            let mut kept = [0; 4];
            (0..4000).for_each(|i| kept[owners.find(i * step).0] += 1);
            assert!(kept.iter().all(|kept| (850..1150).contains(kept)), "{step}: {kept:?}");
        }
    }
}
