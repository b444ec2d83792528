//! Bundles that hold what changed since another one, made whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::contents::Contents;
use crate::disk::{io, write_file, write_json};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::patch::{name_of_changes, with_changes};
use crate::recorded::Recorded;
use crate::signature::Signature;

/// The folder of a model with all its files: of a bundle that holds changes a temporary one, made from these and the bundles they rest
/// on, and gone with this value; else the folder itself.
#[derive(Debug)]
pub struct Whole {
    path: PathBuf,
    _made: Option<TempDir>,
}

impl Whole {
    /// Of the model in `dir`. The bundle that changes rest on is sought by its hash in the folders beside `dir`; it may hold changes, too.
    /// Every file of all of them is checked, and what is made of them is to the byte what was exported.
    ///
    /// # Errors
    /// [`Error::File`] if a bundle of the chain is not there or damaged, [`Error::Io`] if there is no room for temporary files.
    pub fn of(dir: &Path) -> Result<Self> {
        match Manifest::find(dir)? {
            Some(manifest) if manifest.base.is_some() => make(dir, manifest),
            _ => Ok(Self { path: dir.to_owned(), _made: None }),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Files by name.
type Files = BTreeMap<String, Vec<u8>>;

fn make(dir: &Path, manifest: Manifest) -> Result<Whole> {
    let whole = manifest.whole();
    let chain = chain(dir, manifest)?;
    let mut files = Files::new();
    for (folder, manifest) in chain.iter().rev() {
        manifest.verify(folder)?;
        apply(folder, manifest, &mut files)?;
    }
    let made = TempDir::new().map_err(io(dir, "make a temporary folder to make it whole in"))?;
    for (name, expected) in &whole.files {
        let found = files.get(name).filter(|bytes| Contents::of_bytes(bytes) == *expected);
        let bytes = found.ok_or_else(|| {
            let problem =
                format!("{name} does not come out as it was exported: a bundle it rests on is damaged");
            Error::File { path: dir.join(Manifest::FILE), problem }
        })?;
        write_file(&made.path().join(name), bytes)?;
    }
    write_json(&made.path().join(Manifest::FILE), &whole)?;
    Ok(Whole { path: made.path().to_owned(), _made: Some(made) })
}

/// The bundle in `dir` and those it rests on, the whole one at last.
fn chain(dir: &Path, manifest: Manifest) -> Result<Vec<(PathBuf, Manifest)>> {
    let mut chain = vec![(dir.to_owned(), manifest)];
    let mut beside = beside(dir)?;
    while let Some((folder, Manifest { base: Some(base), .. })) = chain.last() {
        // One that is whole ends the chain; each is taken once, as changes of nothing rest on what they are.
        let fits = (0..beside.len()).filter(|&i| beside[i].1.content() == base.sha256);
        let found = fits.min_by_key(|&i| beside[i].1.base.is_some());
        let Some(found) = found else {
            let problem = format!(
                "holds changes of the bundle {}, and no folder beside it holds that",
                base.sha256.get(..12).unwrap_or(&base.sha256)
            );
            return Err(Error::File { path: folder.join(Manifest::FILE), problem });
        };
        chain.push(beside.swap_remove(found));
    }
    Ok(chain)
}

/// The other bundles in the folder that `dir` is in.
fn beside(dir: &Path) -> Result<Vec<(PathBuf, Manifest)>> {
    let own = dir.canonicalize().map_err(io(dir, "find the bundle"))?;
    let Some(parent) = own.parent() else { return Ok(Vec::new()) };
    let list = |error| io(parent, "list the bundles beside")(error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(list)? {
        let path = entry.map_err(list)?.path();
        // Others may be damaged or only half written: they are not what is sought.
        if path != own
            && let Ok(Some(manifest)) = Manifest::find(&path)
        {
            found.push((path, manifest));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// Makes `files`, those of the bundle before, what they are with this one.
fn apply(dir: &Path, manifest: &Manifest, files: &mut Files) -> Result<()> {
    let read = |name: &str| {
        let path = dir.join(name);
        std::fs::read(&path).map_err(io(&path, "read a file of the bundle"))
    };
    // Those of the model go on; what was recorded and written about another does not.
    files.retain(|name, _| ![Manifest::CONFIG, Recorded::FILE].contains(&&**name));
    let whole = manifest.whole();
    for name in whole.files.keys().filter(|name| manifest.files.contains_key(*name)) {
        files.insert(name.clone(), read(name)?);
    }
    let signature = || {
        let text = files.get(Signature::FILE).map(Vec::as_slice).unwrap_or_default();
        Signature::from_bytes(text, &dir.join(Signature::FILE))
    };
    let signature = signature()?;
    for name in whole.files.keys() {
        let Some(changes) = name_of_changes(name).filter(|changes| manifest.files.contains_key(changes))
        else {
            continue;
        };
        let base = files.get(name).map(Vec::as_slice).unwrap_or_default();
        let made = with_changes(name, base, &read(&changes)?, &signature)
            .map_err(|error| Error::File { path: dir.join(&changes), problem: error.to_string() })?;
        files.insert(name.clone(), made);
    }
    Ok(())
}
