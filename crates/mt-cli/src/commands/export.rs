//! `mt export`.

mod card;
mod onnx;
mod since;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use mt_bundle::{Contents, Export, Manifest, Predictor, Signature, TableFormat, push_json};
use mt_datasets::synth::{self, SynthConfig};
use mt_features::{RawRows, RowEncoder, Table};
use mt_models::Registry;
use mt_train::{Config, Evaluation, RunDir};
use serde_json::{Map, Value, json};

use self::card::Quality;
use self::since::Since;

use crate::args::{ExportArgs, FormatArg, TargetArg, Usage};
use crate::report::{Grid, number, thousands};
use crate::{print, source};

/// Rows recorded with the bundle: enough that a damaged table or a changed kernel shows, few enough to load at once.
const RECORDED: usize = 8;

pub fn run(args: &ExportArgs, registry: &Registry) -> Result<()> {
    let (run, cfg) = RunDir::open_with(&args.run, registry)?;
    let (epoch, checkpoint) = source::one(source::checkpoints(&run, &args.checkpoint)?, "mt export")?;
    let signature = source::signature(&checkpoint, registry)?;
    if args.format == TargetArg::Onnx {
        if args.since.is_some() {
            return Err(Usage("--since: an ONNX file is always whole".into()).into());
        }
        return onnx::run(args, &checkpoint, registry.clone());
    }
    let wanted = args.tables.map(table_format).transpose()?;
    let since = args.since.as_ref().map(|since| Since::find(since, wanted, registry)).transpose()?;
    let tables = wanted.or(since.as_ref().map(|since| since.tables)).unwrap_or_default();
    // Before the work of an export is done for nothing.
    if args.out.exists() {
        return Err(mt_bundle::Error::Exists { path: args.out.clone() }.into());
    }
    let (folder, out) = match &since {
        Some(_) => {
            let folder = since::scratch()?;
            let out = folder.path().join("whole");
            (Some(folder), out)
        }
        None => (None, args.out.clone()),
    };
    let export = Export {
        checkpoint: &checkpoint,
        tables,
        rows: recorded(&cfg, &signature)?,
        config: &std::fs::read_to_string(args.run.join(Manifest::CONFIG))
            .context("cannot read config.yaml")?,
        registry: registry.clone(),
    };
    // Not a reason not to export: a run may have trained on all rows, or its files may be gone by now.
    let rows =
        source::evaluation(&cfg, (&checkpoint, &signature), None, source::Part::Test).map_err(|error| {
            print::note(format_args!("warning: the bundle is not measured: {error:#}"));
        });
    let rows = rows.ok().filter(|(_, table)| !table.is_empty());
    let mut quality = None;
    export.write(&out, |predictor| -> Result<String> {
        if let Some((name, table)) = &rows {
            quality = Some(compare(&checkpoint, predictor, name, table, tables)?);
        }
        Ok(card::text(&cfg, predictor, epoch, tables, quality.as_ref()))
    })?;
    if let Some(since) = &since {
        since.write(&out, &args.out)?;
    }
    drop(folder);
    let Some(manifest) = Manifest::find(&args.out)? else { bail!("{} is gone", args.out.display()) };
    show(args, &manifest, quality.as_ref())
}

fn table_format(arg: FormatArg) -> Result<TableFormat> {
    Ok(match arg {
        FormatArg::None => return Err(Usage("--tables none: a bundle has its tables".into()).into()),
        FormatArg::F32 => TableFormat::F32,
        FormatArg::F16 => TableFormat::F16,
        FormatArg::Bf16 => TableFormat::Bf16,
        FormatArg::Int8 => TableFormat::Int8,
    })
}

/// The first good raw rows of the run's data, by column.
fn recorded(cfg: &Config, signature: &Signature) -> Result<Vec<Map<String, Value>>> {
    let Signature { schema, encoders, normalizer, missing, .. } = signature;
    let encoder = std::sync::Arc::new(RowEncoder::new(schema, encoders, normalizer, missing)?);
    let columns = encoder.columns().to_vec();
    let mut rows = RawRows::new(encoder);
    let mut recorded = Vec::new();
    // Training may have left bad ones out.
    for texts in raw(cfg, &columns, 8 * RECORDED)? {
        let mut row = Map::new();
        for (column, text) in columns.iter().zip(texts) {
            let is_number =
                rows.encoder().column(column).is_ok_and(|column| rows.encoder().is_number(column));
            let value = match text.parse::<f64>() {
                Ok(number) if is_number && number.is_finite() => json!(number),
                _ => json!(text),
            };
            row.insert(column.clone(), value);
        }
        if recorded.len() < RECORDED && push_json(&mut rows, &row).is_ok() {
            recorded.push(row);
        }
    }
    Ok(recorded)
}

/// The values of `columns` in the first `most` rows: of the files set aside, of those trained on, or generated.
fn raw(cfg: &Config, columns: &[String], most: usize) -> Result<Vec<Vec<String>>> {
    if let Some(files) = cfg.data.row_files() {
        let paths = files.test.or(files.valid).unwrap_or(files.train);
        let records = source::records(cfg, &paths, columns, most)?;
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        return Ok((0..records.len()).map(|record| records.record(record).map(text).collect()).collect());
    }
    let Some(config) = &cfg.data.synth else { return Ok(Vec::new()) };
    // More rows begin with the same ones.
    let config = SynthConfig { rows: config.rows.min(most), ..config.clone() };
    let rows = synth::generate(&config)?.table.numeric().to_dense();
    Ok((0..rows.rows()).map(|row| rows.row(row).iter().map(f32::to_string).collect()).collect())
}

/// Evaluates the bundle beside its checkpoint.
fn compare(
    checkpoint: &Path,
    predictor: &Predictor,
    name: &str,
    table: &Table,
    tables: TableFormat,
) -> Result<Quality> {
    let tasks = &predictor.signature().schema.tasks;
    let before = source::predict(
        &Predictor::load_with(checkpoint, predictor.device(), &predictor.signature().model.registry)?,
        table,
    )?;
    let after = source::predict(predictor, table)?;
    let same = || before.iter().zip(&after).all(|(a, b)| a.to_bits() == b.to_bits());
    if tables == TableFormat::F32 && !same() {
        bail!("the bundle does not predict what the checkpoint does");
    }
    Ok(Quality {
        rows: name.to_owned(),
        before: Evaluation::new(&before, table, tasks),
        after: Evaluation::new(&after, table, tasks),
    })
}

fn show(args: &ExportArgs, manifest: &Manifest, quality: Option<&Quality>) -> Result<()> {
    if args.json {
        let quality = quality.map(|q| json!({ "rows": q.rows, "before": q.before, "after": q.after }));
        return print::line(json!({ "bundle": args.out, "manifest": manifest, "quality": quality }));
    }
    let mut files = Grid::new(["file", "bytes"]);
    for (name, contents) in &manifest.files {
        files.rows.push(vec![name.clone(), thousands(contents.bytes as usize)]);
    }
    print::line(format_args!("bundle {}\n{}", args.out.display(), files.text()))?;
    if let Some(base) = &manifest.base {
        let bytes = |files: &BTreeMap<String, Contents>| files.values().map(|file| file.bytes).sum::<u64>();
        let (changed, whole) = (bytes(&manifest.files), bytes(&base.files));
        print::line(format_args!(
            "{} bytes of {}, {:.1} %, changed since the bundle {}",
            thousands(changed as usize),
            thousands(whole as usize),
            100.0 * changed as f64 / whole.max(1) as f64,
            base.sha256.get(..12).unwrap_or_default()
        ))?;
    }
    let Some(Quality { rows, before, after }) = quality else {
        return Ok(());
    };
    let mut grid = Grid::new(["task", "ranking before", "after", "change", "log loss before", "after"]);
    for ((name, before), (_, after)) in before.tasks.iter().zip(&after.tasks) {
        let (a, b) = (before.metrics.ranking(), after.metrics.ranking());
        let change = a.zip(b).map(|(a, b)| b - a);
        let losses = [before.metrics.log_loss(), after.metrics.log_loss()];
        let mut row = vec![name.clone(), number(a, 5), number(b, 5), number(change, 6)];
        row.extend(losses.map(|loss| number(loss, 5)));
        grid.rows.push(row);
    }
    print::line(format_args!(
        "AUC (XAUC of a regression) on the {rows} rows, checkpoint and bundle\n{}",
        grid.text()
    ))
}
