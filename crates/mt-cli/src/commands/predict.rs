//! `mt predict`: files of any size, row by row.

mod parts;
mod record;
mod scorer;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use mt_data::{FileFormat, Output, Progress};
use mt_dist::{Collective, Message, Reader};
use mt_features::Coverage;
use mt_models::Registry;

use self::parts::{Part, Target};
use self::record::{Done, Made, Record};
use self::scorer::{Scorer, Stopped};
use crate::args::{PredictArgs, ShardArg, Usage};
use crate::progress::{Bar, count};
use crate::{device, print, source, stop};

/// What an output is called that has no name.
const STANDARD_OUTPUT: &str = "standard output";

pub fn run(args: &PredictArgs, registry: &Registry, ranks: &dyn Collective) -> Result<()> {
    let shard = shard(args, ranks)?;
    let device = device::device(&args.device.device)?;
    let (cfg, dir) = source::model(&args.model, &args.checkpoint, "mt predict", registry)?;
    let predictor = source::predictor(&dir, &device, registry)?;
    let mut scorer = Scorer::new(&cfg, &predictor, args)?;
    let Some(output) = &args.output else {
        let (out, path) = (std::io::stdout(), Path::new(STANDARD_OUTPUT));
        scorer.score(&args.input, out, path, FileFormat::Csv, &|_| ())?;
        source::report_coverage(&scorer.coverage(), predictor.signature());
        return Ok(());
    };
    let target = own(shard, parts::plan(&args.input, output, args.format.map(Into::into))?)?;
    let mut tally = Tally { started: Instant::now(), rows: 0, done: 0, skipped: 0 };
    scorer.stop = Some(stop::on_signal()?);
    match &target {
        Target::File(part) => {
            let bar = Bar::bytes("scoring", args.json);
            let done = one(&scorer, part, &|progress| bar.read(&progress));
            bar.finish();
            tally.rows = done?.ok_or_else(|| left(format_args!("{} is not written", output.display())))?;
            tally.done = 1;
        }
        Target::Folder { folder, parts } => {
            let record = Record::open((folder, shard), Made::new(&dir, args)?, parts, args.overwrite)?;
            into_folder(&scorer, parts, record, args.json, &mut tally)?;
        }
    }
    tally.sum(ranks)?;
    let coverage = scorer.coverage();
    source::report_coverage(&coverage, predictor.signature());
    tally.report(args, &target, &coverage)
}

/// The share of the parts that one of several processes makes.
fn shard(args: &PredictArgs, ranks: &dyn Collective) -> Result<Option<ShardArg>> {
    let (number, of) = (ranks.rank(), ranks.size());
    match (of, &args.shard, &args.output) {
        (1, shard, _) => Ok(*shard),
        (_, Some(_), _) => {
            Err(Usage(format!("--shard: the {of} processes that were started share the parts already"))
                .into())
        }
        (_, None, None) => {
            Err(Usage(format!("{of} processes share the parts of a folder: name one with --output")).into())
        }
        _ => Ok(Some(ShardArg { number, of })),
    }
}

/// The parts of the share that is asked for.
fn own(shard: Option<ShardArg>, target: Target) -> Result<Target> {
    let Some(ShardArg { number, of }) = shard else { return Ok(target) };
    match target {
        Target::File(part) => {
            let text = format!(
                "--shard: {} is a single file; expected a folder for a part each",
                part.output.display()
            );
            Err(Usage(text).into())
        }
        Target::Folder { folder, parts } => {
            let parts = parts.into_iter().skip(number).step_by(of).collect();
            Ok(Target::Folder { folder, parts })
        }
    }
}

/// Scores what a part is made of; the number of its rows, `None` if that was stopped.
fn one(scorer: &Scorer<'_>, part: &Part, progress: &dyn Fn(Progress)) -> Result<Option<u64>> {
    let inputs = parts::names(&part.inputs)?;
    let output = Output::create(&part.output)?;
    match scorer.score(&inputs, output, &part.output, part.format, progress) {
        Ok((output, rows)) => {
            output.finish()?;
            Ok(Some(rows))
        }
        Err(error) if error.is::<Stopped>() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the parts that are not there yet.
fn into_folder(
    scorer: &Scorer<'_>,
    parts: &[Part],
    mut record: Record,
    quiet: bool,
    tally: &mut Tally,
) -> Result<()> {
    let todo: Vec<&Part> = parts.iter().filter(|part| !record.has(part)).collect();
    tally.skipped = parts.len() - todo.len();
    let sizes = todo.iter().map(|part| part.input_bytes()).collect::<Result<Vec<u64>>>()?;
    let (bar, total) = (Bar::bytes("scoring", quiet), sizes.iter().sum());
    let mut before = 0;
    for (part, size) in todo.into_iter().zip(sizes) {
        // Looked at before it is read: what changes meanwhile is then noticed the next time.
        let mut done = Done::of(part)?;
        let rows = one(scorer, part, &|progress: Progress| {
            let bytes_done = before + progress.bytes_done;
            bar.read(&Progress { bytes_done, bytes_total: Some(total), rows: tally.rows + progress.rows });
        })?;
        let Some(rows) = rows else {
            bar.finish();
            let done = tally.skipped + tally.done;
            let text = format_args!("{done} of {} parts are done; the same command goes on", parts.len());
            return Err(left(text));
        };
        done.rows = rows;
        record.add(done)?;
        (tally.rows, tally.done, before) = (tally.rows + rows, tally.done + 1, before + size);
    }
    bar.finish();
    Ok(())
}

fn left(what: std::fmt::Arguments<'_>) -> anyhow::Error {
    stop::Interrupted(what.to_string()).into()
}

/// What has been done.
struct Tally {
    started: Instant,
    rows: u64,
    done: usize,
    /// Parts that were there.
    skipped: usize,
}

impl Tally {
    /// Makes it that of all processes.
    fn sum(&mut self, ranks: &dyn Collective) -> Result<()> {
        let mut own = Message::default();
        own.put(&[self.rows as u32, (self.rows >> 32) as u32, self.done as u32, self.skipped as u32]);
        (self.rows, self.done, self.skipped) = (0, 0, 0);
        for message in ranks.gather(own.bytes())? {
            let mut reader = Reader::new(&message);
            self.rows += reader.word()? as u64 | (reader.word()? as u64) << 32;
            self.done += reader.word()?;
            self.skipped += reader.word()?;
        }
        Ok(())
    }

    fn report(&self, args: &PredictArgs, target: &Target, coverage: &Coverage) -> Result<()> {
        let &Tally { started, rows, done, skipped } = self;
        let seconds = started.elapsed().as_secs_f64();
        let rate = rows as f64 / seconds;
        if args.json {
            return print::line(serde_json::json!({
                "output": args.output, "rows": rows, "parts": done, "parts_skipped": skipped,
                "seconds": seconds, "rows_per_second": rate, "coverage": coverage,
            }));
        }
        // What goes to a file may be a pipe to someone who reads rows.
        if let Target::Folder { folder, .. } = target {
            let there = if skipped > 0 { format!(", {skipped} were there") } else { String::new() };
            let (folder, rate) = (folder.display(), count(rate));
            print::line(format_args!("{folder}: {rows} rows in {done} parts, {rate} rows/s{there}"))?;
        }
        Ok(())
    }
}
