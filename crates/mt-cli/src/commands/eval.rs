//! `mt eval`.

mod detail;

use std::path::Path;

use anyhow::Result;
use mt_models::Registry;
use mt_train::Evaluation;
use serde::Serialize;

use self::detail::Details;
use crate::args::EvalArgs;
use crate::report::metrics;
use crate::source::Part;
use crate::{device, print, source};

/// What `--json` prints for a checkpoint.
#[derive(Serialize)]
struct Line<'a> {
    checkpoint: String,
    epoch: Option<usize>,
    rows: &'a str,
    /// Whether rows count by `data.weight`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    weighted: bool,
    tasks: &'a Evaluation,
    #[serde(flatten)]
    details: Details,
}

pub fn run(args: &EvalArgs, registry: &Registry) -> Result<()> {
    let device = device::device(&args.device.device)?;
    let (cfg, models) = source::models(&args.model, &args.checkpoint, registry)?;
    let mut rows = None;
    for (epoch, dir) in models {
        let predictor = source::predictor(&dir, &device, registry)?;
        let signature = predictor.signature();
        if rows.is_none() {
            rows = Some(source::evaluation(&cfg, (&dir, signature), args.data.as_deref(), Part::Test)?);
        }
        let Some((name, table)) = &rows else { continue };
        let predictions = source::predict(&predictor, table)?;
        let evaluation = Evaluation::new(&predictions, table, &signature.schema.tasks);
        let tasks = &signature.schema.tasks;
        let details = Details::new(&predictions, table, tasks, args.ndcg, args.calibration)?;
        if args.json {
            let (checkpoint, weighted) = (name_of(&dir), evaluation.weighted());
            let line = Line { checkpoint, epoch, rows: name, weighted, tasks: &evaluation, details };
            print::line(serde_json::to_string(&line)?)?;
        } else {
            let checkpoint = match epoch {
                Some(epoch) => format!("epoch {epoch}"),
                None if args.model.bundle.is_some() => "bundle".to_owned(),
                None => name_of(&dir),
            };
            let tables = metrics(&evaluation) + &details.text();
            print::line(format_args!("{} {checkpoint} on {name}\n{tables}", cfg.name))?;
        }
    }
    Ok(())
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
