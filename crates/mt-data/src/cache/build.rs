//! Parsing and fitting, block by block: what comes out is what [`Dataset::load_with`] makes in memory, to the bit.
//!
//! The files are parsed once, into raw rows on disk. These are read three times: to count values and sum numbers; to encode fields,
//! sum around the means and take the identity; to normalise and write the rows of the cache.

use std::fs::{self, File};
use std::path::Path;

use mt_features::{
    Coverage, Fit, Identity, NormalizerFit, RowSet, RowSetBuilder, Table, TaskConfig, split_parts,
};

use super::frames::failed;
use super::manifest::{Manifest, Stored};
use super::raw::Raw;
use super::{Cached, PartWriter, append, key, make_folder, read_part};
use crate::config::{CacheConfig, DataConfig};
use crate::covered::Covered;
use crate::dataset::{Dataset, read};
use crate::error::{Error, Result};
use crate::fitting::Fitting;
use crate::progress::Progress;
use crate::reader::{Finished, Skipped, TableReader};

type Told<'a> = &'a (dyn Fn(Progress) + Sync);

/// The data set of a configuration with `data.cache`: from the cache where there is one of it, else the cache is built first.
pub(crate) fn load(
    data: &DataConfig,
    config: &CacheConfig,
    tasks: &[TaskConfig],
    fit: Fit<'_>,
    progress: Told<'_>,
) -> Result<Dataset> {
    make_folder(&config.dir)?;
    let key = key::of(data, tasks)?;
    let name = format!("{key}-{}", key::of_fit(fit)?);
    let dir = config.dir.join(&name);
    let _lock = lock(&config.dir, &key)?;
    let found = match find(&config.dir, &key, &name, fit) {
        Ok(Some((found, manifest))) => {
            let note = format!("rows from the cache {found}");
            match open(&config.dir.join(&found), manifest, config, note) {
                Err(error @ Error::DamagedCache { .. }) if found == name => Some(error.to_string()),
                opened => return opened,
            }
        }
        Ok(None) => None,
        Err(error) => Some(error.to_string()),
    };
    let partial = config.dir.join(format!("{name}{PARTIAL}"));
    remove(&partial)?;
    remove_left(&config.dir, &key)?;
    make_folder(&partial)?;
    build(&partial, data, tasks, fit, progress).inspect_err(|_| {
        // The error is the news; a bad row must not leave the disk fuller.
        let _ = remove(&partial);
    })?;
    remove(&dir)?;
    fs::rename(&partial, &dir).map_err(failed(&dir, "rename it"))?;
    let why = found.map(|problem| format!(" anew: {problem}")).unwrap_or_default();
    let note = format!("the cache {name} was built{why}");
    let manifest = Manifest::read(&dir)?;
    let missing = || Error::Cache { path: dir.clone(), problem: "its manifest is gone".to_owned() };
    open(&dir, manifest.ok_or_else(missing)?, config, note)
}

/// Ending of the names of caches that are being built.
const PARTIAL: &str = ".partial";

/// Removes what is left of caches whose builders were killed, but for those of `key`, which is locked here.
fn remove_left(dir: &Path, key: &str) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(failed(dir, "list it"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((of, _)) = name.split_once('-').filter(|_| name.ends_with(PARTIAL)) else { continue };
        // Who builds one holds its lock.
        let lock = File::open(dir.join(format!("{of}.lock"))).ok();
        if of != key && lock.is_some_and(|lock| lock.try_lock().is_ok()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Builders of one cache take turns: the next one finds it there.
fn lock(dir: &Path, key: &str) -> Result<File> {
    let path = dir.join(format!("{key}.lock"));
    let file = File::options().create(true).append(true).open(&path).map_err(failed(&path, "open it"))?;
    // Some file systems know no locks.
    let _ = file.lock();
    Ok(file)
}

fn remove(dir: &Path) -> Result<()> {
    match dir.exists() {
        true => fs::remove_dir_all(dir).map_err(failed(dir, "remove it")),
        false => Ok(()),
    }
}

/// A cache of these rows. One that was fitted anew is as good for a model that has this very fit.
fn find(dir: &Path, key: &str, name: &str, fit: Fit<'_>) -> Result<Option<(String, Manifest)>> {
    if let Some(manifest) = Manifest::read(&dir.join(name))? {
        return Ok(Some((name.to_owned(), manifest)));
    }
    let Fit::As(fitted) = fit else { return Ok(None) };
    for entry in fs::read_dir(dir).map_err(failed(dir, "list it"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(key) || !entry.path().is_dir() || name.ends_with(PARTIAL) {
            continue;
        }
        // A damaged one of another fit is another's business.
        let Ok(Some(manifest)) = Manifest::read(&entry.path()) else { continue };
        if (&manifest.schema, &manifest.normalizer, &manifest.encoders)
            == (fitted.schema, fitted.normalizer, fitted.encoders)
        {
            return Ok(Some((name, manifest)));
        }
    }
    Ok(None)
}

fn open(dir: &Path, manifest: Manifest, config: &CacheConfig, note: String) -> Result<Dataset> {
    let Manifest { schema, normalizer, encoders, identity, mentioned, rounded, skipped, coverage, .. } =
        manifest;
    let Manifest { train, valid, test, .. } = manifest;
    let tasks = schema.tasks.len();
    let part =
        |name, stored: Option<Stored>| stored.map(|stored| read_part(dir, name, &stored, tasks)).transpose();
    let (valid, test) = (part("valid", valid)?, part("test", test)?);
    let cached = Cached::open(dir, train, tasks, config.memory.0, note)?;
    let first = cached.blocks()?.next().transpose()?;
    let skipped = Skipped { records: skipped.0, first: skipped.1.into_iter().map(Error::Earlier).collect() };
    Ok(Dataset {
        schema,
        normalizer,
        encoders,
        identity,
        train: first.ok_or(Error::NoRows { what: "train" })?,
        cached: Some(cached),
        valid,
        test,
        mentioned,
        rounded,
        skipped,
        coverage,
        bayes_auc: None,
    })
}

/// Numbers of the parts that are set aside.
const ASIDE: [(&str, usize); 2] = [("valid", 0), ("test", 1)];

fn build(
    dir: &Path,
    data: &DataConfig,
    tasks: &[TaskConfig],
    fit: Fit<'_>,
    progress: Told<'_>,
) -> Result<()> {
    let csv = data.row_files().ok_or(Error::Source { found: "none" })?;
    let mut reader = TableReader::open_fit(&csv.train, data, tasks, fit)?;
    let (schema, mentioned) = (reader.schema(), reader.mentioned());
    let (width, tasks_of_rows) = (schema.numeric.len(), schema.tasks.len());
    let mut raw = Raw::create(dir.join("raw"))?;
    while let Some(block) = reader.next() {
        raw.add(block?)?;
        progress(reader.progress());
    }
    raw.written();
    let Finished { mut skipped, interned, parts, joins, bases } = reader.finish();
    raw.parts = match data.split {
        Some(_) => parts,
        None => by_fractions(raw.rows() as u32, data),
    };
    let (size, parsed) = (raw.bytes(), raw.rows() as u64);
    let passes = |done: u64| {
        move |read: u64| {
            let (bytes_done, bytes_total) = (done * size + read, Some(3 * size));
            progress(Progress { bytes_done, bytes_total, rows: parsed });
        }
    };

    let fitting = Fitting { data, schema: &schema, fit };
    let mut counts = fitting.counts()?;
    let mut numbers = NormalizerFit::new(width, data.normalize);
    let (mut aside, mut rows): ([Option<Table>; 2], usize) = ([None, None], 0);
    let none = |_, _| Ok(());
    let set_aside = |part: u8, table: Table| {
        let to = aside[usize::from(part - 1)].get_or_insert_with(|| Table::empty(0, tasks_of_rows));
        append(to, table)
    };
    raw.each(&passes(0), set_aside, |block| {
        rows += block.len();
        counts.add(&block);
        numbers.look(&block);
        Ok(())
    })?;
    if rows == 0 {
        return Err(Error::NoRows { what: "train" });
    }
    let (encoders, recoding) = fitting.encoders(interned, || Ok(counts))?;
    aside.iter_mut().flatten().for_each(|table| recoding.apply(table));

    let mut joined = [joins.clone(), joins.clone()];
    for ((what, part), paths) in ASIDE.into_iter().zip([&csv.valid, &csv.test]) {
        let Some(paths) = paths else { continue };
        let reader = TableReader::open_fitted(paths, data, &schema, tasks, &encoders, &bases)?;
        let (table, finished) = read(reader, &schema, what, progress)?;
        skipped.add(finished.skipped);
        (aside[part], joined[part]) = (Some(table), finished.joins);
    }

    let (mut coverage, mut identity) = (Coverage::new(&schema), RowSetBuilder::new(rows));
    raw.each(&passes(1), none, |mut block| {
        recoding.apply(&mut block);
        coverage.add(block.fields());
        identity.add(&block);
        numbers.look_again(&block);
        Ok(())
    })?;
    let covered = |part: usize| -> Option<Coverage> {
        let table = aside[part].as_ref()?;
        Some(Coverage::of(table, &schema).with_joins(joined[part].clone()))
    };
    let coverage = Covered { train: coverage.with_joins(joins), valid: covered(0), test: covered(1) };
    let columns = fitting.columns(|| Dataset::schema(data, tasks))?;
    let of = |part: usize| aside[part].as_ref().map(RowSet::of);
    let identity = Identity::new(columns, identity.finish(), of(0), of(1)).with_bases(&bases);
    let (normalizer, rounded) = fitting.normalizer(&bases, || numbers);

    let mut writer = PartWriter::create(dir, "train")?;
    raw.each(&passes(2), none, |mut block| {
        recoding.apply(&mut block);
        normalizer.apply(&mut block)?;
        writer.write(&block)
    })?;
    let train = writer.finish()?;
    let mut stored = Vec::new();
    for ((what, _), table) in ASIDE.into_iter().zip(aside) {
        let Some(mut table) = table else {
            stored.push(None);
            continue;
        };
        normalizer.apply(&mut table)?;
        let mut writer = PartWriter::create(dir, what)?;
        writer.write(&table)?;
        stored.push(Some(writer.finish()?));
    }
    raw.remove()?;
    let (test, valid) = (stored.pop().flatten(), stored.pop().flatten());
    let skipped = (skipped.records, skipped.first.iter().map(ToString::to_string).collect());
    let manifest = Manifest {
        schema,
        normalizer,
        encoders,
        identity,
        mentioned,
        rounded,
        skipped,
        coverage,
        train,
        valid,
        test,
    };
    manifest.write(dir)
}

/// The part of each row where shares of them are set aside; empty where none are.
fn by_fractions(rows: u32, data: &DataConfig) -> Vec<u8> {
    let fractions = data.set_aside();
    if fractions.iter().all(|&fraction| fraction == 0.0) {
        return Vec::new();
    }
    // In the order of the shares, then the rest.
    let mut parts = split_parts(rows, &fractions, data.split_seed);
    parts.iter_mut().for_each(|part| *part = (*part + 1) % 3);
    parts
}
