//! `mt train --days`: a run a day, each of which goes on from the day before.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use mt_dist::Collective;
use mt_models::Registry;
use mt_train::{Config, Origin, Owner, RunDir, write_file, write_json};

use super::day::{Day, Days};
use super::job::Job;
use crate::args::{TrainArgs, Usage};
use crate::history::History;
use crate::pages::{self, DaysPage, Done};
use crate::print::{line, note};
use crate::stop::{self, Interrupted};

/// What stands for the day, and for the day without hyphens.
const DAY: [&str; 2] = ["{day}", "{yyyymmdd}"];

pub fn run(args: &TrainArgs, days: Days, registry: &Registry, ranks: &Arc<dyn Collective>) -> Result<()> {
    if ranks.size() > 1 {
        let text = "--days trains in one process; several take one day at a time, with --from";
        return Err(Usage(text.into()).into());
    }
    let Some(path) = &args.config else { return Err(Usage("--days needs a configuration".into()).into()) };
    let of_day = |day: Day| Ok((day, config(path, &args.overrides.set, day, registry)?));
    let configs: Vec<(Day, Config)> = days.each().map(of_day).collect::<Result<_>>()?;
    if let [(first, one), .., (_, other)] = configs.as_slice()
        && one.to_yaml()? == other.to_yaml()?
    {
        return Err(Usage(format!(
            "--days: the configuration is the same on every day; {} stands for a day such as {first}, as in --set \
             'data.csv.train=log/dt={{day}}/'",
            DAY.join(" or "),
        ))
        .into());
    }
    let name = configs.first().map_or("run", |(_, cfg)| &cfg.name);
    let folder = args.run_dir.clone().unwrap_or_else(|| Path::new("runs").join(name));
    if folder.join("config.yaml").exists() {
        return Err(mt_train::Error::RunExists { path: folder }.into());
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let _owner = Owner::take(&folder)?;
    let stop = stop::on_signal()?;
    let (mut from, mut done) = (args.from.clone(), Vec::new());
    for (day, cfg) in &configs {
        let dir = folder.join(day.to_string());
        match finished(&dir) {
            true => same(&RunDir::open_with(&dir, registry)?.1, cfg, &dir)?,
            false => {
                if !args.json {
                    note(day);
                }
                let trained = job(cfg, &dir, from.as_deref(), registry)?.run(args, ranks, stop);
                trained.map_err(|error| match error.is::<Interrupted>() {
                    true => Interrupted("the same command goes on".to_owned()).into(),
                    false => error.context(day.to_string()),
                })?;
            }
        }
        let history = History::read(&RunDir::find(&dir)?)?;
        let run = dir.display().to_string();
        done.push(Done { day: day.to_string(), run, prequential: history.prequential().cloned() });
        from = Some(dir);
    }
    write_json(&folder.join("days.json"), &done)?;
    let Some((_, cfg)) = configs.last() else { return Ok(()) };
    let page = DaysPage { cfg, days: &done };
    write_file(&folder.join(pages::FILE), page.html()?.as_bytes())?;
    match args.json {
        true => line(serde_json::to_string(&serde_json::json!({ "event": "days", "days": done }))?),
        false => line(format_args!(
            "each day's rows, scored by the model of the day before; runs in {}\n{}",
            folder.display(),
            page.table().text()
        )),
    }
}

/// The configuration of a day.
fn config(path: &Path, set: &[String], day: Day, registry: &Registry) -> Result<Config> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let day = day.to_string();
    let days = [day.clone(), day.replace('-', "")];
    let of_day =
        |text: &str| DAY.iter().zip(&days).fold(text.to_owned(), |text, (name, day)| text.replace(name, day));
    let set: Vec<String> = set.iter().map(|set| of_day(set)).collect();
    let mut cfg = Config::parse_with(&of_day(&text), &path.display().to_string(), &set, registry)?;
    if cfg.name.is_empty() {
        cfg.name = path.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned());
    }
    Ok(cfg)
}

/// The run of a day in `dir`: one that goes on, or one that begins, `from` the day before where there is one.
fn job(cfg: &Config, dir: &Path, from: Option<&Path>, registry: &Registry) -> Result<Job> {
    if dir.join("config.yaml").exists() {
        let (run, then) = RunDir::resume_with(dir, registry)?;
        same(&then, cfg, dir)?;
        return Ok(Job { cfg: then, earlier: Some(run), origin: None, dir: None });
    }
    let origin = from.map(|from| Origin::of(from, cfg, registry)).transpose()?;
    Ok(Job { cfg: cfg.clone(), earlier: None, origin, dir: Some(PathBuf::from(dir)) })
}

/// Refuses a run that began with another configuration.
fn same(then: &Config, now: &Config, dir: &Path) -> Result<()> {
    if then.to_yaml()? == now.to_yaml()? {
        return Ok(());
    }
    Err(Usage(format!(
        "{} was trained with another configuration; name another folder with --run-dir, or remove this day and those after it",
        dir.display()
    ))
    .into())
}

/// Whether the run in `dir` has ended, and not by being stopped.
fn finished(dir: &Path) -> bool {
    let summary = std::fs::read(dir.join("summary.json")).ok();
    let summary = summary.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    summary.is_some_and(|summary| summary["interrupted"] == false)
}
