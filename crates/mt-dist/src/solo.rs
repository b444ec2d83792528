//! One rank, alone.

use crate::collective::{Collective, check_buffers, check_rank, refill};
use crate::error::{Error, Result};

/// A group of one: what one process is. An exchange in place and a broadcast do nothing, a gather copies once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Solo;

impl Collective for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn exchange_in_place(&self, buffers: &mut [Vec<u8>]) -> Result<()> {
        check_buffers(buffers.len(), 1)
    }

    fn gather_into(&self, mine: &[u8], all: &mut Vec<Vec<u8>>) -> Result<()> {
        all.resize_with(1, Vec::new);
        refill(&mut all[0], mine);
        Ok(())
    }

    fn broadcast(&self, root: usize, _bytes: &mut Vec<u8>) -> Result<()> {
        check_rank(root, 1)
    }

    fn barrier(&self) -> Result<()> {
        Ok(())
    }

    fn abort(&self, reason: &str) -> Error {
        Error::Aborted { rank: 0, reason: reason.to_owned() }
    }
}
