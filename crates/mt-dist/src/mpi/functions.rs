//! The functions of an MPI library, opened at run time: all of this crate that is `unsafe`.
//!
//! Two binary interfaces are in use and a third is the standard's; they differ in what a handle is, in a few numbers, and not in the
//! functions that are needed here. Messages are cut, as a count is an `int`.
#![allow(unsafe_code)]

use std::ffi::{OsStr, c_char, c_int, c_void};
use std::ptr::null_mut;

/// The longest message: far below 2^31, and a length that tests reach.
const LONGEST: usize = 1 << 24;
const TAG: c_int = 0;

/// What MPI does with bytes. After [`init`](Functions::init) no function returns where MPI fails: it ends all processes.
pub(super) trait Functions: Send + Sync {
    /// Whether MPI was ever initialised in this process.
    fn initialised(&self) -> bool;
    /// Initialises MPI; how far threads may call it.
    fn init(&self) -> Result<Threading, c_int>;
    fn rank(&self) -> usize;
    fn size(&self) -> usize;
    /// Swaps blocks of the same length, one for each rank, among all.
    fn alltoall(&self, to: &[u8], from: &mut [u8]);
    /// Sends and receives to and from ranks; the lengths are those of the other side.
    fn transfer<'a>(
        &self,
        sends: &mut dyn Iterator<Item = (usize, &'a [u8])>,
        receives: &mut dyn Iterator<Item = (usize, &'a mut [u8])>,
    );
    /// From `root` to all, who know the length.
    fn broadcast(&self, root: usize, bytes: &mut [u8]);
    /// The end of all processes.
    fn abort(&self) -> !;
    fn finalize(&self);
}

/// Which threads may call MPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threading {
    /// None at all, if the process has several.
    None,
    /// The one that has initialised it.
    First,
    /// All, one at a time.
    Any,
}

/// What differs between binary interfaces; handles `H` are pointers or `int`s.
struct Interface<H> {
    world: H,
    byte: H,
    funneled: c_int,
    serialized: c_int,
}

/// An interface and the functions, as declared in section A.3 of the MPI standard.
struct Api<H> {
    interface: Interface<H>,
    initialized: unsafe extern "C" fn(*mut c_int) -> c_int,
    init_thread: unsafe extern "C" fn(*mut c_int, *mut *mut *mut c_char, c_int, *mut c_int) -> c_int,
    comm_rank: unsafe extern "C" fn(H, *mut c_int) -> c_int,
    comm_size: unsafe extern "C" fn(H, *mut c_int) -> c_int,
    alltoall: unsafe extern "C" fn(*const c_void, c_int, H, *mut c_void, c_int, H, H) -> c_int,
    isend: unsafe extern "C" fn(*const c_void, c_int, H, c_int, c_int, H, *mut H) -> c_int,
    irecv: unsafe extern "C" fn(*mut c_void, c_int, H, c_int, c_int, H, *mut H) -> c_int,
    waitall: unsafe extern "C" fn(c_int, *mut H, *mut c_void) -> c_int,
    bcast: unsafe extern "C" fn(*mut c_void, c_int, H, c_int, H) -> c_int,
    abort: unsafe extern "C" fn(H, c_int) -> c_int,
    finalize: unsafe extern "C" fn() -> c_int,
}

// SAFETY: the handles are names of objects that MPI itself makes and never moves (they are read by nobody here), and the functions
// are plain addresses. Which thread may call them is for the caller to keep, by `Threading`; MPI checks no memory of ours on that.
unsafe impl<H> Send for Api<H> {}
// SAFETY: as above; nothing in it changes.
unsafe impl<H> Sync for Api<H> {}

/// Opens the library `name`, for good.
pub(super) fn open(name: &OsStr) -> Result<Box<dyn Functions>, String> {
    // The system's own message has the name.
    let problem = |error: libloading::Error| {
        std::error::Error::source(&error)
            .map_or_else(|| format!("{}: {error}", name.display()), ToString::to_string)
    };
    let library = library(name).map_err(problem)?;
    let functions = functions(&library).map_err(problem);
    // Its threads, handlers and plugins may outlive whatever is dropped here.
    std::mem::forget(library);
    functions
}

#[cfg(unix)]
fn library(name: &OsStr) -> Result<libloading::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: an MPI library's initialisers prepare its own variables only. Its plugins look for its symbols among the global ones.
    unsafe { Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL).map(Into::into) }
}

#[cfg(not(unix))]
fn library(name: &OsStr) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: an MPI library's initialisers prepare its own variables only.
    unsafe { libloading::Library::new(name) }
}

/// The functions of a library by the interface that it has.
fn functions(library: &libloading::Library) -> Result<Box<dyn Functions>, libloading::Error> {
    if standard(library) {
        let handle = |number: usize| number as *mut c_void;
        let interface =
            Interface { world: handle(0x101), byte: handle(0x247), funneled: 1024, serialized: 2048 };
        return Ok(Box::new(api(library, interface)?));
    }
    // SAFETY: only the addresses of these two variables are taken: they are Open MPI's handles.
    let open_mpi = unsafe { (library.get(b"ompi_mpi_comm_world"), library.get(b"ompi_mpi_byte")) };
    if let (Ok(world), Ok(byte)) = open_mpi {
        let interface: Interface<*mut c_void> =
            Interface { world: *world, byte: *byte, funneled: 1, serialized: 2 };
        return Ok(Box::new(api(library, interface)?));
    }
    let interface: Interface<c_int> =
        Interface { world: 0x4400_0000, byte: 0x4c00_010d, funneled: 1, serialized: 2 };
    Ok(Box::new(api(library, interface)?))
}

/// Whether the library says that its interface is version 1 of the standard's. One with another interface says -1, or has no word for it.
fn standard(library: &libloading::Library) -> bool {
    type Ask = unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int;
    let (mut major, mut minor) = (-1, -1);
    // SAFETY: the type is that of the standard, by which it may be called before MPI is initialised; both numbers outlive the call.
    unsafe {
        if let Ok(ask) = library.get::<Ask>(b"MPI_Abi_get_version") {
            ask(&raw mut major, &raw mut minor);
        }
    }
    major == 1
}

fn api<H>(library: &libloading::Library, interface: Interface<H>) -> Result<Api<H>, libloading::Error> {
    // SAFETY: the types are those of the standard, with the handles of this library. It is never closed, so they stay valid.
    unsafe {
        Ok(Api {
            interface,
            initialized: *library.get(b"MPI_Initialized")?,
            init_thread: *library.get(b"MPI_Init_thread")?,
            comm_rank: *library.get(b"MPI_Comm_rank")?,
            comm_size: *library.get(b"MPI_Comm_size")?,
            alltoall: *library.get(b"MPI_Alltoall")?,
            isend: *library.get(b"MPI_Isend")?,
            irecv: *library.get(b"MPI_Irecv")?,
            waitall: *library.get(b"MPI_Waitall")?,
            bcast: *library.get(b"MPI_Bcast")?,
            abort: *library.get(b"MPI_Abort")?,
            finalize: *library.get(b"MPI_Finalize")?,
        })
    }
}

impl<H: Copy> Api<H> {
    /// Ends all where a call fails: MPI does so itself unless it is told otherwise, and buffers that it may still write to must not
    /// be let go.
    fn check(&self, code: c_int) {
        if code != 0 {
            self.abort();
        }
    }

    /// What a function writes to its last argument.
    fn asked(&self, ask: unsafe extern "C" fn(H, *mut c_int) -> c_int) -> usize {
        let mut answer = 0;
        // SAFETY: MPI is initialised, as `Functions` asks for, and `answer` outlives the call.
        self.check(unsafe { ask(self.interface.world, &raw mut answer) });
        usize::try_from(answer).unwrap_or_default()
    }
}

impl<H: Copy> Functions for Api<H> {
    fn initialised(&self) -> bool {
        let mut answer = 0;
        // SAFETY: this may be called at any time, and `answer` outlives the call.
        unsafe { (self.initialized)(&raw mut answer) };
        answer != 0
    }

    fn init(&self) -> Result<Threading, c_int> {
        let mut level = 0;
        let wanted = self.interface.serialized;
        // SAFETY: the arguments of the program may be null, and `level` outlives the call.
        match unsafe { (self.init_thread)(null_mut(), null_mut(), wanted, &raw mut level) } {
            0 if level >= wanted => Ok(Threading::Any),
            0 if level >= self.interface.funneled => Ok(Threading::First),
            0 => Ok(Threading::None),
            code => Err(code),
        }
    }

    fn rank(&self) -> usize {
        self.asked(self.comm_rank)
    }

    fn size(&self) -> usize {
        self.asked(self.comm_size)
    }

    fn alltoall(&self, to: &[u8], from: &mut [u8]) {
        let Interface { world, byte, .. } = self.interface;
        let size = self.size();
        let block = to.len() / size;
        assert!(
            to.len() == block * size && from.len() == to.len() && block <= LONGEST,
            "blocks of one length"
        );
        // SAFETY: both buffers have `block` bytes for each of the `size` ranks, and the call returns when it needs them no more.
        self.check(unsafe {
            (self.alltoall)(
                to.as_ptr().cast(),
                block as c_int,
                byte,
                from.as_mut_ptr().cast(),
                block as c_int,
                byte,
                world,
            )
        });
    }

    fn transfer<'a>(
        &self,
        sends: &mut dyn Iterator<Item = (usize, &'a [u8])>,
        receives: &mut dyn Iterator<Item = (usize, &'a mut [u8])>,
    ) {
        let Interface { world, byte, .. } = self.interface;
        let mut requests = Vec::new();
        for (rank, bytes) in receives {
            for piece in bytes.chunks_mut(LONGEST) {
                // Any handle: it is written over.
                let mut request = byte;
                // SAFETY: `piece` has that many bytes, is borrowed alone for longer than this function runs, and is not looked at
                // before `waitall` below, without which the function does not return.
                self.check(unsafe {
                    let (to, count) = (piece.as_mut_ptr().cast(), piece.len() as c_int);
                    (self.irecv)(to, count, byte, rank as c_int, TAG, world, &raw mut request)
                });
                requests.push(request);
            }
        }
        for (rank, bytes) in sends {
            for piece in bytes.chunks(LONGEST) {
                let mut request = byte;
                // SAFETY: `piece` has that many bytes and is borrowed for longer than this function runs, which does not return
                // before `waitall`. Messages of one rank to another arrive in their order, so pieces need no number.
                self.check(unsafe {
                    let (from, count) = (piece.as_ptr().cast(), piece.len() as c_int);
                    (self.isend)(from, count, byte, rank as c_int, TAG, world, &raw mut request)
                });
                requests.push(request);
            }
        }
        // Of 20 to 32 bytes each, by the interface; nobody reads them.
        let mut statuses = vec![0_u64; 8 * requests.len()];
        // SAFETY: each request is of a call above and waited for once, and there is more room for statuses than any interface needs.
        self.check(unsafe {
            (self.waitall)(requests.len() as c_int, requests.as_mut_ptr(), statuses.as_mut_ptr().cast())
        });
    }

    fn broadcast(&self, root: usize, bytes: &mut [u8]) {
        let Interface { world, byte, .. } = self.interface;
        for piece in bytes.chunks_mut(LONGEST) {
            // SAFETY: `piece` has that many bytes, on all ranks alike, and the call returns when it needs them no more.
            self.check(unsafe {
                (self.bcast)(piece.as_mut_ptr().cast(), piece.len() as c_int, byte, root as c_int, world)
            });
        }
    }

    fn abort(&self) -> ! {
        // SAFETY: it takes no memory of ours.
        unsafe { (self.abort)(self.interface.world, 1) };
        // MPI has ended the process, unless it is broken.
        std::process::abort()
    }

    fn finalize(&self) {
        // SAFETY: called once, on a thread that may, with nothing under way.
        unsafe { (self.finalize)() };
    }
}
