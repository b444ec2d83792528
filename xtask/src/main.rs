//! Chores of the workspace: `cargo xtask ci | tidy | cuda | dataset | mpi | ptx | release`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool for developers")]

mod ci;
mod command;
mod cuda;
mod dataset;
mod mpi;
mod own_model;
mod packages;
mod ptx;
mod release;
mod tidy;

use anyhow::{Context, Result};
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <chore>

  ci [STEP ...]               everything that must pass before a change is merged, or single steps of it
  tidy                        crate edges, file length, module docs, stray paths (part of ci)
  cuda                        type-checks what the CUDA feature adds, where a CUDA toolkit is
  release VERSION             the checks before a release, then what is to be typed for it; changes nothing
  dataset census [--raw DIR]  downloads the census-income data, or takes them from DIR, and prepares the study
  mpi [--install]             runs several processes under Open MPI and MPICH, where they are; or brings both to target/mpi first
  ptx                         compiles the CUDA kernels of the optimizers; needs the CUDA toolkit's nvcc on the path";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["ci", ref steps @ ..] => at_root().and_then(|()| ci::run_steps(steps)),
        ["cuda"] => at_root().and_then(|()| cuda::check()),
        ["release", version] => at_root().and_then(|()| release::check(version)),
        ["tidy"] => at_root().and_then(|()| tidy::run()),
        ["mpi"] => at_root().and_then(|()| mpi::check()),
        ["mpi", "--install"] => at_root().and_then(|()| mpi::install()).and_then(|()| mpi::check()),
        ["ptx"] => at_root().and_then(|()| ptx::make()),
        ["dataset", "census"] => at_root().and_then(|()| dataset::census(None)),
        // Before changing directory, so that DIR is relative to where the user is.
        ["dataset", "census", "--raw", raw] => Path::new(raw)
            .canonicalize()
            .with_context(|| format!("no such folder: {raw}"))
            .and_then(|raw| at_root().and_then(|()| dataset::census(Some(&raw)))),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Goes to the root of the workspace, to which all paths in here are relative.
fn at_root() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    std::env::set_current_dir(root).with_context(|| format!("can't enter {}", root.display()))
}
