//! Everything that must pass before a change is merged, on a machine with nothing but a Rust toolchain.

use crate::command::{self, command, output, succeeds};
use crate::packages::UNPACKED_EXAMPLES;
use crate::{mpi, own_model, packages, tidy};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::time::Instant;

/// Where crates outside the workspace are built.
const EXAMPLES_TARGET: &str = "target/examples";

/// A Python that tests ask another implementation with.
struct Python {
    /// Names one that has what is needed; else one is made.
    variable: &'static str,
    folder: &'static str,
    packages: &'static str,
    modules: &'static str,
}

/// Runs ONNX files.
const ONNX: Python = Python {
    variable: "MT_ONNX_PYTHON",
    folder: "target/onnx",
    packages: "numpy==2.2.6 onnx==1.19.1 onnxruntime==1.23.2",
    modules: "onnx, onnxruntime",
};
/// Serves objects as S3 does.
const S3: Python = Python {
    variable: "MT_S3_PYTHON",
    folder: "target/s3",
    packages: "moto[server]==5.2.5",
    modules: "boto3, moto.server",
};
/// What a build for everyone leaves out is checked and tested too.
pub const FEATURES: &str = "--features mt-cli/objects";

type Step = (&'static str, fn() -> Result<()>);

/// In this order: what is quick or fails often comes first. Each step uses what the ones before it have built: the
/// dependencies are compiled once to be run and once to be checked.
const STEPS: [Step; 12] = [
    ("tools", install_tools),
    ("format", || run("cargo fmt --all --check")),
    ("tidy", tidy::run),
    ("clippy", || run(&format!("cargo clippy --workspace --all-targets --locked {FEATURES} -- -D warnings"))),
    ("features", features),
    ("test", test),
    ("mpi", mpi::check_all),
    ("doc", doc),
    ("deny", deny),
    ("packages", packages::check),
    ("examples", examples),
    ("rust-version", rust_version),
];

/// Runs the steps of these names, or all where none is given, with their times, and stops at the first that fails.
pub fn run_steps(names: &[&str]) -> Result<()> {
    let start = Instant::now();
    let known = STEPS.map(|(name, _)| name);
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        bail!("there is no step {name:?}; the steps are {}", known.join(", "));
    }
    for (name, step) in STEPS.into_iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        println!("==> {name}");
        let start = Instant::now();
        step().with_context(|| format!("{name} failed"))?;
        println!("==> {name}: passed in {:.1} s", start.elapsed().as_secs_f64());
    }
    println!(
        "==> {} passed in {:.1} s",
        if names.is_empty() { "all".into() } else { names.join(", ") },
        start.elapsed().as_secs_f64()
    );
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
        // Pinned, so that a new release can't fail a change that didn't cause it; not optimised, as it runs for a second.
        run("cargo install --locked --debug cargo-deny --version 0.20.2")
            .context("cargo-deny is needed for deny.toml")?;
    }
    Ok(())
}

/// What can be switched off: alone and together, in every crate through which it goes.
fn features() -> Result<()> {
    // Together those of which none brings a feature of another.
    run("cargo clippy --locked --no-default-features -p mt-storage -p mt-data -p mt-train -- -D warnings")?;
    run("cargo clippy --locked --no-default-features -p mt-cli -p mt-train -- -D warnings")?;
    for feature in ["parquet", "zstd", "objects"] {
        let line = "cargo clippy --locked --no-default-features -p mt-storage -p mt-data --features";
        run(&format!("{line} mt-data/{feature} -- -D warnings"))?;
    }
    Ok(())
}

/// All tests, ONNX files against ONNX Runtime and objects of an S3 server among them, and each benchmark once, for a look at
/// whether it runs.
fn test() -> Result<()> {
    let (onnx, s3) = (ONNX.find()?, S3.find()?);
    let line = format!("cargo test --workspace --locked {FEATURES}");
    println!("$ {}={} {}={} {line}", ONNX.variable, onnx.display(), S3.variable, s3.display());
    command::run(command(&line).env(ONNX.variable, &onnx).env(S3.variable, &s3))
}

impl Python {
    /// The one that the environment names, or one of our own.
    fn find(&self) -> Result<PathBuf> {
        let Python { variable, folder, packages, modules } = self;
        if let Some(python) = std::env::var_os(variable) {
            return Ok(python.into());
        }
        let python = std::env::current_dir()?.join(folder).join("bin/python");
        let check = ["-c".to_owned(), format!("import {modules}")];
        if !succeeds(command(&python.display().to_string()).args(check)) {
            run(&format!("python3 -m venv {folder}"))?;
            run(&format!(
                "{} -m pip install --quiet --disable-pip-version-check {packages}",
                python.display()
            ))
            .with_context(|| format!("tests need {packages}; {variable} may name a Python that has it"))?;
        }
        Ok(python)
    }
}

fn doc() -> Result<()> {
    let line = format!("cargo doc --workspace --no-deps --locked {FEATURES}");
    println!("$ RUSTDOCFLAGS='-D warnings' {line}");
    command::run(command(&line).env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny() -> Result<()> {
    // It looks at the crates of every platform, of which a build has fetched only those of this one.
    run("cargo fetch --locked")?;
    run("cargo deny --offline check bans licenses sources")
}

/// Crates outside the workspace that use ours as anyone would, of the packages: each fails unless what it trains learns.
fn examples() -> Result<()> {
    // Their own target folder: their dependencies are resolved apart from the workspace's. They are not optimised: that
    // would take minutes to save seconds.
    let line = format!(
        "cargo build --manifest-path {UNPACKED_EXAMPLES}/Cargo.toml --target-dir {EXAMPLES_TARGET} --quiet"
    );
    println!("$ {line}");
    command::run(command(&line).env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    let program = |name: &str| format!("{EXAMPLES_TARGET}/debug/{name}{}", std::env::consts::EXE_SUFFIX);
    for name in ["external", "source"] {
        run(&program(name))?;
    }
    own_model::check(&program("own-model"), &ONNX.find()?)
}

/// Whether what has just passed is what `rust-version` promises: the oldest compiler is the one that must be tried.
fn rust_version() -> Result<()> {
    let manifest = std::fs::read_to_string("Cargo.toml")?;
    let promised = manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next());
    let promised = promised.context("Cargo.toml has no rust-version")?;
    let used = output(&mut command("rustc --version"))?;
    match used.split_whitespace().nth(1).is_some_and(|version| version.starts_with(&format!("{promised}."))) {
        true => println!("passed with Rust {promised}, as rust-version says"),
        false => {
            println!("passed with {}; Rust {promised}, which rust-version names, was not tried", used.trim())
        }
    }
    Ok(())
}
