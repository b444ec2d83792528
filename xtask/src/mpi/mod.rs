//! What several processes do together, under the MPI libraries that there are.

mod implementation;
mod install;

use crate::ci::FEATURES;
use crate::command::{self, command, output, succeeds};
use anyhow::{Context, Result, ensure};
use implementation::{Implementation, launch};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub use install::install;

/// The same, on a machine that has neither as well, where apt can bring them.
pub fn check_all() -> Result<()> {
    if succeeds(&mut command("apt-get --version")) {
        install()?;
    }
    check()
}

/// What the last of three ranks does, and what is said then; nothing of ours where a process is gone at once.
const TROUBLES: [(&str, &str); 6] = [
    ("abort", "error: rank 2 has ended the job: no space left"),
    ("die", ""),
    ("leave", "error: rank 2 has left before the others were done"),
    ("panic", "error: rank 2 has left before the others were done"),
    ("differ", "error: rank 2 has another configuration than rank 0"),
    ("order", "error: rank 2 is at a gather where rank 0 is at an exchange"),
];

/// Runs the example of `mt-dist` under each implementation that there is; says which is not.
pub fn check() -> Result<()> {
    let found = implementation::find();
    implementation::missing(&found).iter().for_each(|line| println!("skipped: {line}"));
    if found.is_empty() {
        return Ok(());
    }
    let program = example()?;
    let alone = hash(&output(&mut command(&program.display().to_string()))?)?;
    for implementation in &found {
        println!("{implementation}: {}", implementation.launcher());
        same_hash(implementation, &program, &alone)?;
        trouble(implementation, &program)?;
        trains(implementation)?;
    }
    Ok(())
}

/// The tests of `mt train` in several processes; the same build as that of all tests.
fn trains(implementation: &Implementation) -> Result<()> {
    let line = format!("cargo test --workspace --locked {FEATURES} --test it mpi::");
    println!("$ {line}");
    command::run(command(&line).envs(implementation.told())).with_context(|| format!("{implementation}"))
}

/// Builds the program that does all operations.
fn example() -> Result<PathBuf> {
    let line = "cargo build --quiet --locked -p mt-dist --example collective --target-dir target";
    println!("$ {line}");
    command::run(&mut command(line))?;
    let path = format!("target/debug/examples/collective{}", std::env::consts::EXE_SUFFIX);
    std::fs::canonicalize(&path).with_context(|| format!("there is no {path}"))
}

/// Any number of processes computes what one does.
fn same_hash(implementation: &Implementation, program: &Path, alone: &str) -> Result<()> {
    for ranks in 1..=4 {
        let start = Instant::now();
        let ended = launch(implementation, ranks, program, &[])?;
        let found =
            ended.output().and_then(hash).with_context(|| format!("{implementation}, {ranks} ranks"))?;
        ensure!(found == alone, "{implementation}, {ranks} ranks: hash {found}, alone {alone}");
        ensure!(ended.stdout.contains(&format!("{ranks} ranks")), "it says {}", ended.stdout);
        println!("{implementation}, {ranks} ranks: hash {found}, {:.1} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn hash(said: &str) -> Result<String> {
    let hash = said.split("hash ").nth(1).with_context(|| format!("no hash in {said:?}"))?;
    Ok(hash.trim().to_owned())
}

/// A rank that is gone, or elsewhere, ends the job, which says why and does not wait for ever.
fn trouble(implementation: &Implementation, program: &Path) -> Result<()> {
    for (word, expected) in TROUBLES {
        let start = Instant::now();
        let ended = launch(implementation, 3, program, &[word])?;
        ensure!(!ended.success, "{implementation}, {word}: the job succeeds");
        ensure!(ended.stderr.contains(expected), "{implementation}, {word}: it says {}", ended.stderr);
        println!("{implementation}, {word}: ended in {:.1} s, {expected}", start.elapsed().as_secs_f64());
    }
    Ok(())
}
