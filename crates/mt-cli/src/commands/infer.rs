//! `mt infer`.

mod measure;
mod report;

use std::time::Instant;

use anyhow::{Result, bail};
use mt_bundle::Predictor;
use mt_data::{Labels, Paths};
use mt_features::Table;
use mt_models::Registry;
use mt_train::{Config, Evaluation};

use self::measure::{Requests, measure};
use self::report::{Data, Environment, Model, Performance, Report};
use crate::args::InferArgs;
use crate::{device, machine, print, source};

pub fn run(args: &InferArgs, registry: &Registry) -> Result<()> {
    let device = device::device(&args.device.device)?;
    let (cfg, dir) = source::model(&args.model, &args.checkpoint, "mt infer", registry)?;
    let started = Instant::now();
    let predictor = source::predictor(&dir, &device, registry)?;
    let load = started.elapsed();
    let paths = Paths(vec![args.data.clone()]);
    let columns = predictor.rows().encoder().columns().to_vec();
    let texts = source::records(&cfg, &paths, &columns, args.rows as usize)?;
    if texts.is_empty() {
        bail!("{} has no rows", args.data);
    }
    let requests = Requests::new(&predictor, &texts, args.batch_size.get())?;
    let threads = rayon::current_num_threads();
    let measured = measure(&predictor, &requests, threads, args.seconds)?;
    let labelled = labels(&cfg, &predictor, paths, texts.len())?;
    let tasks = &predictor.signature().schema.tasks;
    let evaluation = labelled.map(|table| Evaluation::new(&measured.predictions, &table, tasks));
    let report = Report {
        environment: Environment::here(threads, &args.device.device),
        model: Model::of(&dir, &predictor)?,
        data: Data { path: args.data.clone(), rows: texts.len(), batch_size: args.batch_size.get() },
        performance: Performance::new(load, &measured, machine::peak_memory()),
        quality: evaluation,
    };
    if args.json { print::line(serde_json::to_string(&report)?) } else { print::line(report.text()) }
}

/// The same rows with their labels, if there are any.
fn labels(cfg: &Config, predictor: &Predictor, paths: Paths, rows: usize) -> Result<Option<Table>> {
    let signature = predictor.signature();
    let mut reader = source::reader(cfg, signature, paths, Labels::Optional)?;
    let mut table = Table::empty(signature.schema.numeric.len(), signature.schema.tasks.len());
    for block in reader.by_ref() {
        table.append(block?)?;
        if table.len() >= rows {
            break;
        }
    }
    if reader.skipped().records > 0 || table.len() < rows {
        bail!("rows that the run's `on_bad_record` leaves out cannot be measured; remove them");
    }
    table.retain(&(0..rows as u32).collect::<Vec<_>>());
    Ok(table.mask().iter().any(|mask| *mask > 0.0).then_some(table))
}
