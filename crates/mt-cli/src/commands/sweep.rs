//! `mt sweep`.

mod draw;
mod draws;
mod findings;
mod plan;
mod record;
mod space;
mod tpe;
mod trial;
mod trials;

use std::time::Instant;

use anyhow::Result;
use mt_data::Dataset;
use mt_models::Registry;
use mt_train::{Config, Selection};

use self::findings::Findings;
use self::plan::Plan;
pub use self::space::Dimension;
use self::trials::Trials;
use crate::args::{SweepArgs, Usage};
use crate::print::note;
use crate::progress::seconds;
use crate::{device, print, source, stop, threads};

pub fn run(args: &SweepArgs, registry: &Registry) -> Result<()> {
    let started = Instant::now();
    let device = device::device(&args.device.device)?;
    threads::check("--parallel", args.parallel.get())?;
    let plan = match &args.resume {
        Some(folder) => Plan::open(folder, args.trials, registry)?,
        None => Plan::new(args, registry)?,
    };
    let stop = stop::on_signal()?;
    let base = plan.config(&[])?;
    let data = source::load(&base, None, args.json)?;
    let Selection { select, warnings, .. } = check(&plan, &base, &data)?;
    warnings.iter().for_each(|warning| note(format_args!("warning: {warning}")));
    source::report_leaks(&data);
    let owner = plan.write()?;
    plan.check_rows(&data)?;
    if let Some(problem) = owner.problem() {
        print::note(format_args!("warning: {problem}"));
    }
    let trials = Trials::open(&plan, &data, &device)?;
    trials.run(args.parallel.get(), stop, args.json)?;
    let findings = Findings::new(&plan, &base, &data, (&device, &select), trials.records())?;
    findings.write(&device)?;
    if args.json {
        return print::line(serde_json::to_string(&findings.report)?);
    }
    print::line(findings.text())?;
    print::line(format_args!(
        "{} trials in {}; report.html, best.yaml and runs in {}",
        findings.report.trials.len(),
        seconds(started.elapsed().as_secs_f64()),
        plan.folder.display()
    ))
}

/// What only the data tells: rows to judge on, by what, and room for a model within a budget.
fn check(plan: &Plan, base: &Config, data: &Dataset) -> Result<Selection> {
    if data.valid.is_none() {
        return Err(Usage(format!("{}: needs validation rows to judge trials on", base.name)).into());
    }
    let selection = base.train.selection(data)?;
    if !selection.compares {
        return Err(Usage(format!(
            "{}: a sweep compares epochs, and train.select.metric is none",
            base.name
        ))
        .into());
    }
    let kinds = |cfg: &Config| cfg.tasks.iter().map(|task| task.kind).collect::<Vec<_>>();
    plan.each(|cfg| {
        if kinds(cfg) != kinds(base) {
            let problem = "a loss with other outputs, as ziln is, needs a sweep of its own";
            return Err(Usage(problem.to_owned()).into());
        }
        cfg.fitting_model(data)?;
        Ok(())
    })?;
    Ok(selection)
}
