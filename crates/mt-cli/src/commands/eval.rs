//! `mt eval`.

use anyhow::Result;
use mt_models::Predictor;
use mt_train::Evaluation;

use crate::args::EvalArgs;
use crate::report::metrics;
use crate::{device, print, source};

pub fn run(args: &EvalArgs) -> Result<()> {
    let device = device::device(&args.device.device)?;
    let (cfg, models) = source::models(&args.model, &args.checkpoint)?;
    let mut rows = None;
    for (epoch, dir) in models {
        let predictor = Predictor::load(&dir, &device)?;
        let signature = predictor.signature();
        if rows.is_none() {
            rows = Some(source::evaluation(&cfg, signature, args.data.as_deref())?);
        }
        let Some((name, table)) = &rows else { continue };
        let predictions = source::predict(&predictor, table)?;
        let evaluation = Evaluation::new(&predictions, table, &signature.schema.tasks);
        if args.json {
            print::line(serde_json::json!({ "epoch": epoch, "rows": name, "tasks": evaluation }))?;
        } else {
            let epoch = match epoch {
                Some(epoch) => format!("epoch {epoch}"),
                None if args.model.bundle.is_some() => "bundle".to_owned(),
                None => "interrupted".to_owned(),
            };
            print::line(format_args!("{} {epoch} on {name}\n{}", cfg.name, metrics(&evaluation)))?;
        }
    }
    Ok(())
}
