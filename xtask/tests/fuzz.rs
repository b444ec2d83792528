//! The functions of the fuzz targets on their seeds, which they accept, and on seeded changes of these, on which they
//! must not panic.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// Bytes that mean something in some of the formats.
const MEANINGFUL: &[u8] = b"\0\n,\"'{}[]():|-+.*/^&!=0123456789eE`#\x7f\x80\xc3\xff";

/// Changes of a seed at once, at most.
const CHANGES: usize = 6;

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut ChaCha8Rng) {
    let mut below = |n: usize| (random.next_u64() % n.max(1) as u64) as usize;
    let at = below(bytes.len());
    let end = (at + below(8) + 1).min(bytes.len());
    let other = &seeds[below(seeds.len())];
    let from = below(other.len());
    match below(5) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => drop(bytes.splice(at..end, [below(256) as u8])),
        3 => bytes.insert(at, MEANINGFUL[below(MEANINGFUL.len())]),
        _ => drop(bytes.splice(at..at, other[from..].iter().copied().take(below(40)))),
    }
}

/// Calls `target` with the seeds in `fuzz/seeds/NAME`, and `times` with each of them changed.
fn replay(name: &str, target: fn(&[u8]) -> bool, times: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
    let entries = std::fs::read_dir(folder).expect("seeds");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect();
    for (path, seed) in paths.iter().zip(&seeds) {
        assert!(target(seed), "{}", path.display());
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for seed in &seeds {
        for _ in 0..times {
            let mut bytes = seed.clone();
            for _ in 0..random.next_u64() as usize % CHANGES + 1 {
                change(&mut bytes, &seeds, &mut random);
            }
            target(&bytes);
        }
    }
}

#[test]
fn configurations_are_read_or_refused() {
    replay("config", targets::config, 400);
}

#[test]
fn text_files_are_read_or_refused() {
    replay("csv", targets::csv, 400);
}

#[test]
fn parquet_files_are_read_or_refused() {
    replay("parquet", targets::parquet, 600);
}

#[test]
fn arrow_files_are_read_or_refused() {
    replay("arrow", targets::arrow, 600);
}

#[test]
fn expressions_are_computed_or_refused() {
    replay("expression", targets::expression, 500);
}

#[test]
fn requests_are_answered_or_refused() {
    replay("request", targets::request, 700);
}

#[test]
fn bundles_are_loaded_or_refused() {
    replay("bundle", targets::bundle, 40);
}
