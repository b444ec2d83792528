//! Who writes into a folder: one process at a time.
//!
//! The owner holds a lock on the file `.lock` in it. The system releases it when the process ends, however it ends, so there
//! is no stale lock; the file stays, and says who had it last. Where the file system knows no locks, as some network file
//! systems, [`Owner::problem`] says so and nothing is held. On NFS a lock holds between machines only if the server's lock
//! service runs and both have mounted the folder without `nolock` or `local_lock`.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, io};

/// Name of the file that is locked.
const FILE: &str = ".lock";

/// A folder that no other process writes into, until this is dropped.
#[derive(Debug)]
pub struct Owner {
    /// Held open: closing it gives the lock back.
    _file: File,
    problem: Option<String>,
}

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    /// Seconds since 1970.
    since: u64,
}

impl Owner {
    /// Becomes the owner of the folder `dir`, which must exist.
    ///
    /// # Errors
    /// [`Error::Owned`] if it has one, who is named.
    pub fn take(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(io(&path, "open the folder's lock"))?;
        let problem = match file.try_lock() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // It is being written at this moment, perhaps.
                let said = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok());
                let holder = said.map_or_else(
                    || "another process".to_owned(),
                    |Holder { pid, host, since }| {
                        format!("process {pid}{host}, for {} now", long(now().saturating_sub(since)))
                    },
                );
                return Err(Error::Owned { path: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => Some(format!(
                "{}: cannot be locked ({error}): see to it that no other process works in it",
                dir.display()
            )),
        };
        let holder = Holder { pid: std::process::id(), host: host(), since: now() };
        // Only for people: a full disk is none of its business.
        let _ = serde_json::to_vec(&holder).map_err(std::io::Error::from).and_then(|text| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&text)
        });
        Ok(Self { _file: file, problem })
    }

    /// Why the folder could not be locked, where its file system knows no locks.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

/// ` on NAME`, where the system tells.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { String::new() } else { format!(" on {}", name.trim()) }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// How long that is, in the unit that tells most.
fn long(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time_who_is_named() -> Result<()> {
        let dir = tempfile::tempdir().map_err(io("", "make a folder"))?;
        let first = Owner::take(dir.path())?;
        assert_eq!(first.problem(), None);
        let error = Owner::take(dir.path()).expect_err("is taken").to_string();
        let expected = format!("is in use by process {}", std::process::id());
        assert!(error.contains(&expected) && error.contains(", for 0 s now"), "{error}");
        drop(first);
        Owner::take(dir.path())?;
        Ok(())
    }
}
