//! The rows of an epoch in their order, and its batches.
//!
//! Where a loss compares the rows of a group, batches are drawn by group: the groups are shuffled, and each batch has as many whole
//! ones as go into `train.batch_size`. A group of more rows than that is cut into parts of equal size, each a group of its own
//! for the loss. Seed and epoch decide all of it.

use std::ops::Range;

use mt_features::permutation;

/// The rows of an epoch in their order, cut into batches.
#[derive(Debug, PartialEq)]
pub(crate) struct Order {
    rows: Vec<u32>,
    /// Where each batch ends.
    ends: Vec<usize>,
}

/// How the rows of each epoch are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw<'a> {
    /// How many there are.
    pub rows: usize,
    /// Rows of a batch, at most.
    pub size: usize,
    /// What decides their order; `None` where it is that of the table.
    pub seed: Option<u64>,
    /// The group of each row, where batches are drawn by group.
    pub groups: Option<&'a [u32]>,
}

impl Draw<'_> {
    /// The order of an epoch, counted from 1.
    pub fn epoch(&self, epoch: usize) -> Order {
        let &Self { rows, size, seed, groups } = self;
        let shuffled = |count: usize| match seed {
            Some(seed) => permutation(count as u32, seed, epoch as u64),
            None => (0..count as u32).collect(),
        };
        let Some(groups) = groups else {
            return Order::cut(shuffled(rows), size);
        };
        let of = by_group(&shuffled(rows), groups);
        let mut order = Order { rows: Vec::with_capacity(rows), ends: Vec::new() };
        for group in shuffled(of.len()) {
            for part in parts(&of[group as usize], size) {
                let begun = order.rows.len() - order.ends.last().unwrap_or(&0);
                if begun > 0 && begun + part.len() > size {
                    order.ends.push(order.rows.len());
                }
                order.rows.extend(part);
            }
        }
        if !order.rows.is_empty() {
            order.ends.push(order.rows.len());
        }
        order
    }

    /// Batches of an epoch; by groups those of the first, as others have a few more or fewer.
    pub fn batches(&self) -> usize {
        match self.groups {
            None => self.rows.div_ceil(self.size),
            Some(_) => self.epoch(1).ends.len(),
        }
    }
}

impl Order {
    /// These rows in batches of `size`, of which the last may have fewer.
    pub fn cut(rows: Vec<u32>, size: usize) -> Self {
        let batches = rows.len().div_ceil(size);
        let ends = (1..=batches).map(|batch| rows.len().min(batch * size)).collect();
        Self { rows, ends }
    }

    /// What is left after its first `done` rows, which are whole batches.
    #[must_use]
    pub fn after(mut self, done: usize) -> Self {
        let ends = self.ends.into_iter().filter(|&end| end > done).map(|end| end - done).collect();
        Self { rows: self.rows.split_off(done), ends }
    }

    /// Its batches, each as its rows.
    pub fn batches(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.rows[start..end])
    }

    /// Where each of its batches ends.
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// Its rows, and where each of its batches ends.
    pub fn into_parts(self) -> (Vec<u32>, Vec<usize>) {
        (self.rows, self.ends)
    }

    /// Its rows.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Those within `rows` of the order.
    pub fn within(&self, rows: Range<usize>) -> impl Iterator<Item = &[u32]> {
        let mut end = 0;
        self.batches().filter(move |batch| {
            end += batch.len();
            rows.start < end && end <= rows.end
        })
    }
}

/// The rows of each group, in the order that `rows` has them; the groups in the order of the table.
fn by_group(rows: &[u32], groups: &[u32]) -> Vec<Vec<u32>> {
    let codes = groups.iter().max().map_or(0, |&most| most as usize + 1);
    let (mut number, mut count) = (vec![u32::MAX; codes], 0);
    for &group in groups {
        if number[group as usize] == u32::MAX {
            number[group as usize] = count;
            count += 1;
        }
    }
    let mut of = vec![Vec::new(); count as usize];
    rows.iter().for_each(|&row| of[number[groups[row as usize] as usize] as usize].push(row));
    of
}

/// A group in as few parts as have at most `size` rows, as equal as they can be.
fn parts(group: &[u32], size: usize) -> impl Iterator<Item = &[u32]> {
    let (rows, parts) = (group.len(), group.len().div_ceil(size));
    (0..parts).map(move |part| &group[part * rows / parts..(part + 1) * rows / parts])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(size: usize, seed: Option<u64>, groups: &[u32]) -> Draw<'_> {
        Draw { rows: groups.len(), size, seed, groups: Some(groups) }
    }

    /// Rows of 30 groups, of 1 to 30 rows, scattered; group 29 has more than a batch.
    fn groups() -> Vec<u32> {
        let all: Vec<u32> =
            (0..30).flat_map(|group| std::iter::repeat_n(3 * group + 1, group as usize + 1)).collect();
        permutation(all.len() as u32, 5, 1).into_iter().map(|row| all[row as usize]).collect()
    }

    #[test]
    fn every_row_is_drawn_once_and_a_group_is_in_one_batch() {
        let groups = groups();
        for (size, seed) in [(20, Some(1)), (20, None), (64, Some(1)), (1000, Some(1)), (1, Some(1))] {
            let order = draw(size, seed, &groups).epoch(2);
            let mut rows = order.rows.clone();
            rows.sort_unstable();
            assert!(rows.into_iter().eq(0..groups.len() as u32));
            assert!(order.batches().all(|batch| !batch.is_empty() && batch.len() <= size));
            let batches_of = |group: u32| {
                let has = |batch: &&[u32]| batch.iter().any(|&row| groups[row as usize] == group);
                order.batches().filter(has).count()
            };
            for group in 0..30 {
                assert_eq!(batches_of(3 * group + 1), (group as usize + 1).div_ceil(size), "{size}: {group}");
            }
            // The next group would not have gone into a batch.
            let whole = order.batches().collect::<Vec<_>>().windows(2).all(|pair| {
                let next = groups[pair[1][0] as usize];
                let first = pair[1].iter().take_while(|&&row| groups[row as usize] == next).count();
                pair[0].len() + first > size
            });
            assert!(whole, "{size}");
        }
    }

    #[test]
    fn seed_and_epoch_decide_and_what_is_left_is_the_rest() {
        let groups = groups();
        let order = |epoch| draw(64, Some(1), &groups).epoch(epoch);
        assert_eq!(order(3), order(3));
        assert_ne!(order(3), order(4));
        assert_ne!(order(3), draw(64, Some(2), &groups).epoch(3));
        assert_eq!(draw(64, Some(1), &groups).batches(), order(1).batches().count());
        let whole = order(3);
        let batches: Vec<&[u32]> = whole.batches().collect();
        let done: usize = batches[..2].iter().map(|batch| batch.len()).sum();
        assert!(order(3).after(done).batches().eq(batches[2..].iter().copied()));
        let next = done + batches[2].len();
        assert!(whole.within(done..next).eq([batches[2]]));
    }

    #[test]
    fn without_groups_rows_are_shuffled_and_cut() {
        let plain = Draw { rows: 10, size: 4, seed: Some(1), groups: None };
        let order = plain.epoch(1);
        assert_eq!((&order.rows, plain.batches()), (&permutation(10, 1, 1), 3));
        assert!(order.batches().eq(order.rows.chunks(4)));
        assert!(order.within(4..10).eq(order.rows[4..].chunks(4)));
        let order = order.after(4);
        assert!(order.batches().eq(order.rows.chunks(4)) && order.rows.len() == 6);
        assert_eq!(Draw { rows: 3, seed: None, ..plain }.epoch(1).rows, [0, 1, 2]);
    }
}
