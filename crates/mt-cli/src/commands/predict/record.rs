//! What has been done in a folder of predictions, and what with: `_progress.jsonl`, or one for each share of them, a line for what all parts have in
//! common and one for each finished part.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mt_bundle::{Contents, Manifest};
use mt_data::{FileFormat, Storage, Version};
use serde::{Deserialize, Serialize};

use super::parts::Part;
use crate::args::{PredictArgs, ShardArg, Usage};

/// Its name. Whoever reads the folder leaves out names that begin so. Each share of the parts has one of its own.
fn file(shard: Option<ShardArg>) -> String {
    match shard {
        None => "_progress.jsonl".to_owned(),
        Some(ShardArg { number, of }) => format!("_progress-{number}-of-{of}.jsonl"),
    }
}

/// Version of its format.
const VERSION: u32 = 1;
/// What says which weights a checkpoint has.
const CHECKSUMS: &str = "checksums.json";

/// What all parts have in common.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    version: u32,
    /// SHA-256 of the list of the model's files with their hashes.
    model: String,
    keep: Vec<String>,
    score: Option<String>,
    /// The kind of all parts, where it is not that of each input.
    format: Option<String>,
}

/// A finished part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    part: String,
    input: PathBuf,
    input_bytes: u64,
    /// Nanoseconds since 1970.
    input_modified: u64,
    /// What an object store calls the input by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_tag: Option<String>,
    pub rows: u64,
}

/// The record of a folder, which no other program writes meanwhile.
#[derive(Debug)]
pub struct Record {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    done: BTreeMap<String, Done>,
}

impl Made {
    /// With the model in `dir`.
    pub fn new(dir: &Path, args: &PredictArgs) -> Result<Self> {
        let files =
            [Manifest::FILE, CHECKSUMS].map(|file| dir.join(file)).into_iter().find(|file| file.exists());
        let model = Contents::of(&files.unwrap_or_else(|| dir.join(CHECKSUMS)))?.sha256;
        let format = args.format.map(|kind| FileFormat::from(kind).extension().to_owned());
        Ok(Self { version: VERSION, model, keep: args.keep.clone(), score: args.score.clone(), format })
    }

    /// What is different now.
    fn difference(&self, now: &Self) -> Option<String> {
        let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(",") };
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        let differ = |what: &str, then: String, now: String| {
            (then != now).then(|| format!("{what} {then} (now {now})"))
        };
        let short = |made: &Self| made.model.chars().take(12).collect();
        differ("version", self.version.to_string(), now.version.to_string())
            .or_else(|| differ("model", short(self), short(now)))
            .or_else(|| differ("--keep", list(&self.keep), list(&now.keep)))
            .or_else(|| differ("--score", or_none(&self.score), or_none(&now.score)))
            .or_else(|| differ("--format", or_none(&self.format), or_none(&now.format)))
    }
}

impl Done {
    /// The part as it will be, of its input as it is.
    pub fn of(part: &Part) -> Result<Self> {
        let input = part.inputs[0].clone();
        let Version { bytes, modified, tag, .. } = Storage::default().version(&input)?.unwrap_or_default();
        let (input_bytes, input_modified, input_tag) = (bytes, modified, tag);
        Ok(Done { part: part.name.clone(), input_bytes, input_modified, input_tag, rows: 0, input })
    }
}

impl Record {
    /// The record of `folder`, of which `parts`, this `shard`, are to be made. What does not fit to it is refused; with `overwrite`,
    /// what was made is removed.
    pub fn open(
        (folder, shard): (&Path, Option<ShardArg>),
        made: Made,
        parts: &[Part],
        overwrite: bool,
    ) -> Result<Self> {
        let path = folder.join(file(shard));
        let cannot = || format!("{}: cannot be written", path.display());
        std::fs::create_dir_all(folder).with_context(cannot)?;
        let mut file =
            File::options().create(true).read(true).append(true).open(&path).with_context(cannot)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            bail!("{}: another `mt predict` is writing into this folder", folder.display());
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| format!("{}: cannot be read", path.display()))?;
        // A last line without an end was being written when the program was killed.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).with_context(cannot)?;
        let mut record = Self { file, path, folder: folder.to_owned(), done: BTreeMap::new() };
        let then = record.read(&text[..whole])?;
        let fresh = then.is_none() || overwrite;
        match then {
            Some(_) if overwrite => record.remove()?,
            Some(then) => record.check(&then, &made, parts)?,
            None => {}
        }
        if fresh {
            if let Some(part) = parts.iter().find(|part| part.output.exists() && !overwrite) {
                let text = format!("{} is there already; --overwrite replaces it", part.output.display());
                // The folder stays as it was found.
                let _ = std::fs::remove_file(&record.path);
                return Err(Usage(text).into());
            }
            record.append(&made)?;
        }
        Ok(record)
    }

    /// Whether the part is finished.
    pub fn has(&self, part: &Part) -> bool {
        self.done.contains_key(&part.name) && part.output.exists()
    }

    /// Notes that a part is finished.
    pub fn add(&mut self, done: Done) -> Result<()> {
        self.append(&done)?;
        self.done.insert(done.part.clone(), done);
        Ok(())
    }

    fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(line)? + "\n";
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.with_context(|| format!("{}: cannot be written", self.path.display()))
    }

    /// Reads the finished parts; what they were made with, if there is anything.
    fn read(&mut self, text: &str) -> Result<Option<Made>> {
        let damaged =
            |line: usize| format!("{}:{}: not a record of `mt predict`", self.path.display(), line + 1);
        let mut made = None;
        for (number, line) in text.lines().enumerate() {
            if number == 0 {
                made = Some(serde_json::from_str(line).with_context(|| damaged(number))?);
                continue;
            }
            let done: Done = serde_json::from_str(line).with_context(|| damaged(number))?;
            self.done.insert(done.part.clone(), done);
        }
        Ok(made)
    }

    /// Refuses to go on with another model, other options or other inputs than those of what is there.
    fn check(&self, then: &Made, now: &Made, parts: &[Part]) -> Result<()> {
        let refuse = |what: String| {
            let folder = self.folder.display();
            let text = format!("{folder}: {what}; give another --output, or --overwrite to start anew");
            Err(Usage(text).into())
        };
        if let Some(difference) = then.difference(now) {
            return refuse(format!("has parts made with {difference}"));
        }
        for (name, done) in &self.done {
            let Some(part) = parts.iter().find(|part| part.name == *name) else {
                return refuse(format!(
                    "has {name} of {}, which is not among the inputs",
                    done.input.display()
                ));
            };
            let found = Done { rows: done.rows, ..Done::of(part)? };
            if found.input != done.input {
                let [then, now] = [&done.input, &found.input].map(|path| path.display());
                return refuse(format!("has {name} made of {then}, not of {now}"));
            }
            if found != *done {
                return refuse(format!("{} has changed since {name} was made of it", done.input.display()));
            }
        }
        Ok(())
    }

    /// Removes what is there.
    fn remove(&mut self) -> Result<()> {
        for name in std::mem::take(&mut self.done).into_keys() {
            let path = self.folder.join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{}: cannot be removed", path.display()));
                }
                _ => {}
            }
        }
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.with_context(|| format!("{}: cannot be written", self.path.display()))
    }
}
