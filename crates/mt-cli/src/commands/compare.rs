//! `mt compare`.

mod comparison;
mod trials;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use mt_train::{Config, RunDir, write_file, write_json};

use self::comparison::{Comparison, compare, grid};
use self::trials::trials;
use crate::args::{CompareArgs, Usage};
use crate::progress::seconds;
use crate::{device, print, stop};

pub fn run(args: &CompareArgs) -> Result<()> {
    let started = Instant::now();
    let device = device::device(&args.device.device)?;
    let configs = read(&args.configs, &args.overrides.set)?;
    let stop = stop::on_signal()?;
    let out = args.out.clone().unwrap_or_else(|| RunDir::next_free(Path::new("reports/compare")));
    let trials = trials(&configs, args.seeds.get(), &out, &device, stop, args.json)?;
    let comparison = compare(&configs, &trials);
    write(&out, &comparison)?;
    if args.json {
        return print::line(serde_json::to_string(&comparison)?);
    }
    print::line(grid(&comparison).text())?;
    if let Some(bayes) = &trials.bayes {
        print::line(format_args!("best possible test AUC of this generated data: {bayes}"))?;
    }
    print::line(format_args!(
        "{} runs in {}; tables and runs in {}",
        trials.count(),
        seconds(started.elapsed().as_secs_f64()),
        out.display()
    ))
}

/// Reads the configurations and gives those with equal names their file's path as name.
fn read(paths: &[PathBuf], overrides: &[String]) -> Result<Vec<Config>> {
    let mut configs =
        paths.iter().map(|path| Config::read(path, overrides)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = configs.iter().map(|cfg| cfg.name.clone()).collect();
    for (i, cfg) in configs.iter_mut().enumerate() {
        if names.iter().filter(|name| **name == cfg.name).count() > 1 {
            cfg.name = paths[i].with_extension("").display().to_string().replace(['/', '\\'], "-");
        }
    }
    let names: Vec<&str> = configs.iter().map(|cfg| cfg.name.as_str()).collect();
    if let Some(i) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
        return Err(Usage(format!("{} is given twice", paths[i].display())).into());
    }
    if let Some(i) = (1..configs.len()).find(|&i| configs[i].tasks != configs[0].tasks) {
        let (first, other) = (paths[0].display(), paths[i].display());
        return Err(
            Usage(format!("{first} and {other} predict different tasks and cannot be compared")).into()
        );
    }
    Ok(configs)
}

/// The table as Markdown, CSV and JSON.
fn write(out: &Path, comparison: &Comparison) -> Result<()> {
    let grid = grid(comparison);
    write_file(&out.join("table.md"), format!("{}\n", grid.markdown()).as_bytes())?;
    write_file(&out.join("table.csv"), grid.csv().as_bytes())?;
    write_json(&out.join("table.json"), comparison)?;
    Ok(())
}
