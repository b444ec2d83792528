//! Sums along a binary tree over shards.
//!
//! A sum of floats depends on its order, so the order is fixed: shard 0 with 1, 2 with 3, then these two sums, and so on.
//!
//! ```text
//!          0..8
//!         ╱    ╲
//!      0..4    4..8        with 2 and 3 absent:   0..4 is 0..2
//!      ╱  ╲    ╱  ╲        with 3 absent:         2..4 is 2
//!    0..2 2..4 ...
//!    ╱ ╲  ╱ ╲
//!   0   1 2   3
//! ```
//!
//! A shard that is absent is no term, where adding a zero would make `0` of `-0` and a gradient of none: what stands beside it
//! goes up as it is. So two neighbours that are there are combined where their ways up meet, and nothing else has to be known.

use crate::error::{Error, Result};
use crate::shards::Shards;
use std::ops::Range;

/// The sum of some shards that follow each other in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<T> {
    /// The first shard in it: where it stands in the tree.
    pub shard: usize,
    /// The sum.
    pub value: T,
}

/// A binary counter: takes the terms of some shards in ascending order and combines them as soon as the tree allows it.
///
/// Among V shards it holds log2 V + 1 nodes at most where its range begins at 0 or is a subtree, else 2 log2 V.
#[derive(Debug, Clone)]
pub struct Tree<T> {
    range: Range<usize>,
    /// The first shard that may come.
    next: usize,
    nodes: Vec<Node<T>>,
}

impl<T> Tree<T> {
    /// For the shards in `range`, which is [`Shards::of`] a rank.
    pub fn new(shards: Shards, range: Range<usize>) -> Tree<T> {
        let range = range.start..range.end.min(shards.count());
        Tree { next: range.start, range, nodes: Vec::new() }
    }

    /// The shards whose terms it takes.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// How many nodes it holds.
    pub fn held(&self) -> usize {
        self.nodes.len()
    }

    /// Adds the term of `shard`; those that are passed over are absent. `combine(left, right)` must be the same function each time,
    /// and may keep the memory of `right` for the next term.
    ///
    /// # Errors
    ///
    /// [`Error::Turn`] for a shard that is not in the range, or not behind the one before it.
    pub fn push(&mut self, shard: usize, term: T, mut combine: impl FnMut(T, T) -> T) -> Result<()> {
        if !(self.next..self.range.end).contains(&shard) {
            return Err(Error::Turn { shard, from: self.next, to: self.range.end });
        }
        self.settle(shard, &mut combine);
        self.nodes.push(Node { shard, value: term });
        self.next = shard + 1;
        self.settle(self.next, &mut combine);
        Ok(())
    }

    /// What is left when no term comes any more, in ascending order: one node at most for a whole subtree, else the nodes that can be
    /// combined with those of other ranks only.
    pub fn into_nodes(mut self, mut combine: impl FnMut(T, T) -> T) -> Vec<Node<T>> {
        self.settle(self.range.end, &mut combine);
        self.nodes
    }

    /// The sum of all shards, given the nodes of all ranks, rank after rank; `None` where every shard is absent.
    ///
    /// # Errors
    ///
    /// [`Error::Turn`] unless the nodes are in ascending order.
    pub fn root(
        shards: Shards,
        nodes: impl IntoIterator<Item = Node<T>>,
        mut combine: impl FnMut(T, T) -> T,
    ) -> Result<Option<T>> {
        let mut tree = Tree::new(shards, 0..shards.count());
        for node in nodes {
            tree.push(node.shard, node.value, &mut combine)?;
        }
        Ok(tree.into_nodes(combine).pop().map(|node| node.value))
    }

    /// Combines the last two nodes while nothing can come between them any more: while the subtree in which they meet ends before
    /// `shard`, and begins in the range.
    fn settle(&mut self, shard: usize, combine: &mut impl FnMut(T, T) -> T) {
        while let [.., left, right] = &self.nodes[..] {
            let meeting = meeting(left.shard, right.shard);
            if meeting.start < self.range.start || meeting.end > shard {
                return;
            }
            if let (Some(right), Some(left)) = (self.nodes.pop(), self.nodes.pop()) {
                self.nodes.push(Node { shard: left.shard, value: combine(left.value, right.value) });
            }
        }
    }
}

/// The least subtree that has both of two shards.
fn meeting(left: usize, right: usize) -> Range<usize> {
    // Up to the highest bit in which they differ, all below it is in the subtree.
    let size = (left ^ right).checked_ilog2().map_or(1, |bit| 2 << bit);
    let start = left / size * size;
    start..start + size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    /// The definition: from the root down.
    fn defined(shards: Range<usize>, there: &dyn Fn(usize) -> bool) -> Option<String> {
        if shards.len() == 1 {
            return there(shards.start).then(|| shards.start.to_string());
        }
        let middle = shards.start + shards.len() / 2;
        match (defined(shards.start..middle, there), defined(middle..shards.end, there)) {
            (Some(left), Some(right)) => Some(combined(left, right)),
            (left, right) => left.or(right),
        }
    }

    /// Tells every order of sums from every other.
    fn combined(left: String, right: String) -> String {
        format!("({left}+{right})")
    }

    /// The nodes of a rank, which must be few at any time.
    fn nodes(shards: Shards, range: Range<usize>, there: &dyn Fn(usize) -> bool) -> Vec<Node<String>> {
        let (levels, whole) = (shards.count().ilog2() as usize, range.len().is_power_of_two());
        let mut tree = Tree::new(shards, range.clone());
        for shard in range.clone().filter(|&shard| there(shard)) {
            tree.push(shard, shard.to_string(), combined).unwrap();
            let most = if range.start == 0 { levels + 1 } else { 2 * levels };
            assert!(tree.held() <= most.max(1), "{shards:?} {range:?} {shard}");
        }
        let nodes = tree.into_nodes(combined);
        if whole && range.start.is_multiple_of(range.len()) {
            assert!(nodes.len() <= 1, "{shards:?} {range:?}");
        }
        nodes
    }

    /// Whether any number of ranks gives the root that is defined.
    fn check(count: usize, there: &dyn Fn(usize) -> bool) {
        let shards = Shards::new(count).unwrap();
        let expected = defined(0..count, there);
        for size in 1..=count + 2 {
            let all = (0..size).flat_map(|rank| nodes(shards, shards.of(rank, size), there));
            assert_eq!(Tree::root(shards, all, combined).unwrap(), expected, "{count} shards, {size} ranks");
        }
    }

    #[test]
    fn the_root_does_not_depend_on_the_ranks_whatever_is_absent() {
        for count in [1, 2, 4, 8] {
            for set in 0_u64..1 << count {
                check(count, &|shard| set >> shard & 1 == 1);
            }
        }
        // 16 have too many sets for all of them: those of a short batch, and a thousand others, dense ones and sparse ones.
        for present in 0..=16 {
            check(16, &|shard| shard < present);
        }
        for set in 0..1000 {
            let (one, other) = (mix(2 * set), mix(2 * set + 1));
            let set = [one, one & other, one | other][set as usize % 3];
            check(16, &|shard| set >> shard & 1 == 1);
        }
    }

    #[test]
    fn terms_are_combined_as_soon_as_both_sides_are_there() {
        let mut tree = Tree::new(Shards::new(8).unwrap(), 0..8);
        let held = [1, 1, 2, 1, 2, 2, 3, 1];
        for (shard, held) in held.into_iter().enumerate() {
            tree.push(shard, shard.to_string(), combined).unwrap();
            assert_eq!(tree.held(), held, "{shard}");
        }
        let root = Node { shard: 0, value: "(((0+1)+(2+3))+((4+5)+(6+7)))".to_owned() };
        assert_eq!(tree.into_nodes(combined), [root]);
    }

    #[test]
    fn shards_out_of_turn_are_refused() {
        let mut tree = Tree::new(Shards::new(8).unwrap(), 2..5);
        let mut push = |shard| tree.push(shard, 1, |left, right| left + right);
        assert_eq!(push(1), Err(Error::Turn { shard: 1, from: 2, to: 5 }));
        assert_eq!(push(3), Ok(()));
        assert_eq!(push(3), Err(Error::Turn { shard: 3, from: 4, to: 5 }));
        assert_eq!(push(5), Err(Error::Turn { shard: 5, from: 4, to: 5 }));
        assert_eq!(tree.into_nodes(|left, right| left + right), [Node { shard: 3, value: 1 }]);
    }
}
