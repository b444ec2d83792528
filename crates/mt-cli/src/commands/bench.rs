//! `mt bench`.

mod measure;
mod report;
mod scratch;

use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use mt_train::write_json;

use self::measure::{Bench, Job};
use self::report::{Measured, Report, Setting};
use crate::args::{BenchArgs, Usage};
use crate::{print, stop};

/// Times that everything is measured, in turn: a median of fewer does not outvote a run that something else disturbed.
const RUNS: usize = 5;

pub fn run(args: &BenchArgs) -> Result<()> {
    let earlier = args.against.as_deref().map(read).transpose()?;
    let stop = stop::on_signal()?;
    let bar = bar(args.json);
    bar.set_message("generating rows");
    let bench = Bench::new(args.rows as usize, args.seconds, stop)?;
    let jobs = bench.jobs();
    bar.set_length((RUNS * jobs.len()) as u64);
    let mut values = vec![Vec::with_capacity(RUNS); jobs.len()];
    // Each once before any a second time: where the machine slows down for a while, all of them see it.
    for _ in 0..RUNS {
        for (job, values) in jobs.iter().zip(&mut values) {
            bar.set_message(bench.name(job));
            values.push(bench.measure(job)?);
            if stop.load(Ordering::Relaxed) {
                return Err(stop::Interrupted("there is no report".into()).into());
            }
            bar.inc(1);
        }
    }
    drop(bar);
    let measured = |(job, runs): (&Job, Vec<f64>)| Measured::new(bench.name(job), job.unit(), runs);
    let setting = Setting::here(args.rows, args.seconds);
    let mut report = Report::new(setting, jobs.iter().zip(values).map(measured).collect());
    if let Some(earlier) = &earlier {
        report.compare(earlier);
    }
    // Printed before it is written: a full disk shall not cost the answer.
    show(args, &report, earlier.as_ref())?;
    if let Some(path) = &args.out {
        write_json(path, &report)?;
    }
    Ok(())
}

fn show(args: &BenchArgs, report: &Report, earlier: Option<&Report>) -> Result<()> {
    if args.json {
        return print::line(serde_json::to_string(report)?);
    }
    if let (Some(earlier), Some(path)) = (earlier, &args.against) {
        let other = report.setting.differences(&earlier.setting).join(", ");
        if !other.is_empty() {
            print::note(format_args!("warning: {} was measured with {other}", path.display()));
        }
    }
    print::line(report.text())
}

/// What `--out` wrote earlier. Read before anything is measured, so that a wrong name costs no time.
fn read(path: &Path) -> Result<Report> {
    let bad = |problem: String| Usage(format!("--against {}: {problem}", path.display()));
    let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    Ok(serde_json::from_slice(&text)
        .map_err(|error| bad(format!("not written by mt bench --out: {error}")))?)
}

/// A bar of measurements, on a terminal only, gone when it is dropped.
fn bar(quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(4) };
    let bar = ProgressBar::with_draw_target(Some(0), target).with_finish(ProgressFinish::AndClear);
    match ProgressStyle::with_template("measuring [{bar:30}] {pos}/{len} eta {eta} {msg}") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
