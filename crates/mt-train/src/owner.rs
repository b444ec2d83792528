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
    /// UTC.
    since: String,
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
                    |Holder { pid, host, since }| format!("process {pid}{host}, since {since}"),
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

/// Date and time, by Hinnant's `civil_from_days`.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02} UTC", second % 60)
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
        assert!(error.contains(&expected) && error.contains(" UTC"), "{error}");
        drop(first);
        Owner::take(dir.path())?;
        Ok(())
    }
}
