//! `mt eval`.

use std::path::Path;

use anyhow::Result;
use mt_models::Predictor;
use mt_train::Evaluation;

use crate::args::EvalArgs;
use crate::report::metrics;
use crate::source::Part;
use crate::{device, print, source};

pub fn run(args: &EvalArgs) -> Result<()> {
    let device = device::device(&args.device.device)?;
    let (cfg, models) = source::models(&args.model, &args.checkpoint)?;
    let mut rows = None;
    for (epoch, dir) in models {
        let predictor = Predictor::load(&dir, &device)?;
        let signature = predictor.signature();
        if rows.is_none() {
            rows = Some(source::evaluation(&cfg, signature, args.data.as_deref(), Part::Test)?);
        }
        let Some((name, table)) = &rows else { continue };
        let predictions = source::predict(&predictor, table)?;
        let evaluation = Evaluation::new(&predictions, table, &signature.schema.tasks);
        if args.json {
            let checkpoint = name_of(&dir);
            print::line(
                serde_json::json!({ "checkpoint": checkpoint, "epoch": epoch, "rows": name, "tasks": evaluation }),
            )?;
        } else {
            let checkpoint = match epoch {
                Some(epoch) => format!("epoch {epoch}"),
                None if args.model.bundle.is_some() => "bundle".to_owned(),
                None => name_of(&dir),
            };
            print::line(format_args!("{} {checkpoint} on {name}\n{}", cfg.name, metrics(&evaluation)))?;
        }
    }
    Ok(())
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
