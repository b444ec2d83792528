//! Which of our crates may depend on which, and which may know candle.

use crate::command::{command, output};
use anyhow::{Context, Result};
use serde::Deserialize;

/// Every crate of the workspace and what it may depend on, in any kind of dependency. Nothing depends on `mt-cli`.
const ALLOWED: [(&str, &[&str]); 18] = [
    ("mt-features", &[]),
    ("mt-storage", &[]),
    ("mt-datasets", &["mt-features"]),
    ("mt-data", &["mt-datasets", "mt-features", "mt-storage"]),
    ("mt-metrics", &[]),
    ("mt-dist", &[]),
    ("mt-profile", &["mt-data", "mt-features", "mt-metrics"]),
    ("mt-kernels", &[]),
    ("mt-layers", &["candle", "mt-kernels"]),
    ("mt-tables", &["candle", "mt-dist", "mt-kernels", "mt-layers"]),
    ("mt-models", &["candle", "mt-features", "mt-kernels", "mt-layers", "mt-tables"]),
    ("mt-bundle", &["candle", "mt-features", "mt-kernels", "mt-layers", "mt-tables", "mt-models"]),
    (
        "mt-train",
        &[
            "candle",
            "mt-data",
            "mt-datasets",
            "mt-dist",
            "mt-features",
            "mt-metrics",
            "mt-kernels",
            "mt-layers",
            "mt-tables",
            "mt-models",
            "mt-bundle",
        ],
    ),
    ("mt-serve", &["candle", "mt-features", "mt-layers", "mt-models", "mt-bundle"]),
    ("mt-capi", &["candle", "mt-features", "mt-layers", "mt-models", "mt-bundle"]),
    ("mt-onnx", &["candle", "mt-features", "mt-layers", "mt-tables", "mt-models", "mt-bundle"]),
    (
        "mt-cli",
        &[
            "candle",
            "mt-data",
            "mt-datasets",
            "mt-dist",
            "mt-features",
            "mt-profile",
            "mt-metrics",
            "mt-kernels",
            "mt-layers",
            "mt-models",
            "mt-bundle",
            "mt-train",
            "mt-serve",
            "mt-capi",
            "mt-onnx",
        ],
    ),
    // Its tests only: they span crates.
    (
        "xtask",
        &["candle", "mt-data", "mt-features", "mt-layers", "mt-models", "mt-bundle", "mt-train", "mt-serve"],
    ),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

/// The edges that are not allowed, a line each.
pub fn check() -> Result<Vec<String>> {
    let json = output(&mut command("cargo metadata --format-version 1 --no-deps"))?;
    let metadata: Metadata = serde_json::from_str(&json).context("cargo metadata is not as expected")?;
    Ok(metadata.packages.iter().flat_map(broken).collect())
}

fn broken(package: &Package) -> Vec<String> {
    let name = &package.name;
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| known == name) else {
        return vec![format!("{name}: no row in the table of allowed edges (xtask/src/tidy/edges.rs)")];
    };
    let not_allowed =
        |dependency: &&Dependency| kind(&dependency.name).is_some_and(|kind| !allowed.contains(&kind));
    let line = |dependency: &Dependency| format!("{name}: must not depend on {}", dependency.name);
    package.dependencies.iter().filter(not_allowed).map(line).collect()
}

/// What the table calls a crate; `None` for those it says nothing about.
fn kind(name: &str) -> Option<&str> {
    match name {
        _ if name.starts_with("candle-") => Some("candle"),
        _ if name.starts_with("mt-") || name == "xtask" => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_edges(name: &str, dependencies: &[&str]) -> Vec<String> {
        let dependencies = dependencies.iter().map(|&name| Dependency { name: name.into() }).collect();
        broken(&Package { name: name.into(), dependencies })
    }

    #[test]
    fn edges_that_go_down_are_allowed() {
        assert!(broken_edges("mt-train", &["mt-models", "mt-metrics", "candle-core", "serde"]).is_empty());
    }

    #[test]
    fn edges_that_go_up_or_to_candle_are_not() {
        assert_eq!(broken_edges("mt-layers", &["mt-data"]), ["mt-layers: must not depend on mt-data"]);
        assert_eq!(broken_edges("mt-data", &["candle-nn", "csv"]), ["mt-data: must not depend on candle-nn"]);
        assert_eq!(broken_edges("mt-train", &["mt-cli"]).len(), 1);
    }

    #[test]
    fn an_unknown_crate_needs_a_row() {
        assert_eq!(broken_edges("mt-new", &[]).len(), 1);
    }
}
