//! From two bundles to one that holds what changed.

use std::path::Path;

use crate::contents::Contents;
use crate::disk::{io, write_file, write_folder, write_json};
use crate::error::{Error, Result};
use crate::export::CARD;
use crate::manifest::{Base, Manifest};
use crate::patch::{changes, name_of_changes, with_changes};
use crate::recorded::Recorded;
use crate::signature::Signature;
use crate::whole::Whole;

/// Writes the bundle `dir`, which must not exist, with what the bundle `new` has and `base` has not: files that changed, of tables the rows
/// and of weights the tensors. Gives its manifest. What is made of it and a bundle with the content of `base` is `new`, to the byte; see
/// [`Whole::of`].
///
/// # Errors
/// [`Error::Exists`]; [`Error::Base`] if `base` is another model: other columns, fields, tasks, vocabularies, layers or another format of its
/// tables; and whatever is wrong with a folder.
pub fn write_delta(base: &Path, new: &Path, dir: &Path) -> Result<Manifest> {
    if dir.exists() {
        return Err(Error::Exists { path: dir.to_owned() });
    }
    let refuse = |problem: &str| Error::Base { path: base.to_owned(), problem: problem.to_owned() };
    let (there, here) = (Whole::of(base)?, Whole::of(new)?);
    let [then, now] = [(&there, base), (&here, new)].map(|(whole, named)| {
        let manifest = Manifest::find(whole.path())?;
        let none = || Error::Base { path: named.to_owned(), problem: "is no bundle".to_owned() };
        let manifest = manifest.ok_or_else(none)?;
        manifest.verify(whole.path())?;
        Ok::<_, Error>((manifest, Signature::read(whole.path())?))
    });
    let ((then, model), (now, signature)) = (then?, now?);
    if then.tables != now.tables {
        return Err(refuse(&format!("keeps its tables as {:?}, and not as {:?}", then.tables, now.tables)));
    }
    let same = model.schema == signature.schema && model.model == signature.model;
    if !same || model.encoders != signature.encoders {
        return Err(refuse("is another model: nothing of it can be kept"));
    }
    let [there, here] = [there.path(), here.path()];
    write_folder(dir, |partial| {
        let mut names = Vec::new();
        for (name, contents) in &now.files {
            let always = [Manifest::CONFIG, Recorded::FILE].contains(&&**name);
            if !always && then.files.get(name) == Some(contents) {
                continue;
            }
            let read = |dir: &Path| {
                let path = dir.join(name);
                std::fs::read(&path).map_err(io(&path, "read a file of the bundle"))
            };
            let bytes = read(here)?;
            let changed = match name_of_changes(name).filter(|_| then.files.contains_key(name)) {
                Some(as_name) => smaller(name, &read(there)?, &bytes, &signature)?.map(|c| (as_name, c)),
                None => None,
            };
            let (name, bytes) = changed.unwrap_or((name.clone(), bytes));
            write_file(&partial.join(&name), &bytes)?;
            names.push(name);
        }
        let contents = |name: String| Ok((name.clone(), Contents::of(&partial.join(name))?));
        let manifest = Manifest {
            format: Manifest::DELTA,
            base: Some(Base { sha256: then.content(), files: now.files.clone() }),
            files: names.into_iter().map(contents).collect::<Result<_>>()?,
            ..now
        };
        write_json(&partial.join(Manifest::FILE), &manifest)?;
        // The card is no part of it, but belongs to what is described.
        if let Ok(card) = std::fs::read(here.join(CARD)) {
            write_file(&partial.join(CARD), &card)?;
        }
        Ok(manifest)
    })
}

/// What changed, if that is less than the file and makes it to the byte.
fn smaller(name: &str, base: &[u8], new: &[u8], signature: &Signature) -> Result<Option<Vec<u8>>> {
    let changed = changes(name, base, new, signature)?;
    let good = changed.len() < new.len() && with_changes(name, base, &changed, signature)? == new;
    Ok(good.then_some(changed))
}
