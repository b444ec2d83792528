//! Ranks that are processes, on one machine or many, through MPI.

mod functions;
mod library;

use crate::call::Call;
use crate::collective::{Collective, check_buffers, check_rank, refill, same};
use crate::error::{Error, Result};
use crate::launcher::launcher;
use functions::{Functions, Threading};
use std::fmt;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// This process among those that `mpirun`, `mpiexec` or `srun` has started, through an MPI library that is opened at run time: Open MPI,
/// MPICH and its family, or one with the binary interface of MPI 5.
///
/// MPI can be opened once in a process; dropping it ends MPI. Drop it where it was opened: an operation that others are at fails there
/// then ([`Error::Left`]), and the process waits for all others to come to their end or to such an error.
pub struct Mpi {
    rank: usize,
    size: usize,
    functions: Box<dyn Functions>,
    /// The only thread that may call it, if that is so.
    only: Option<ThreadId>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Why nobody can go on.
    over: Option<Error>,
    /// A head for each rank, and from each.
    to: Vec<u8>,
    from: Vec<u8>,
    /// Where what comes is put.
    spare: Vec<Vec<u8>>,
}

/// What each rank tells each other before every operation: where it is, and how many bytes follow.
const HEAD: usize = 16;

impl Mpi {
    /// Opens `MT_MPI_LIBRARY`, or the MPI library of the launcher that has started this process, and initialises it.
    ///
    /// # Errors
    ///
    /// [`Error::Library`] if none can be opened, with the name of the package; [`Error::Launched`] if it is not that of the launcher;
    /// [`Error::Initialised`] if MPI was initialised before.
    pub fn open() -> Result<Mpi> {
        let launcher = launcher();
        let (functions, name) = library::find(launcher.as_ref())?;
        let library = name.display().to_string();
        if functions.initialised() {
            return Err(Error::Initialised { library });
        }
        let threading = functions
            .init()
            .map_err(|code| Error::Library(format!("{library}: MPI_Init_thread fails with {code}")))?;
        let (rank, size) = (functions.rank(), functions.size());
        let only = (threading != Threading::Any).then(|| thread::current().id());
        let mpi = Mpi { rank, size, functions, only, state: Mutex::default() };
        if threading == Threading::None {
            return Err(Error::Library(format!("{library}: was built for programs without threads")));
        }
        match launcher.and_then(|launcher| Some((launcher.variable, launcher.size?))) {
            Some((variable, expected)) if expected != size => {
                Err(Error::Launched { variable, expected, size, library })
            }
            _ => Ok(mpi),
        }
    }

    /// The state of an operation that may begin.
    fn begin(&self) -> Result<MutexGuard<'_, State>> {
        if self.only.is_some_and(|only| only != thread::current().id()) {
            return Err(Error::Thread);
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.over {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }

    /// Meets all ranks at `call`, and tells each how many bytes it will get.
    fn meet(&self, state: &mut State, call: Call, lengths: impl Fn(usize) -> usize) -> Result<()> {
        state.to.clear();
        for rank in 0..self.size {
            state.to.extend(call.code().to_le_bytes());
            state.to.extend((lengths(rank) as u64).to_le_bytes());
        }
        state.from.resize(self.size * HEAD, 0);
        self.functions.alltoall(&state.to, &mut state.from);
        let met = same(state.from.chunks_exact(HEAD).map(|head| Call::of_code(number(head))));
        // All have found the same.
        state.over = met.clone().err();
        met
    }
}

impl State {
    /// How many bytes a rank sends.
    fn length(&self, rank: usize) -> usize {
        number(&self.from[rank * HEAD + 8..]) as usize
    }
}

/// The number at the front of some bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Time for what a process says before it ends all to reach the launcher.
const HEARD: Duration = Duration::from_millis(200);

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn exchange_in_place(&self, buffers: &mut [Vec<u8>]) -> Result<()> {
        check_buffers(buffers.len(), self.size)?;
        let mut state = self.begin()?;
        self.meet(&mut state, Call::Exchange, |rank| buffers[rank].len())?;
        let mut spare = std::mem::take(&mut state.spare);
        spare.resize_with(self.size, Vec::new);
        for (rank, buffer) in spare.iter_mut().enumerate() {
            buffer.resize(if rank == self.rank { 0 } else { state.length(rank) }, 0);
        }
        let mut sends = buffers.iter().map(Vec::as_slice).enumerate().filter(|&(rank, _)| rank != self.rank);
        self.functions.transfer(&mut sends, &mut spare.iter_mut().map(Vec::as_mut_slice).enumerate());
        for (rank, (buffer, spare)) in buffers.iter_mut().zip(&mut spare).enumerate() {
            if rank != self.rank {
                std::mem::swap(buffer, spare);
            }
        }
        state.spare = spare;
        Ok(())
    }

    fn gather_into(&self, mine: &[u8], all: &mut Vec<Vec<u8>>) -> Result<()> {
        let mut state = self.begin()?;
        self.meet(&mut state, Call::Gather, |_| mine.len())?;
        all.resize_with(self.size, Vec::new);
        for (rank, buffer) in all.iter_mut().enumerate() {
            buffer.resize(if rank == self.rank { 0 } else { state.length(rank) }, 0);
        }
        let mut sends = (0..self.size).filter(|&rank| rank != self.rank).map(|rank| (rank, mine));
        self.functions.transfer(&mut sends, &mut all.iter_mut().map(Vec::as_mut_slice).enumerate());
        refill(&mut all[self.rank], mine);
        Ok(())
    }

    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<()> {
        check_rank(root, self.size)?;
        let mut state = self.begin()?;
        self.meet(&mut state, Call::Broadcast { root }, |_| bytes.len())?;
        bytes.resize(state.length(root), 0);
        self.functions.broadcast(root, bytes);
        Ok(())
    }

    fn barrier(&self) -> Result<()> {
        let mut state = self.begin()?;
        self.meet(&mut state, Call::Barrier, |_| 0)
    }

    fn abort(&self, reason: &str) -> Error {
        let error = Error::Aborted { rank: self.rank, reason: reason.to_owned() };
        // The process ends below, so nobody else can tell why; if standard error is closed, nobody listens. In one piece, as other
        // ranks write there too.
        _ = std::io::stderr().write_all(format!("error: {error}\n").as_bytes());
        // The launcher ends its processes at once, and may not have read that.
        thread::sleep(HEARD);
        self.functions.abort()
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if let Ok(mut state) = self.begin() {
            // Others may be at an operation, which fails for them then; when all are at their end, this is none of an error.
            _ = self.meet(&mut state, Call::Leave, |_| 0);
        }
        if self.only.is_none_or(|only| only == thread::current().id()) {
            self.functions.finalize();
        }
    }
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi").field("rank", &self.rank).field("size", &self.size).finish_non_exhaustive()
    }
}
