//! `mt`: multi-task ranking models from the command line.
//!
//! Exit codes: 0 done, 1 the run failed, 2 usage or configuration, 130 stopped on request.

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
mod report;
mod source;
mod stop;
mod tensorboard;
mod threads;
mod yaml;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

// Keeps freed memory: the C library's allocator maps and unmaps each large block anew, and the page faults of a
// training step cost more than its arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = threads::start(args.threads).and_then(|()| match args.command {
        Command::Init(args) => commands::init::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Sweep(args) => commands::sweep::run(&args),
        Command::Predict(args) => commands::predict::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Infer(args) => commands::infer::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Data(args) => commands::data::run(&args),
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
            print::note(format_args!("error: {error:#}"));
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
            || cause.downcast_ref::<mt_onnx::Error>().is_some_and(mt_onnx::Error::is_usage)
    })
}

/// Whether the reader of our output went away, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(closed))
}
