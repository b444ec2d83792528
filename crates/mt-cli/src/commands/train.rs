//! `mt train`.

mod day;
mod days;
mod job;

use std::sync::Arc;

use anyhow::Result;
use mt_dist::Collective;
use mt_models::Registry;
use mt_train::{Config, Origin, RunDir};

pub use self::day::Days;
use self::job::Job;
pub use self::job::epoch_line;
use crate::args::{TrainArgs, Usage};
use crate::stop;

pub fn run(args: &TrainArgs, registry: &Registry, ranks: &Arc<dyn Collective>) -> Result<()> {
    if let Some(range) = args.days {
        return days::run(args, range, registry, ranks);
    }
    let first = ranks.rank() == 0;
    let set = &args.overrides.set;
    let earlier = match &args.resume {
        Some(dir) if !first => Some(RunDir::follow(dir, args.extend.then_some(set), registry)?),
        Some(dir) if args.extend => Some(RunDir::extend_with(dir, set, registry)?),
        Some(_) if !set.is_empty() => {
            let text = "--set does not change a run that goes on; with --extend it may set train.epochs or other rows";
            return Err(Usage(text.into()).into());
        }
        Some(dir) => Some(RunDir::resume_with(dir, registry)?),
        None => None,
    };
    let cfg = match (&earlier, &args.config) {
        (Some((_, cfg)), _) => cfg.clone(),
        (None, Some(config)) => Config::read_with(config, set, registry)?,
        (None, None) => return Err(Usage("name a configuration, or a run to --resume".into()).into()),
    };
    let origin = args.from.as_ref().map(|from| Origin::of(from, &cfg, registry)).transpose()?;
    let earlier = earlier.map(|(run, _)| run);
    let job = Job { cfg, earlier, origin, dir: args.run_dir.clone() };
    job.run(args, ranks, stop::on_signal()?)
}
