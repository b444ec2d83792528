//! The group that this process belongs to.

use crate::collective::Collective;
use crate::error::Result;
use crate::launcher::launcher;
use crate::mpi::Mpi;
use crate::solo::Solo;

/// [`Solo`] for a process that was started alone, [`Mpi`] for one of several. At most one is opened in a process, by its first thread,
/// and it is dropped there.
///
/// # Errors
///
/// As [`Mpi::open`] does where a launcher has started more than one process.
pub fn open() -> Result<Box<dyn Collective>> {
    match launcher() {
        None => Ok(Box::new(Solo)),
        Some(launcher) if launcher.size == Some(1) => Ok(Box::new(Solo)),
        Some(_) => Ok(Box::new(Mpi::open()?)),
    }
}
