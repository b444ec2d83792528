//! Everything that must pass before a change is merged, on a machine with nothing but a Rust toolchain.

use crate::command::{self, command, succeeds};
use crate::tidy;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Instant;

/// A crate outside the workspace that uses ours as anyone would, and fails unless its model learns; run if it is there.
const EXTERNAL: &str = "docs/examples/external/Cargo.toml";

type Step = (&'static str, fn() -> Result<()>);

/// In this order: what is quick or fails often comes first.
const STEPS: [Step; 9] = [
    ("tools", install_tools),
    ("format", || run("cargo fmt --all --check")),
    ("tidy", tidy::run),
    ("clippy", || run("cargo clippy --workspace --all-targets --locked -- -D warnings")),
    ("test", || run("cargo test --workspace --locked")),
    ("doc", doc),
    ("deny", deny),
    ("bench", || run("cargo bench --workspace --no-run --locked")),
    ("external", external),
];

/// Runs every step, with its time, and stops at the first that fails.
pub fn run_all() -> Result<()> {
    let start = Instant::now();
    for (name, step) in STEPS {
        println!("==> {name}");
        let start = Instant::now();
        step().with_context(|| format!("{name} failed"))?;
        println!("==> {name}: passed in {:.1} s", start.elapsed().as_secs_f64());
    }
    println!("==> all passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn run(line: &str) -> Result<()> {
    println!("$ {line}");
    command::run(&mut command(line))
}

/// Installs what a bare toolchain lacks.
fn install_tools() -> Result<()> {
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !succeeds(&mut command(&format!("cargo {tool} --version"))) {
            run(&format!("rustup component add {component}"))?;
        }
    }
    if !succeeds(&mut command("cargo deny --version")) {
        // Pinned, so that a new release can't fail a change that didn't cause it.
        run("cargo install --locked cargo-deny --version 0.20.2")
            .context("cargo-deny is needed for deny.toml")?;
    }
    Ok(())
}

fn doc() -> Result<()> {
    let line = "cargo doc --workspace --no-deps --locked";
    println!("$ RUSTDOCFLAGS='-D warnings' {line}");
    command::run(command(line).env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny() -> Result<()> {
    // It looks at the crates of every platform, of which a build has fetched only those of this one.
    run("cargo fetch --locked")?;
    run("cargo deny --offline check bans licenses sources")
}

fn external() -> Result<()> {
    if !Path::new(EXTERNAL).exists() {
        println!("{EXTERNAL} is not there: nothing to check");
        return Ok(());
    }
    // Its own target folder: its dependencies are resolved apart from the workspace's. They are not optimised: that
    // would take minutes to save seconds.
    run(&format!("cargo run --manifest-path {EXTERNAL} --target-dir target/external"))
}
