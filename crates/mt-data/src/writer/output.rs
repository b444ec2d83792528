//! Writing a file under a temporary name, so that under its own name it is always whole. What is no plain file, such
//! as `/dev/stdout`, is written to as it is: a rename would put a file in its place.

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file being written; gone again unless finished.
///
/// ```
/// use std::io::Write;
/// # let folder = std::env::temp_dir().join("mt-data-output");
/// let mut output = mt_data::Output::create(&folder.join("rows.csv"))?;
/// output.write_all(b"a,b\n")?;
/// output.finish()?;
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Output {
    file: BufWriter<File>,
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl Output {
    /// Starts to write what will be `path`; folders on the way are made. Until then it is `.NAME.partial` beside it,
    /// which a program that was killed leaves behind and the next one begins anew.
    ///
    /// # Errors
    /// [`Error::Write`] where that cannot be, also because another program is writing the same file.
    pub fn create(path: &Path) -> Result<Self> {
        let (file, temporary) =
            open(path).map_err(|source| Error::Write { path: path.to_owned(), source })?;
        // 1 MiB: one system call for a thousand rows.
        let file = BufWriter::with_capacity(1 << 20, file);
        Ok(Output { file, temporary, path: path.to_owned() })
    }

    /// The name it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes with `f`, whose error names the file.
    pub(crate) fn write(&mut self, f: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
        f(&mut self.file).map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Gives the file its name, once it is on the disk.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<()> {
        self.write(|file| file.flush())?;
        if let Some(temporary) = &self.temporary {
            let synced = self.file.get_ref().sync_all();
            let renamed = synced.and_then(|()| std::fs::rename(temporary, &self.path));
            renamed.map_err(|source| Error::Write { path: self.path.clone(), source })?;
            self.temporary = None;
        }
        Ok(())
    }
}

/// Opens the file to write into, with its temporary name if it has one.
fn open(path: &Path) -> io::Result<(File, Option<PathBuf>)> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Ok((File::options().write(true).open(path)?, None));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    // Hidden: a folder that is read meanwhile does not have it among its data.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.partial"));
    let file = File::options().create(true).write(true).truncate(false).open(&temporary)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another program is writing it"));
        }
        // Some network file systems have no locks; nothing is lost there but this check.
        Err(TryLockError::Error(_)) | Ok(()) => file.set_len(0)?,
    }
    Ok((file, Some(temporary)))
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // A file that cannot be removed only stays.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all_and_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/rows.csv");
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        // What a killed program left behind is longer than what is written now.
        std::fs::write(folder.path().join("deep/.rows.csv.partial"), "left behind").unwrap();
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"whole").unwrap();
        let second = Output::create(&path).unwrap_err();
        let cause = std::error::Error::source(&second).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("another program is writing it"));
        assert!(!path.exists());
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        drop(Output::create(&path).unwrap());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
