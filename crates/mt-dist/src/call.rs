//! The operations by name: all ranks must call the same one.

use std::fmt;

/// An operation that a rank takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// The end: the collective is dropped.
    Leave,
    /// [`Collective::exchange`](crate::Collective::exchange).
    Exchange,
    /// [`Collective::gather`](crate::Collective::gather).
    Gather,
    /// [`Collective::broadcast`](crate::Collective::broadcast).
    Broadcast {
        /// The rank that sends.
        root: usize,
    },
    /// [`Collective::barrier`](crate::Collective::barrier).
    Barrier,
}

impl Call {
    /// As it travels.
    pub(crate) fn code(self) -> u64 {
        match self {
            Call::Leave => 0,
            Call::Exchange => 1,
            Call::Gather => 2,
            Call::Barrier => 3,
            Call::Broadcast { root } => 4 + root as u64,
        }
    }

    /// Back from [`code`](Self::code).
    pub(crate) fn of_code(code: u64) -> Call {
        match code {
            0 => Call::Leave,
            1 => Call::Exchange,
            2 => Call::Gather,
            3 => Call::Barrier,
            root => Call::Broadcast { root: (root - 4) as usize },
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Leave => write!(f, "its end"),
            Call::Exchange => write!(f, "an exchange"),
            Call::Gather => write!(f, "a gather"),
            Call::Broadcast { root } => write!(f, "a broadcast of rank {root}"),
            Call::Barrier => write!(f, "a barrier"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_travels_as_a_number() {
        let calls = [Call::Leave, Call::Exchange, Call::Gather, Call::Barrier];
        let broadcasts = [0, 1, 1000].map(|root| Call::Broadcast { root });
        assert!(calls.into_iter().chain(broadcasts).all(|call| Call::of_code(call.code()) == call));
    }
}
