//! `mt eval`.

use std::path::Path;

use anyhow::Result;
use mt_models::Predictor;
use mt_train::{Evaluation, RunDir};

use crate::args::EvalArgs;
use crate::report::metrics;
use crate::{device, print, source};

pub fn run(args: &EvalArgs) -> Result<()> {
    let device = device::device(&args.device.device)?;
    let (run, cfg) = RunDir::open(&args.run)?;
    let mut rows = None;
    for (epoch, dir) in source::checkpoints(&run, &args.checkpoint)? {
        let predictor = Predictor::load(&dir, &device)?;
        let signature = predictor.signature();
        if rows.is_none() {
            rows = Some(source::evaluation(&cfg, signature, args.data.as_deref())?);
        }
        let Some((name, table)) = &rows else { continue };
        let mut predictions = Vec::with_capacity(table.len() * predictor.width());
        for start in (0..table.len()).step_by(ROWS) {
            let batch = table.slice(start..(start + ROWS).min(table.len()));
            predictions.extend(predictor.predict(batch.numeric, batch.fields)?);
        }
        let evaluation = Evaluation::new(&predictions, table, &signature.schema.tasks);
        if args.json {
            let checkpoint = name_of(&dir);
            print::line(
                serde_json::json!({ "checkpoint": checkpoint, "epoch": epoch, "rows": name, "tasks": evaluation }),
            )?;
        } else {
            let checkpoint = epoch.map_or_else(|| name_of(&dir), |epoch| format!("epoch {epoch}"));
            print::line(format_args!("{} {checkpoint} on {name}\n{}", cfg.name, metrics(&evaluation)))?;
        }
    }
    Ok(())
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Rows a batch: limited by arithmetic, within the cache.
const ROWS: usize = 4096;
