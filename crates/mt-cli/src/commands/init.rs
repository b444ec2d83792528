//! `mt init`.

mod draft;
mod inputs;
mod label;
mod names;
mod split;
mod times;
mod yaml;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use mt_data::{Dataset, Paths};
use mt_profile::{Profile, Sample};
use mt_train::Config;

use self::draft::Draft;
use self::inputs::Inputs;
use crate::args::{InitArgs, Usage};
use crate::print;
use crate::progress::Bar;
use crate::report::thousands;

pub fn run(args: &InitArgs) -> Result<()> {
    // Said before anything is read.
    if args.out.exists() {
        return Err(taken(args).into());
    }
    let bar = Bar::bytes("reading", false);
    let mut sample = Sample::default();
    sample.known.clone_from(&args.label);
    let profile = Profile::read(&Paths(args.files.clone()), &sample, &|progress| bar.read(&progress))?;
    bar.finish();
    let draft = Draft::new(args, &profile)?;
    let text = draft.text();
    // Whatever it says, it must be one that trains.
    let cfg = Config::parse(&text, &args.out.display().to_string(), &[])?;
    Dataset::schema(&cfg.data, &cfg.tasks)?;
    let written = OpenOptions::new().write(true).create_new(true).open(&args.out);
    let mut file = match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(taken(args).into()),
        other => other.with_context(|| format!("{}: cannot be written", args.out.display()))?,
    };
    file.write_all(text.as_bytes()).with_context(|| format!("{}: cannot be written", args.out.display()))?;
    let Inputs { numbers, fields, left_out, .. } = &draft.inputs;
    print::line(format_args!(
        "{}: {}, {}, {}, {} left out, by {} rows",
        args.out.display(),
        counted(draft.labels.len(), "task"),
        counted(numbers.len(), "number"),
        counted(fields.len(), "field"),
        counted(left_out.len(), "column"),
        thousands(profile.rows as usize),
    ))?;
    draft.labels.iter().filter_map(|label| label.warning.as_ref()).for_each(|warning| {
        print::note(format_args!("warning: {warning}"));
    });
    print::line(format_args!("train it with: mt train {}", args.out.display()))
}

fn taken(args: &InitArgs) -> Usage {
    Usage(format!("{} is there already; name another file with --out", args.out.display()))
}

/// `1 task`, `2 tasks`.
fn counted(n: usize, what: &str) -> String {
    format!("{} {what}{}", thousands(n), if n == 1 { "" } else { "s" })
}
