//! Tables that are read where they lie, in a place where nobody else can change them.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use memmap2::{Mmap, MmapMut};
use mt_tables::Bytes;

/// Bytes of a file that is read into memory at most, unless [`VARIABLE`] says otherwise.
const MEMORY: u64 = 1 << 30;

/// Another such number, in the environment.
const VARIABLE: &str = "MT_TABLE_MEMORY";

/// The bytes of a file as they are now, whatever becomes of it: truncated, a mapped file ends the process that reads it,
/// and a hard link is the same file. Up to a bound they are read into memory. Beyond, they are copied to a file without
/// a name in the folder for temporary ones, which takes no space where the file system shares blocks, and mapped.
///
/// # Errors
/// If the file cannot be read or copied, or changes meanwhile.
pub(crate) fn hold(path: &Path) -> io::Result<Bytes> {
    hold_within(path, bound()?)
}

fn bound() -> io::Result<u64> {
    let Some(text) = std::env::var_os(VARIABLE) else { return Ok(MEMORY) };
    let bytes = text.to_str().and_then(|text| text.parse().ok());
    bytes.ok_or_else(|| io::Error::other(format!("{VARIABLE}: expected a number of bytes, found {text:?}")))
}

fn hold_within(path: &Path, memory: u64) -> io::Result<Bytes> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes <= memory { read(file, bytes) } else { copy(file, bytes) }
}

fn read(mut file: File, bytes: u64) -> io::Result<Bytes> {
    let length = usize::try_from(bytes).map_err(io::Error::other)?;
    if length == 0 {
        return Ok(Arc::new([]));
    }
    // Not from the allocator: numbers in it must be aligned, and it goes back to the system when it is dropped.
    let mut memory = MmapMut::map_anon(length)?;
    // Fewer faults now, and fewer misses when rows are looked up.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    let changed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => changed(),
        _ => error,
    };
    file.read_exact(&mut memory).map_err(changed)?;
    Ok(Arc::new(memory.make_read_only()?))
}

fn copy(mut file: File, bytes: u64) -> io::Result<Bytes> {
    let folder = std::env::temp_dir();
    let mut copied = || -> io::Result<(File, u64)> {
        let mut copy = tempfile::tempfile_in(&folder)?;
        let copied = io::copy(&mut file, &mut copy)?;
        Ok((copy, copied))
    };
    let (copy, copied) = copied().map_err(|error| {
        let folder = folder.display();
        let message = format!(
            "cannot keep a copy of its {bytes} bytes in {folder}: {error}; TMPDIR names another folder, \
             {VARIABLE} how many bytes may be kept in memory instead"
        );
        io::Error::new(error.kind(), message)
    })?;
    if copied != bytes {
        return Err(changed());
    }
    // SAFETY: the file must not be changed while it is mapped. It has no name by which anyone could open it, and its
    // handle ends here.
    let map = unsafe { Mmap::map(&copy)? };
    Ok(Arc::new(map))
}

fn changed() -> io::Error {
    io::Error::other("was changed while it was read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_as_they_were_when_their_file_is_truncated_or_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tables");
        let content: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        for memory in [u64::MAX, 0] {
            for damage in [&[][..], &vec![7; content.len()]] {
                std::fs::write(&path, &content).expect("written");
                let held = hold_within(&path, memory).expect("bytes");
                // In place: the same file, not a new one of its name.
                std::fs::write(&path, damage).expect("written");
                assert!((*held).as_ref() == content, "{memory} {}", damage.len());
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn an_empty_file_is_no_bytes_and_a_missing_one_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tables");
        assert!(hold(&path).is_err());
        std::fs::write(&path, "").expect("written");
        for memory in [u64::MAX, 0] {
            assert!(hold_within(&path, memory).is_ok_and(|held| (*held).as_ref().is_empty()));
        }
    }
}
