//! Why ranks cannot go on together.

pub use crate::call::Call;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rank ended the work of all.
    #[error("rank {rank} has ended the job: {reason}")]
    Aborted {
        /// The one that called [`Collective::abort`](crate::Collective::abort).
        rank: usize,
        /// As it was given.
        reason: String,
    },
    /// A rank is gone: its collective was dropped while others go on.
    #[error("rank {rank} has left before the others were done")]
    Left {
        /// The first of those that are gone.
        rank: usize,
    },
    /// Ranks do not call the same operations in the same order.
    #[error("rank {rank} is at {theirs} where rank 0 is at {first}")]
    Order {
        /// The first rank that calls something else than rank 0.
        rank: usize,
        /// What it calls.
        theirs: Call,
        /// What rank 0 calls.
        first: Call,
    },
    /// What must be the same on all ranks is not.
    #[error("rank {rank} has another {what} than rank 0")]
    Disagree {
        /// The first rank that differs from rank 0.
        rank: usize,
        /// What differs, as given to [`agree`](crate::agree()).
        what: String,
    },
    /// A rank that is not in the group.
    #[error("there is no rank {rank} among {size}")]
    NoRank {
        /// The one that is not there.
        rank: usize,
        /// How many there are, from 0 on.
        size: usize,
    },
    /// An exchange is given too few or too many buffers.
    #[error("an exchange takes a buffer for each of {size} ranks, not {found}")]
    Buffers {
        /// How many were given.
        found: usize,
        /// How many ranks there are.
        size: usize,
    },
    /// No MPI library can be used; what to do.
    #[error("{0}")]
    Library(String),
    /// The MPI library does not see the processes that the launcher has started: it is another MPI's launcher.
    #[error(
        "{variable} says that there are {expected} processes, and {library} knows {size}: it is not the MPI of the launcher; \
         name the right one with MT_MPI_LIBRARY"
    )]
    Launched {
        /// The launcher's variable.
        variable: &'static str,
        /// How many processes it says there are.
        expected: usize,
        /// How many the library knows.
        size: usize,
        /// The library's name.
        library: String,
    },
    /// MPI was initialised in this process before, which can be done once.
    #[error("{library}: MPI is initialised in this process already")]
    Initialised {
        /// The library's name.
        library: String,
    },
    /// This MPI library lets only the thread call it that has opened it.
    #[error("this MPI library can be called by the thread that has opened it only")]
    Thread,
    /// A message of another rank ends too early.
    #[error("a message of another rank is too short")]
    Message,
    /// A number of shards that makes no binary tree.
    #[error("{0} shards make no binary tree: write a power of two")]
    Shards(usize),
    /// A node does not belong where it is pushed: outside of the range, or not behind the node before it.
    #[error("shard {shard} is out of turn: the next is one of {from}..{to}")]
    Turn {
        /// The node's shard.
        shard: usize,
        /// The first shard that may come.
        from: usize,
        /// The end of those that may come.
        to: usize,
    },
}
