//! Writing a file under a temporary name, so that under its own name it is always whole. What is no plain file, such
//! as `/dev/stdout`, is written to as it is: a rename would put a file in its place.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file being written; gone again unless finished.
pub(crate) struct Output {
    file: Option<BufWriter<File>>,
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl Output {
    /// Starts to write what will be `path`; folders on the way are made.
    pub fn create(path: &Path) -> Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        // The process number keeps two runs from writing into one file.
        name.push(format!(".{}.tmp", std::process::id()));
        let special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
        let temporary = (!special).then(|| path.with_file_name(name));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = folder.map_or(Ok(()), std::fs::create_dir_all);
        let file = file.and_then(|()| match &temporary {
            Some(temporary) => File::create(temporary),
            None => File::options().write(true).open(path),
        });
        let file = file.map_err(|source| Error::Write { path: path.to_owned(), source })?;
        // 1 MiB: one system call for a thousand rows.
        let file = Some(BufWriter::with_capacity(1 << 20, file));
        Ok(Output { file, temporary, path: path.to_owned() })
    }

    /// Writes with `f`.
    pub fn write(&mut self, f: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
        let written = self.file.as_mut().map_or(Ok(()), f);
        written.map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Gives the file its name.
    pub fn finish(mut self) -> Result<()> {
        self.write(|file| file.flush())?;
        self.file = None;
        let renamed = self.temporary.as_ref().map_or(Ok(()), |from| std::fs::rename(from, &self.path));
        renamed.map_err(|source| Error::Write { path: self.path.clone(), source })?;
        self.temporary = None;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.file = None;
        if let Some(temporary) = &self.temporary {
            // A file that cannot be removed only stays.
            let _ = std::fs::remove_file(temporary);
        }
    }
}
