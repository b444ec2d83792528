//! The binary `mt`, to be built with networks of one's own.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use mt_models::Registry;
//!
//! fn main() -> ExitCode {
//!     mt_cli::main(Registry::default().with("my-network", my_network))
//! }
//! # fn my_network(section: &mut mt_models::Section<'_>) -> mt_models::Result<Box<dyn mt_models::Architecture>> {
//! #     mt_models::MmoeConfig::read(section)
//! # }
//! ```
//!
//! With mimalloc as its allocator and built with the workspace's profiles it is as fast as `mt`.

mod advice;
mod args;
mod commands;
mod device;
mod history;
mod html;
mod machine;
mod pages;
mod print;
mod progress;
mod ranks;
mod report;
mod source;
mod stop;
mod tensorboard;
mod threads;
mod yaml;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mt_dist::{Collective, Solo};
use mt_models::Registry;

use crate::args::{Args, Command};

/// Does what the command line says, with the networks of `registry`. To be called before the program starts a thread.
///
/// Exit codes: 0 done, 1 the run failed, 2 usage or configuration, 130 stopped on request.
pub fn main(registry: Registry) -> ExitCode {
    let args = Args::parse();
    let started = threads::start(args.threads).and_then(|()| ranks::open(&args.command));
    let ranks = started.as_ref().map_or_else(|_| Arc::new(Solo) as Arc<dyn Collective>, Arc::clone);
    let done = started.and_then(|ranks| match args.command {
        Command::Init(args) => commands::init::run(&args),
        Command::Train(args) => commands::train::run(&args, &registry, &ranks),
        Command::Eval(args) => commands::eval::run(&args, &registry),
        Command::Compare(args) => commands::compare::run(&args, &registry),
        Command::Sweep(args) => commands::sweep::run(&args, &registry),
        Command::Predict(args) => commands::predict::run(&args, &registry, &*ranks),
        Command::Export(args) => commands::export::run(&args, &registry),
        Command::Infer(args) => commands::infer::run(&args, &registry),
        Command::Explain(args) => commands::explain::run(&args, &registry),
        Command::Serve(args) => commands::serve::run(&args, &registry),
        Command::Inspect(args) => commands::inspect::run(&args, &registry),
        Command::Data(args) => commands::data::run(&args, &registry),
        Command::Bench(args) => commands::bench::run(&args),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<stop::Interrupted>() => {
            print::note(error);
            ExitCode::from(stop::EXIT_CODE)
        }
        Err(error) => {
            match ranks.size() {
                1 => print::note(format_args!("error: {error:#}")),
                _ => ranks::abort(&*ranks, &error),
            }
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

/// Whether what was typed or configured is at fault.
fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<args::Usage>()
            || cause.downcast_ref::<mt_train::Error>().is_some_and(mt_train::Error::is_usage)
            || cause.downcast_ref::<mt_data::Error>().is_some_and(mt_data::Error::is_usage)
            || cause.downcast_ref::<mt_datasets::Error>().is_some_and(mt_datasets::Error::is_usage)
            || cause.downcast_ref::<mt_features::Error>().is_some_and(mt_features::Error::is_usage)
            || cause.downcast_ref::<mt_serve::Error>().is_some_and(mt_serve::Error::is_usage)
            || cause.downcast_ref::<mt_models::Error>().is_some_and(mt_models::Error::is_usage)
            || cause.downcast_ref::<mt_bundle::Error>().is_some_and(mt_bundle::Error::is_usage)
            || cause.downcast_ref::<mt_onnx::Error>().is_some_and(mt_onnx::Error::is_usage)
    })
}

/// Whether the reader of our output went away, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(closed))
}
