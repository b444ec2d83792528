//! A release: what must hold before it, and the commands of it, which a person types.

use crate::command::{command, output};
use crate::packages;
use anyhow::{Result, ensure};
use std::fs;

/// In the order of their dependencies.
const CRATES: [&str; 17] = [
    "mt-metrics",
    "mt-dist",
    "mt-features",
    "mt-storage",
    "mt-datasets",
    "mt-data",
    "mt-profile",
    "mt-kernels",
    "mt-layers",
    "mt-tables",
    "mt-models",
    "mt-bundle",
    "mt-train",
    "mt-onnx",
    "mt-serve",
    "mt-capi",
    "mt-cli",
];

/// Fails unless `version` is what the workspace says, the changelog has a dated heading for it, nothing is uncommitted
/// and the packages build; then prints what to type.
pub fn check(version: &str) -> Result<()> {
    let ours = env!("CARGO_PKG_VERSION");
    ensure!(version == ours, "the workspace has version {ours}: change Cargo.toml and commit");
    let changes = fs::read_to_string("CHANGELOG.md")?;
    let heading = format!("## {version} - ");
    ensure!(
        changes.lines().any(|line| line.starts_with(&heading)),
        "CHANGELOG.md has no heading \"{heading}YEAR-MONTH-DAY\""
    );
    ensure!(output(&mut command("git status --porcelain"))?.is_empty(), "there are uncommitted changes");
    packages::check()?;
    println!("`cargo xtask ci` must have passed on this commit. Then:\n");
    println!("  git tag -a v{version} -m v{version}");
    for name in CRATES {
        println!("  cargo publish -p {name}");
    }
    println!("  cargo build --profile dist --locked -p mt-cli -p mt-capi # what is given away as files");
    Ok(())
}
