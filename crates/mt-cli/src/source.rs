//! Rows from wherever a command finds them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use candle_core::Device;
use mt_bundle::{Check, Manifest, Predictor, Signature};
use mt_data::{CsvConfig, DataConfig, Dataset, Labels, Paths, Progress, Records, Skipped, TableReader};
use mt_features::{Coverage, Fit, Table};
use mt_models::Registry;
use mt_train::{Config, Differences, Origin, RunDir, read_identity};

use crate::advice;
use crate::args::{ModelArg, Usage};
use crate::print::note;
use crate::progress::Bar;

/// Loads the data of a configuration, as a `run` that goes on reads it, with a progress bar, and says which records were
/// left out.
pub fn load(cfg: &Config, run: Option<&RunDir>, quiet: bool) -> Result<Dataset> {
    read(cfg, quiet, |progress| mt_train::load(cfg, run, progress))
}

/// The same, as the model of the checkpoint `origin` reads it.
pub fn load_from(cfg: &Config, origin: &Origin, quiet: bool) -> Result<Dataset> {
    read(cfg, quiet, |progress| mt_train::load_from(cfg, origin, progress))
}

fn read(
    cfg: &Config,
    quiet: bool,
    load: impl FnOnce(&(dyn Fn(Progress) + Sync)) -> mt_train::Result<Dataset>,
) -> Result<Dataset> {
    let bar = Bar::bytes("reading", quiet);
    let data = load(&|progress: Progress| bar.read(&progress));
    let data = data.map_err(|error| advice::explain(error, cfg))?;
    bar.finish();
    data.cached.iter().for_each(|cached| note(cached.note()));
    report_skipped(&data.skipped);
    report(data.coverage.warnings());
    report(data.rounding());
    Ok(data)
}

/// The rows to train on, all in memory, for a `command` that needs them so.
pub fn in_memory<'a>(data: &'a Dataset, command: &str) -> Result<&'a Table> {
    if data.cached.is_some() {
        let text =
            format!("{command} has all rows to train on in memory: take data.cache out of the configuration");
        return Err(Usage(text).into());
    }
    Ok(&data.train)
}

/// Says on standard error where values match less than in training.
pub fn report(warnings: impl IntoIterator<Item = String>) {
    warnings.into_iter().for_each(|warning| note(format_args!("warning: {warning}")));
}

/// Where what was read matches less than what the model was trained on.
pub fn report_coverage(coverage: &Coverage, signature: &Signature) {
    report(signature.coverage.iter().flat_map(|training| coverage.warnings(training)));
}

/// Says on standard error which inputs may give the labels away.
pub fn report_leaks(data: &Dataset) {
    let leaks = mt_profile::leaks(&data.train, &data.schema);
    let named = data.mentioned.iter().map(ToString::to_string);
    named.chain(leaks.iter().map(ToString::to_string)).for_each(|leak| note(format_args!("warning: {leak}")));
}

/// Says on standard error which records were left out.
pub fn report_skipped(skipped: &Skipped) {
    if skipped.records == 0 {
        return;
    }
    note(format_args!("warning: left out {} bad records", skipped.records));
    for error in &skipped.first {
        note(format_args!("  {error}"));
    }
    if skipped.records > skipped.first.len() as u64 {
        note(format_args!("  and {} more", skipped.records - skipped.first.len() as u64));
    }
}

/// Loads a model, and says where a bundle's recorded rows come out otherwise than to the bit.
pub fn predictor(dir: &Path, device: &Device, registry: &Registry) -> Result<Predictor> {
    let predictor = Predictor::load_with(dir, device, registry);
    let predictor = predictor.map_err(|error| with_others(error, dir))?;
    if let Some(check @ Check::Rounded { .. }) = predictor.check() {
        note(format_args!("note: {}: {check}", dir.display()));
    }
    Ok(predictor)
}

/// The folder of a model, with its epoch where that is a whole one.
pub type Checkpoint = (Option<usize>, PathBuf);

/// Rows a batch: limited by arithmetic, within the cache.
const ROWS: usize = 4096;

/// The predictions of a table's rows, in the batches of an evaluation during training.
pub fn predict(predictor: &Predictor, table: &Table) -> Result<Vec<f32>> {
    let mut predictions = Vec::with_capacity(table.len() * predictor.width());
    for start in (0..table.len()).step_by(ROWS) {
        let batch = table.slice(start..(start + ROWS).min(table.len()));
        predictions.extend(predictor.predict(batch.numeric, batch.fields)?);
    }
    Ok(predictions)
}

/// The configuration of a run or bundle, and the folders of the models that are meant, each with its epoch.
pub fn models(model: &ModelArg, checkpoint: &str, registry: &Registry) -> Result<(Config, Vec<Checkpoint>)> {
    match (&model.run, &model.bundle) {
        (Some(run), _) => {
            let (run, cfg) = RunDir::open_with(run, registry)?;
            let checkpoints = checkpoints(&run, checkpoint)?;
            Ok((cfg, checkpoints))
        }
        (None, Some(dir)) => bundle(dir, registry).map(|(cfg, dir)| (cfg, vec![(None, dir)])),
        (None, None) => Err(Usage("name a --run or a --bundle".into()).into()),
    }
}

/// The same, where `command` takes one model.
pub fn model(
    model: &ModelArg,
    checkpoint: &str,
    command: &str,
    registry: &Registry,
) -> Result<(Config, PathBuf)> {
    let (cfg, models) = models(model, checkpoint, registry)?;
    Ok((cfg, one(models, command)?.1))
}

/// What the model in `dir` is, after all that its predictions follow from was found whole.
pub fn signature(dir: &Path, registry: &Registry) -> Result<Signature> {
    let signature = Signature::verified(dir).map_err(|error| with_others(error, dir))?;
    Ok(signature.with(registry))
}

/// Says which checkpoints of its run are whole, where that in `dir` is damaged.
fn with_others(error: mt_bundle::Error, dir: &Path) -> anyhow::Error {
    let run = dir.parent().and_then(Path::parent).filter(|_| mt_train::verify(dir).is_err());
    let Some(run) = run.and_then(|run| RunDir::find(run).ok()) else {
        return error.into();
    };
    let whole = run.whole().unwrap_or_default();
    let others = match whole.as_slice() {
        [] => "no checkpoint of the run is whole".to_owned(),
        whole => format!("whole are {}: --checkpoint takes their number, or step-N", whole.join(", ")),
    };
    anyhow::anyhow!("{:#}; {others}", anyhow::Error::from(error))
}

/// The only one of the models that were selected.
pub fn one(models: Vec<Checkpoint>, command: &str) -> Result<Checkpoint> {
    let one = <[_; 1]>::try_from(models).map_err(|_| Usage(format!("{command} takes one checkpoint")));
    let [model] = one?;
    Ok(model)
}

/// The configuration of a bundle and its folder.
pub fn bundle(dir: &Path, registry: &Registry) -> Result<(Config, PathBuf)> {
    if Manifest::find(dir)?.is_none() {
        return Err(Usage(format!("{}: holds no bundle (no {})", dir.display(), Manifest::FILE)).into());
    }
    Ok((Config::read_kept(&dir.join(Manifest::CONFIG), registry)?, dir.to_owned()))
}

/// The values of `columns` in the first `most` rows of files in the format of the run's data.
pub fn records(cfg: &Config, paths: &Paths, columns: &[String], most: usize) -> Result<Records> {
    Ok(Records::read(paths, &of_files(cfg, paths), columns, most)?)
}

/// How files of the run's kind are read, text or Parquet whatever was trained on. Where that were generated rows, files
/// with the same columns can be read all the same.
fn of_files(cfg: &Config, paths: &Paths) -> DataConfig {
    match cfg.data.row_files() {
        Some(files) => DataConfig { csv: Some(files), parquet: None, ..cfg.data.clone() },
        None => DataConfig::files(CsvConfig::new(paths.clone())),
    }
}

/// A reader over more rows of the run's kind.
pub fn reader(cfg: &Config, signature: &Signature, paths: Paths, labels: Labels) -> Result<TableReader> {
    let data = of_files(cfg, &paths);
    let Signature { schema, normalizer, encoders, .. } = signature;
    Ok(TableReader::open_encoded(&paths, &data, schema, &cfg.tasks, normalizer, encoders, labels)?)
}

/// Rows that were set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Test,
    Valid,
}

/// Labelled rows to evaluate the model in `dir` on, and what to call them: given files, else those of a part, else those of
/// the other. They are read as the model reads them: nothing is fitted.
pub fn evaluation(
    cfg: &Config,
    (dir, signature): (&Path, &Signature),
    data: Option<&str>,
    part: Part,
) -> Result<(String, Table)> {
    let own = |files: CsvConfig| match (part, files.test, files.valid) {
        (Part::Valid, _, Some(valid)) => Some(("valid", valid)),
        (Part::Test, Some(test), _) => Some(("test", test)),
        (Part::Test, None, Some(valid)) if cfg.data.test_fraction.unwrap_or(0.0) == 0.0 => {
            Some(("valid", valid))
        }
        _ => None,
    };
    let files = match data {
        Some(path) => Some((path, Paths(vec![path.to_owned()]))),
        None => cfg.data.row_files().and_then(own),
    };
    if let Some((name, paths)) = files {
        let mut reader = reader(cfg, signature, paths, Labels::Required)?;
        let mut table = Table::empty(signature.schema.numeric.len(), signature.schema.tasks.len());
        for block in reader.by_ref() {
            table.append(block?)?;
        }
        report_skipped(reader.skipped());
        let mut coverage = Coverage::of(&table, &signature.schema);
        coverage.add_joins(&reader.joins());
        report_coverage(&coverage, signature);
        return Ok((name.to_owned(), table));
    }
    // The rows were set aside from the training rows, so all have to be read.
    let data = Dataset::load_with(&cfg.data, &cfg.tasks, Fit::As(signature.fitted()), &|_| ())?;
    report_skipped(&data.skipped);
    let then = read_identity(dir).ok().flatten().filter(|_| data.test.is_some() || data.valid.is_some());
    if let Some(then) = then {
        let differences = Differences::from(then.differences(&data.identity, &signature.schema));
        if !differences.is_empty() {
            note(format_args!(
                "warning: the data is not the one that the model was trained on, so rows that it was trained on may be \
                 among those set aside: {differences}"
            ));
        }
    }
    let covered = [(data.coverage.test, Part::Test), (data.coverage.valid, Part::Valid)];
    let covered = covered.into_iter().filter_map(|(covered, of)| Some((covered?, of)));
    let own = covered.max_by_key(|&(_, of)| of == part);
    own.iter().for_each(|(covered, _)| report_coverage(covered, signature));
    let test = data.test.map(|table| ("test".to_owned(), table));
    let valid = data.valid.map(|table| ("valid".to_owned(), table));
    let none = || Usage("the run has neither test nor validation rows; name some with --data".into());
    let found = if part == Part::Test { test.or(valid) } else { valid.or(test) };
    Ok(found.ok_or_else(none)?)
}

/// Checkpoint folders of a selection, each with its epoch: `best`, an epoch, `A..B`, both included; or one that may be
/// in the middle of an epoch and then has none: `last`, `step-N`.
pub fn checkpoints(run: &RunDir, selection: &str) -> Result<Vec<Checkpoint>> {
    let epochs = run.epochs()?;
    let bad = || {
        let expected = "best, last, an epoch, a range A..B or step-N";
        Usage(format!("--checkpoint {selection}: expected {expected}"))
    };
    let steps = run.steps()?;
    let step = match (selection, steps.last()) {
        // Steps are kept only of an epoch that is not over.
        ("last", Some(&last)) => Some(last),
        // Of a run without a whole epoch, this is all there is.
        ("best", Some(&last)) if epochs.is_empty() => Some(last),
        _ => selection.strip_prefix("step-").and_then(|step| step.parse().ok()),
    };
    if let Some(step) = step.filter(|step| steps.contains(step)) {
        return Ok(vec![(None, run.step(step))]);
    }
    let wanted: Vec<usize> = match selection {
        "best" => run.best()?.map(|best| best.epoch).into_iter().collect(),
        "last" => epochs.last().copied().into_iter().collect(),
        _ if step.is_some() => Vec::new(),
        range if range.contains("..") => {
            let (from, to) = range.split_once("..").ok_or_else(bad)?;
            let (from, to): (usize, usize) =
                (from.parse().map_err(|_| bad())?, to.trim_start_matches('=').parse().map_err(|_| bad())?);
            epochs.iter().copied().filter(|epoch| (from..=to).contains(epoch)).collect()
        }
        epoch => vec![epoch.parse().map_err(|_| bad())?],
    };
    let missing = wanted.iter().find(|epoch| !epochs.contains(epoch));
    if wanted.is_empty() || missing.is_some() {
        let there = match (epochs.first(), epochs.last()) {
            (Some(first), Some(last)) => format!("there are epochs {first} to {last}"),
            _ => "there is none yet".to_owned(),
        };
        let text = format!("{}: no checkpoint {selection}; {there}", run.path().display());
        return Err(Usage(text).into());
    }
    Ok(wanted.into_iter().map(|epoch| (Some(epoch), run.checkpoint(epoch))).collect())
}
