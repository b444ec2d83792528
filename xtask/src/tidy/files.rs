//! What every file of the repository must look like.

use crate::command::{command, output};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Longer files hold more than one idea.
const MOST_LINES: usize = 400;

/// Folders in which people's checkouts lie: a path into one is of use on one machine only.
const FOREIGN_ROOTS: [&str; 4] = ["home", "root", "work", "Users"];

/// The broken rules, a clickable line each.
pub fn check() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for path in tracked()? {
        let bytes = fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
        // What isn't text has no rules.
        if let Ok(text) = str::from_utf8(&bytes) {
            broken.extend(check_text(&path, text));
        }
    }
    Ok(broken)
}

/// The files that git tracks; without git, those of the folders that it would.
fn tracked() -> Result<Vec<PathBuf>> {
    if let Ok(list) = output(&mut command("git ls-files -z")) {
        let paths = list.split_terminator('\0').map(PathBuf::from);
        return Ok(paths.filter(|path| path.is_file()).collect());
    }
    let mut paths = Vec::new();
    for folder in [".cargo", ".ci", "configs", "crates", "docs", "xtask"].map(Path::new) {
        if folder.is_dir() {
            walk(folder, &mut paths)?;
        }
    }
    Ok(paths)
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("can't list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, paths)?;
        } else if path.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

fn check_text(path: &Path, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut breaks = |line: usize, rule: &str| broken.push(format!("{}:{line}: {rule}", path.display()));
    if path.extension().is_some_and(|extension| extension == "rs") {
        if !starts_with_module_docs(text) {
            breaks(1, "a file starts with a `//!` line that says what it is for");
        }
        if text.lines().count() > MOST_LINES {
            breaks(MOST_LINES + 1, &format!("a file has {MOST_LINES} lines at most: split it by idea"));
        }
    }
    let is_config =
        path.starts_with("configs") && path.extension().is_some_and(|extension| extension == "yaml");
    if is_config && !text.starts_with('#') {
        breaks(1, "a config starts with a comment that says what it is for");
    }
    for (index, line) in text.lines().enumerate() {
        if names_foreign_path(line) {
            breaks(index + 1, "a path that exists on one machine only");
        }
        if leaves_crate(path, line) {
            breaks(index + 1, "a file of another crate: it hides an edge, and the package would not build");
        }
    }
    broken
}

/// Whether the first line that is neither blank nor part of an attribute is a `//!` line.
fn starts_with_module_docs(text: &str) -> bool {
    let mut in_attribute = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        in_attribute |= line.starts_with("#![");
        if !in_attribute {
            return line.starts_with("//!");
        }
        in_attribute = !line.ends_with(']');
    }
    false
}

/// Whether a line of a published crate's source includes a file from outside of that crate.
fn leaves_crate(path: &Path, line: &str) -> bool {
    let Ok(inside) = path.strip_prefix("crates") else { return false };
    // Of `NAME/src/a/b.rs`, two folders lie below the crate.
    let depth = inside.components().count().saturating_sub(2);
    let included = ["#[path = \"", "include_str!(\"", "include_bytes!(\"", "include!(\""];
    let paths = included.iter().filter_map(|call| line.split_once(call)?.1.split('"').next());
    paths.into_iter().any(|path| path.matches("../").count() > depth)
}

/// Whether an absolute path into a foreign root begins somewhere in the line; one inside a URL doesn't count.
fn names_foreign_path(line: &str) -> bool {
    FOREIGN_ROOTS.iter().any(|root| {
        let path = format!("/{root}/");
        let begins = |(at, _): (usize, &str)| {
            !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-/*}".contains(before))
        };
        line.match_indices(&path).any(begins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> usize {
        check_text(Path::new(path), text).len()
    }

    #[test]
    fn module_docs_come_first_or_after_attributes() {
        assert_eq!(broken("a.rs", "//! Does this.\n"), 0);
        assert_eq!(broken("a.rs", "#![allow(\n    dead_code,\n)]\n\n//! Does this.\n"), 0);
        assert_eq!(broken("a.rs", "use std::fs;\n//! Does this.\n"), 1);
        assert_eq!(broken("a.rs", ""), 1);
    }

    #[test]
    fn a_long_file_breaks_a_rule() {
        assert_eq!(broken("a.rs", &"//! Long.\n".repeat(MOST_LINES)), 0);
        assert_eq!(broken("a.rs", &"//! Long.\n".repeat(MOST_LINES + 1)), 1);
        assert_eq!(broken("a.md", &"Long.\n".repeat(MOST_LINES + 1)), 0);
    }

    #[test]
    fn a_config_says_what_it_is_for() {
        assert_eq!(broken("configs/video/mmoe.yaml", "# MMoE.\nversion: 1\n"), 0);
        assert_eq!(broken("configs/video/mmoe.yaml", "version: 1\n"), 1);
        assert_eq!(broken("crates/mt-train/tests/wrong.yaml", "version: 1\n"), 0);
    }

    #[test]
    fn files_of_other_crates_are_not_included() {
        let path = Path::new("crates/mt-data/tests/it/main.rs");
        assert!(!leaves_crate(path, "#[path = \"../../src/testing.rs\"]"));
        assert!(leaves_crate(path, "#[path = \"../../../mt-serve/tests/it/bundles.rs\"]"));
        assert!(leaves_crate(
            Path::new("crates/mt-train/src/lib.rs"),
            "#[doc = include_str!(\"../../../README.md\")]"
        ));
        assert!(!leaves_crate(
            Path::new("crates/mt-train/src/lib.rs"),
            "#[doc = include_str!(\"../README.md\")]"
        ));
        assert!(!leaves_crate(Path::new("xtask/src/lib.rs"), "#[doc = include_str!(\"../../README.md\")]"));
    }

    #[test]
    fn paths_of_one_machine_are_found_and_urls_are_not() {
        for root in FOREIGN_ROOTS {
            assert!(names_foreign_path(&format!("data: /{root}/me/data.csv")));
            assert!(names_foreign_path(&format!("(\"/{root}/x\")")));
            assert!(!names_foreign_path(&format!("https://example.com/{root}/x")));
            assert!(!names_foreign_path(&format!("../{root}/x")));
        }
    }
}
