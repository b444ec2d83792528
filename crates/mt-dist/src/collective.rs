//! What ranks do together.

use crate::call::Call;
use crate::error::{Error, Result};
use std::fmt::Debug;

/// A group of ranks that move bytes between them. It adds nothing: every sum is the caller's, in an order of its own.
///
/// All ranks call the same operations in the same order; where they do not, all get an error. A rank calls one at a time, and an
/// operation ends when the ranks that it needs have come to it. After an error of an operation every further one fails as well.
///
/// # Errors
///
/// Each operation fails if another rank has left or ended the job ([`Error::Left`], [`Error::Aborted`]), is at another operation
/// ([`Error::Order`]), and for a number of buffers or a rank that does not fit the group. With MPI a failure of the network, or
/// of a machine, ends all processes instead: that is what MPI does.
pub trait Collective: Send + Sync + Debug {
    /// The number of this rank, from 0 on.
    fn rank(&self) -> usize;

    /// How many ranks there are: 1 or more.
    fn size(&self) -> usize;

    /// Swaps buffers: `buffers[r]` goes to rank `r`, and what rank `r` has for this one takes its place. Lengths may differ, and
    /// nobody needs to know them before. Memory is taken for buffers that are longer than those before, and then used again.
    ///
    /// # Errors
    ///
    /// As for all operations; what is in the buffers then is not said.
    fn exchange_in_place(&self, buffers: &mut [Vec<u8>]) -> Result<()>;

    /// What all ranks have, by rank, this one's `mine` among it; the buffers in `all` are used again.
    ///
    /// # Errors
    ///
    /// As for all operations.
    fn gather_into(&self, mine: &[u8], all: &mut Vec<Vec<u8>>) -> Result<()>;

    /// Makes `bytes` on every rank what it is on `root`, its length too.
    ///
    /// # Errors
    ///
    /// As for all operations.
    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<()>;

    /// Returns when every rank has come here.
    ///
    /// # Errors
    ///
    /// As for all operations.
    fn barrier(&self) -> Result<()>;

    /// Ends the work of all ranks, wherever they are; the error is [`Error::Aborted`], to be returned from here.
    ///
    /// With MPI it does not return: the reason is written to standard error, as no one is left who could, and all processes end.
    /// It waits for nothing, so it may be called while an operation of this rank is under way on another thread.
    fn abort(&self, reason: &str) -> Error;

    /// [`exchange_in_place`](Self::exchange_in_place) with buffers of its own: what came from each rank.
    ///
    /// # Errors
    ///
    /// As for all operations.
    fn exchange(&self, to: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        let mut buffers = to.to_vec();
        self.exchange_in_place(&mut buffers)?;
        Ok(buffers)
    }

    /// [`gather_into`](Self::gather_into) with buffers of its own.
    ///
    /// # Errors
    ///
    /// As for all operations.
    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        self.gather_into(mine, &mut all)?;
        Ok(all)
    }
}

/// Fails unless there is a buffer for each rank.
pub(crate) fn check_buffers(found: usize, size: usize) -> Result<()> {
    if found == size { Ok(()) } else { Err(Error::Buffers { found, size }) }
}

/// Fails unless `rank` is one of `size`.
pub(crate) fn check_rank(rank: usize, size: usize) -> Result<()> {
    if rank < size { Ok(()) } else { Err(Error::NoRank { rank, size }) }
}

/// Makes `buffer` hold `bytes`, in the memory it has.
pub(crate) fn refill(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(bytes);
}

/// Fails unless all ranks, in their order, call the same: all find the same error.
pub(crate) fn same(calls: impl Iterator<Item = Call> + Clone) -> Result<()> {
    if let Some(rank) = calls.clone().position(|call| call == Call::Leave) {
        return Err(Error::Left { rank });
    }
    let mut ranks = calls.enumerate();
    let first = ranks.next().map_or(Call::Leave, |(_, call)| call);
    match ranks.find(|&(_, call)| call != first) {
        Some((rank, theirs)) => Err(Error::Order { rank, theirs, first }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_differs_is_named() {
        use Call::{Barrier, Gather, Leave};
        assert_eq!(same([Gather; 3].into_iter()), Ok(()));
        assert_eq!(same([Gather, Leave, Barrier].into_iter()), Err(Error::Left { rank: 1 }));
        let order = Error::Order { rank: 2, theirs: Barrier, first: Gather };
        assert_eq!(order.to_string(), "rank 2 is at a barrier where rank 0 is at a gather");
        assert_eq!(same([Gather, Gather, Barrier, Call::Exchange].into_iter()), Err(order));
    }
}
