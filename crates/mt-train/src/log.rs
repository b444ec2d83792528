//! `metrics.jsonl`, the log of a run.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use mt_bundle::write_file;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, io};

/// Whether a line of the log is whole and not about a step after `step`.
fn is_before(line: &str, step: u64) -> bool {
    /// The one thing that matters here.
    #[derive(Deserialize)]
    struct Line {
        step: Option<u64>,
    }
    serde_json::from_str(line).is_ok_and(|line: Line| line.step.is_none_or(|at| at <= step))
}

/// `metrics.jsonl`, one whole line a write.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens it, without what was written about steps after `step`.
    pub fn open(path: PathBuf, step: u64) -> Result<Self> {
        if path.exists() {
            let text = fs::read_to_string(&path).map_err(io(&path, "read the log"))?;
            let kept: String = text.split_inclusive('\n').filter(|line| is_before(line, step)).collect();
            if kept.len() != text.len() {
                write_file(&path, kept.as_bytes())?;
            }
        }
        let file =
            OpenOptions::new().create(true).append(true).open(&path).map_err(io(&path, "open the log"))?;
        Ok(Self { path, file })
    }

    pub fn write(&mut self, event: &impl Serialize) -> Result<()> {
        let fail = |problem: String| Error::File { path: self.path.clone(), problem };
        let mut line = serde_json::to_vec(event).map_err(|error| fail(error.to_string()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(io(&self.path, "write the log"))
    }
}
