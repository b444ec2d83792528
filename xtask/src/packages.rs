//! The packages as a registry would hand them out: each must build, and so must its tests, of what is in it alone.

use crate::command::{self, command};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// Where packages are unpacked: a workspace of its own, with nothing of ours above it.
const UNPACKED: &str = "target/unpacked";

/// Crates of other teams, which are built of the packages as well.
pub const EXAMPLES: &str = "docs/examples";

/// Where these are: a workspace of their own, so that all they need is built once.
pub const UNPACKED_EXAMPLES: &str = "target/unpacked/examples";

/// Packs every crate, unpacks them side by side, and checks libraries, programs, tests and benchmarks there.
pub fn check() -> Result<()> {
    // Building each one is what happens below, with the dependencies that are built already.
    let line = "cargo package --workspace --exclude xtask --no-verify --allow-dirty --locked --quiet";
    println!("$ {line}");
    command::run(&mut command(line))?;
    let folder = Path::new(UNPACKED);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let packages = packages()?;
    for package in &packages {
        command::run(command("tar -xzf").arg(package).arg("-C").arg(folder))?;
    }
    let folders: Vec<String> = packages.iter().filter_map(|package| name(package)).collect();
    for folder in &folders {
        secrets(&Path::new(UNPACKED).join(folder))?;
    }
    fs::write(folder.join("Cargo.toml"), manifest(&folders)?)?;
    examples(&folders)?;
    fs::copy("Cargo.lock", folder.join("Cargo.lock"))?;
    let line = "cargo check --workspace --all-targets --target-dir target --quiet --manifest-path";
    println!("$ {line} {UNPACKED}/Cargo.toml");
    command::run(command(line).arg(folder.join("Cargo.toml")))
}

/// The packages of this version, by name.
fn packages() -> Result<Vec<PathBuf>> {
    let mut packages = Vec::new();
    let suffix = format!("-{}.crate", env!("CARGO_PKG_VERSION"));
    for entry in fs::read_dir("target/package").context("cargo package left nothing")? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&suffix)) {
            packages.push(path);
        }
    }
    packages.sort();
    ensure!(!packages.is_empty(), "cargo package left no package");
    Ok(packages)
}

/// The folder that a package holds.
fn name(package: &Path) -> Option<String> {
    Some(package.file_stem()?.to_string_lossy().into_owned())
}

/// A workspace of the unpacked crates, which stand in for those of the registry, with our profile.
fn manifest(folders: &[String]) -> Result<String> {
    let ours = fs::read_to_string("Cargo.toml")?;
    let profile = ours.find("[profile.dev]").and_then(|from| {
        let to = ours.find("[profile.release]")?;
        ours.get(from..to)
    });
    let profile = profile.context("Cargo.toml has no [profile.dev] before [profile.release]")?;
    let list: Vec<String> = folders.iter().map(|folder| format!("{folder:?}")).collect();
    let text =
        format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n{}", list.join(", "), patch(folders, ""));
    Ok(text + "\n" + &profile.replace("xtask.opt-level = 0\n", ""))
}

/// The examples, which take the packages by their versions.
fn examples(folders: &[String]) -> Result<()> {
    let names = ["external", "own-model"];
    for name in names {
        let (from, to) = (Path::new(EXAMPLES).join(name), Path::new(UNPACKED_EXAMPLES).join(name));
        sources(&from.join("src"), &to.join("src"))?;
        let manifest = fs::read_to_string(from.join("Cargo.toml"))?;
        let versions: Vec<String> =
            manifest.lines().filter(|line| *line != "[workspace]").map(without_path).collect();
        ensure!(
            versions.iter().all(|line| !line.contains("path =")),
            "{name}/Cargo.toml: an unexpected path"
        );
        fs::write(to.join("Cargo.toml"), versions.join("\n") + "\n")?;
    }
    let workspace =
        format!("[workspace]\nresolver = \"3\"\nmembers = {names:?}\n\n{}", patch(folders, "../"));
    Ok(fs::write(Path::new(UNPACKED_EXAMPLES).join("Cargo.toml"), workspace)?)
}

/// Copies a folder.
fn sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, to) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() { sources(&path, &to)? } else { _ = fs::copy(path, to)? }
    }
    Ok(())
}

/// The unpacked crates, which stand in for those of the registry.
fn patch(folders: &[String], from: &str) -> String {
    let mut text = "[patch.crates-io]\n".to_owned();
    for folder in folders {
        let name = folder.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').trim_end_matches('-');
        text += &format!("{name} = {{ path = \"{from}{folder}\" }}\n");
    }
    text
}

/// A line of a manifest without `, path = "…"`.
fn without_path(line: &str) -> String {
    line.split_once(", path = \"").map_or(line.to_owned(), |(before, path)| {
        before.to_owned() + path.split_once('"').map_or("", |(_, behind)| behind)
    })
}

/// An error if a file in there is a private key.
fn secrets(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            secrets(&path)?;
        } else {
            let bytes = fs::read(&path)?;
            let key =
                bytes.windows(16).any(|window| window == [b"PRIVATE KEY".as_slice(), b"-----"].concat());
            ensure!(!key, "{}: a private key in a package", path.display());
        }
    }
    Ok(())
}
