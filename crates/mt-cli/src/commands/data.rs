//! `mt data`.

mod files;

use std::path::Path;

use anyhow::Result;
use mt_data::Output;
use mt_datasets::census::{self, Form, Protocol};
use mt_datasets::synth;
use mt_features::Stats;
use mt_models::Registry;
use mt_train::Config;

use crate::args::{
    CacheArgs, CensusArgs, DataArgs, DataCommand, FormArg, ProtocolArg, StatsArgs, SynthArgs, Usage,
};
use crate::progress::Bar;
use crate::report::{Grid, number, thousands};
use crate::{print, source};

pub fn run(args: &DataArgs, registry: &Registry) -> Result<()> {
    match &args.command {
        DataCommand::Census(args) => convert(args),
        DataCommand::Synth(args) => generate(args),
        DataCommand::Stats(args) => stats(args, registry),
        DataCommand::Cache(args) => cache(args, registry),
    }
}

fn convert(args: &CensusArgs) -> Result<()> {
    let protocol = match args.protocol {
        ProtocolArg::Study => Protocol::Study,
        ProtocolArg::Paper => Protocol::Paper,
    };
    let form = match args.form {
        FormArg::OneHot => Form::OneHot,
        FormArg::Categories => Form::Categories,
    };
    let bar = Bar::bytes("converting", false);
    let read = |progress: census::Progress| {
        bar.read(&mt_data::Progress {
            bytes_done: progress.bytes_done,
            bytes_total: Some(progress.bytes_total),
            rows: progress.rows,
        })
    };
    let create = |name: &str| Output::create(&args.out.join(name));
    let converted = census::convert(&args.raw, protocol, form, args.seed, create, &read)?;
    converted.outputs.into_iter().try_for_each(Output::finish)?;
    bar.finish();
    let mut grid = Grid::new(["file", "rows", "columns", "completion", "like", "non-zeros a row"]);
    for file in &converted.files {
        let share = |n: usize| format!("{} ({:.4} %)", thousands(n), 100.0 * n as f64 / file.rows as f64);
        grid.rows.push(vec![
            args.out.join(file.name).display().to_string(),
            thousands(file.rows),
            file.columns.to_string(),
            share(file.positives[0]),
            share(file.positives[1]),
            format!("{:.2}", file.non_zeros),
        ]);
    }
    print::line(grid.text())
}

fn generate(args: &SynthArgs) -> Result<()> {
    let SynthArgs { rows, seed, correlation, contexts, .. } = *args;
    let cfg = synth::SynthConfig { rows, seed, correlation, contexts, ..synth::SynthConfig::default() };
    let mut output = Output::create(&args.out)?;
    synth::write_csv(&cfg, &mut output).map_err(|error| match error {
        mt_datasets::Error::Write { source, .. } => mt_data::Error::Write { path: args.out.clone(), source },
        error => error.into(),
    })?;
    output.finish()?;
    print::line(format_args!("{} rows in {}", thousands(rows), args.out.display()))
}

fn cache(args: &CacheArgs, registry: &Registry) -> Result<()> {
    let cfg = Config::read_with(&args.config, &args.overrides.set, registry)?;
    if cfg.data.cache.is_none() {
        let text = "the configuration has no data.cache; --set 'data.cache={memory: 2GiB}' gives it one";
        return Err(Usage(text.to_owned()).into());
    }
    let data = source::load(&cfg, None, false)?;
    let rows = thousands(data.rows().len());
    let dir = data.cached.as_ref().map(|cached| cached.dir().display().to_string()).unwrap_or_default();
    print::line(format_args!("{rows} training rows in {dir}"))
}

fn stats(args: &StatsArgs, registry: &Registry) -> Result<()> {
    let is_config =
        |path: &Path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    match &args.what[..] {
        [config] if is_config(config) => of_config(config, args, registry),
        what if what.iter().any(|path| is_config(path)) => {
            Err(Usage("name one configuration, or files without one".to_owned()).into())
        }
        _ if !args.overrides.set.is_empty() => {
            Err(Usage("--set changes a configuration, and there is none".to_owned()).into())
        }
        _ => files::stats(args),
    }
}

fn of_config(config: &Path, args: &StatsArgs, registry: &Registry) -> Result<()> {
    let mut cfg = Config::read_with(config, &args.overrides.set, registry)?;
    // The columns as they are in the files.
    cfg.data.normalize = mt_features::Normalize::None;
    let data = source::load(&cfg, None, args.json)?;
    let stats = Stats::new(source::in_memory(&data, "mt data stats")?, &data.schema);
    if args.json {
        return print::line(serde_json::to_string(&stats)?);
    }
    print::line(format_args!(
        "{} training rows x {} columns, {:.2} % non-zero, {:.0} MB in memory",
        thousands(stats.rows),
        stats.columns.len(),
        100.0 * stats.density,
        stats.memory_bytes as f64 / 1e6
    ))?;
    let mut grid = Grid::new(["task", "positives", "labels", "share"]);
    for task in &stats.tasks {
        let share = (task.present > 0).then(|| task.positives as f64 / task.present as f64);
        grid.rows.push(vec![
            task.name.clone(),
            thousands(task.positives),
            thousands(task.present),
            number(share, 5),
        ]);
    }
    print::line(grid.text())?;
    let (indicators, numbers): (Vec<_>, Vec<_>) =
        stats.columns.iter().partition(|column| column.stats.indicator);
    let mut grid = Grid::new(["column", "min", "max", "mean", "sd", "zeros"]);
    for column in &numbers {
        let s = &column.stats;
        let zeros = format!("{:.1} %", 100.0 * s.zeros);
        grid.rows.push(vec![
            column.name.clone(),
            number(Some(s.min), 2),
            number(Some(s.max), 2),
            number(Some(s.mean), 3),
            number(Some(s.sd), 3),
            zeros,
        ]);
    }
    print::line(format_args!("{}\nand {} columns of only 0 and 1", grid.text(), indicators.len()))
}
