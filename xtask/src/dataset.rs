//! The public census-income data, from which the study is made: download, check, prepare.

use crate::command::{command, run};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const SOURCE: &str = "datasets/census-income/source.json";
const RAW: &str = "datasets/census-income/raw";
const STUDY: &str = "datasets/census-income/study";

/// `source.json`; its other fields are for people.
#[derive(Deserialize)]
struct Source {
    files: Vec<SourceFile>,
}

#[derive(Deserialize)]
struct SourceFile {
    name: String,
    url: String,
    sha256: String,
}

/// Brings the raw files to `datasets/census-income/raw`, unless the user has them in `raw`, and prepares the study.
///
/// Files already there with the right hash are kept, so it can be stopped and run again.
pub fn census(raw: Option<&Path>) -> Result<()> {
    let json = fs::read_to_string(SOURCE).with_context(|| format!("can't read {SOURCE}"))?;
    let source: Source =
        serde_json::from_str(&json).with_context(|| format!("{SOURCE} is not as expected"))?;
    for file in &source.files {
        match raw {
            Some(raw) => compare(&raw.join(&file.name), file)?,
            None => fetch(Path::new(RAW), file)?,
        }
    }
    let mut prepare = command("cargo run --release --quiet --package mt-cli -- data census --raw");
    run(prepare.arg(raw.unwrap_or(Path::new(RAW))).args(["--out", STUDY]))
}

/// The user's own copy must be there, but may be compressed otherwise than the one we know.
fn compare(path: &Path, file: &SourceFile) -> Result<()> {
    if sha256(path)? != file.sha256 {
        println!("{}: not the bytes of {}, used all the same", path.display(), file.url);
    }
    Ok(())
}

/// Downloads beside the final name and renames, so that what has the final name is whole.
///
/// With the system's curl: it knows the user's proxy and certificates, and is one TLS library less to build.
fn fetch(raw: &Path, file: &SourceFile) -> Result<()> {
    let path = raw.join(&file.name);
    if path.exists() && sha256(&path)? == file.sha256 {
        println!("{}: already there", path.display());
        return Ok(());
    }
    fs::create_dir_all(raw).with_context(|| format!("can't create {}", raw.display()))?;
    let part = raw.join(format!("{}.part", file.name));
    // `--continue-at -` goes on with a part left by an earlier run.
    let mut curl = command(
        "curl --fail --location --show-error --silent --retry 3 --connect-timeout 20 --continue-at -",
    );
    println!("{}: from {}", path.display(), file.url);
    run(curl.arg("--output").arg(&part).arg(&file.url)).with_context(|| {
        format!(
            "can't download {}: without internet, get the files elsewhere and pass `--raw DIR`",
            file.name
        )
    })?;
    let found = sha256(&part)?;
    if found != file.sha256 {
        fs::remove_file(&part).with_context(|| format!("can't remove {}", part.display()))?;
        bail!("{} is not the file we know: its sha256 is {found}, not {}", file.url, file.sha256);
    }
    fs::rename(&part, &path).with_context(|| format!("can't rename {}", part.display()))
}

/// The hash of a file, in lower-case hexadecimal.
pub fn sha256(path: &Path) -> Result<String> {
    ensure!(path.is_file(), "there is no file {}", path.display());
    let bytes = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok(Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of `abc` is FIPS 180-2's own example.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn known(folder: &Path, content: &str) -> SourceFile {
        let elsewhere = folder.join("elsewhere");
        fs::write(&elsewhere, content).unwrap();
        SourceFile {
            name: "abc.gz".into(),
            url: format!("file://{}", elsewhere.display()),
            sha256: ABC.into(),
        }
    }

    #[test]
    fn a_file_already_there_is_kept_without_a_download() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("abc.gz"), "abc").unwrap();
        let file = SourceFile { url: "file:///nowhere".into(), ..known(folder.path(), "abc") };
        fetch(folder.path(), &file).unwrap();
    }

    #[test]
    fn a_file_that_differs_from_the_known_one_is_refused_and_removed() {
        if !crate::command::succeeds(&mut command("curl --version")) {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let error = fetch(folder.path(), &known(folder.path(), "abd")).unwrap_err();
        assert!(error.to_string().contains("is not the file we know"), "{error:#}");
        assert!(!folder.path().join("abc.gz").exists() && !folder.path().join("abc.gz.part").exists());
        fetch(folder.path(), &known(folder.path(), "abc")).unwrap();
        assert_eq!(fs::read(folder.path().join("abc.gz")).unwrap(), b"abc");
    }

    #[test]
    fn the_shipped_source_lists_three_files_with_hashes() {
        let source: Source =
            serde_json::from_str(include_str!("../../datasets/census-income/source.json")).unwrap();
        assert_eq!(source.files.len(), 3);
        assert!(source.files.iter().all(|file| file.sha256.len() == 64 && file.url.ends_with(&file.name)));
    }
}
