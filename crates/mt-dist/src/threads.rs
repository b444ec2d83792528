//! Ranks that are threads of one process.

use crate::call::Call;
use crate::collective::{Collective, check_buffers, check_rank, refill, same};
use crate::error::{Error, Result};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// One rank of a group within one process, for tests of what several processes do.
///
/// A rank that is dropped, because its thread has ended or panics, is an error for those that wait for it, not a hang.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    group: Arc<Group>,
}

#[derive(Debug)]
struct Group {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// What each rank is at.
    calls: Vec<Call>,
    /// What each rank has for each, `[from][to]`; only `[from][0]` where all get the same.
    mail: Vec<Vec<Vec<u8>>>,
    /// How many wait at the meeting point, and how often all have met there.
    waiting: usize,
    meetings: u64,
    /// Why nobody can go on.
    over: Option<Error>,
}

impl Threads {
    /// A group of `size` ranks, by rank; none where it is 0. Each goes to a thread of its own.
    pub fn group(size: usize) -> Vec<Threads> {
        let state = State {
            calls: vec![Call::Leave; size],
            mail: vec![vec![Vec::new(); size]; size],
            waiting: 0,
            meetings: 0,
            over: None,
        };
        let group = Arc::new(Group { state: Mutex::new(state), changed: Condvar::new() });
        (0..size).map(|rank| Threads { rank, group: Arc::clone(&group) }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.group.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when all ranks are here. The end of the work is no error for those that have met before it.
    fn meet<'a>(&self, mut state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>> {
        let meeting = state.meetings;
        state.waiting += 1;
        if state.waiting == state.calls.len() {
            state.waiting = 0;
            state.meetings += 1;
            self.group.changed.notify_all();
        }
        while state.meetings == meeting {
            if let Some(error) = &state.over {
                return Err(error.clone());
            }
            state = self.group.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(state)
    }

    /// An operation: each rank puts what it has into its row of the mail, all meet, each takes what is for it, and all meet again,
    /// before a row is filled anew.
    fn call(
        &self,
        call: Call,
        put: impl FnOnce(&mut [Vec<u8>]),
        take: impl FnOnce(&mut [Vec<Vec<u8>>]),
    ) -> Result<()> {
        let mut state = self.lock();
        if let Some(error) = &state.over {
            return Err(error.clone());
        }
        state.calls[self.rank] = call;
        put(&mut state.mail[self.rank]);
        let mut state = self.meet(state)?;
        if state.over.is_none() {
            state.over = same(state.calls.iter().copied()).err();
        }
        if let Some(error) = &state.over {
            return Err(error.clone());
        }
        take(&mut state.mail);
        self.meet(state).map(drop)
    }

    fn end(&self, error: Error) {
        self.lock().over.get_or_insert(error);
        self.group.changed.notify_all();
    }
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.lock().calls.len()
    }

    fn exchange_in_place(&self, buffers: &mut [Vec<u8>]) -> Result<()> {
        check_buffers(buffers.len(), self.size())?;
        // Both put and take: what is put are the caller's buffers, and what is taken lies in those of the mail.
        let mut taken = Vec::new();
        self.call(
            Call::Exchange,
            |mail| buffers.iter_mut().zip(mail).for_each(|(mine, mail)| std::mem::swap(mine, mail)),
            |mail| taken.extend(mail.iter_mut().map(|from| std::mem::take(&mut from[self.rank]))),
        )?;
        buffers.iter_mut().zip(taken).for_each(|(mine, taken)| *mine = taken);
        Ok(())
    }

    fn gather_into(&self, mine: &[u8], all: &mut Vec<Vec<u8>>) -> Result<()> {
        all.resize_with(self.size(), Vec::new);
        let take = |mail: &mut [Vec<Vec<u8>>]| {
            all.iter_mut().zip(mail).for_each(|(buffer, from)| refill(buffer, &from[0]));
        };
        self.call(Call::Gather, |mail| refill(&mut mail[0], mine), take)
    }

    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<()> {
        check_rank(root, self.size())?;
        let sent = if self.rank == root { bytes.clone() } else { Vec::new() };
        let put = |mail: &mut [Vec<u8>]| mail[0] = sent;
        self.call(Call::Broadcast { root }, put, |mail| refill(bytes, &mail[root][0]))
    }

    fn barrier(&self) -> Result<()> {
        self.call(Call::Barrier, |_| (), |_| ())
    }

    fn abort(&self, reason: &str) -> Error {
        let error = Error::Aborted { rank: self.rank, reason: reason.to_owned() };
        self.end(error.clone());
        error
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end(Error::Left { rank: self.rank });
    }
}
