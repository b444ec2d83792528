//! A binary with a network of its own does with it what `mt` does with the others.
#![cfg(unix)]

use std::io::BufReader;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;

use crate::serving::{post, serve_by};
use crate::support::{Folder, Said, TINY};

/// `examples/own_network.rs`, which is built with all tests.
pub fn program() -> PathBuf {
    let mt = PathBuf::from(env!("CARGO_BIN_EXE_mt"));
    let name = format!("own_network{}", std::env::consts::EXE_SUFFIX);
    let path = mt.with_file_name("examples").join(name);
    assert!(path.exists(), "cargo build -p mt-cli --example own_network makes {}", path.display());
    path
}

#[test]
fn a_network_of_ones_own_goes_through_every_command() {
    let folder = Folder::tiny();
    let network =
        TINY.replace("  kind: mmoe\n  experts: 2\n  expert: [4]\n", "  kind: product\n  units: 6\n");
    folder.write("own.yaml", network);
    let own = |args: &[&str]| -> Said {
        Said::of(folder.command_of(&program(), args).output().expect("the program starts"))
    };
    own(&["train", "own.yaml", "--run-dir", "straight"]).done();
    // Stopped after an epoch, and for longer: the bytes of a run without a stop.
    own(&["train", "own.yaml", "--run-dir", "run", "--set", "train.epochs=1"]).done();
    own(&["train", "--resume", "run", "--extend", "--set", "train.epochs=2"]).done();
    let weights = |run: &str| folder.bytes(&format!("{run}/checkpoints/epoch-002/weights.safetensors"));
    assert_eq!(weights("straight"), weights("run"));
    own(&["train", "own.yaml", "--run-dir", "balanced", "--set", "train.balance.kind=pcgrad"]).done();
    let warm = "train.warm_start={from: run, strict: true}";
    own(&["train", "own.yaml", "--run-dir", "warm", "--set", warm]).done();
    // It has learnt, not only done the same twice.
    let auc = own(&["eval", "--run", "run", "--json"]).json()[0]["tasks"]["watched"]["auc"].as_f64();
    assert!(auc.is_some_and(|auc| auc > 0.7), "{auc:?}");
    assert!(own(&["inspect", "own.yaml"]).done().contains("product"));
    own(&["sweep", "own.yaml", "--over", "model.units=[2, 4]", "--method", "grid", "--out", "sweep"]).done();
    own(&["compare", "own.yaml", "tiny.yaml", "--out", "compared"]).done();
    own(&["export", "--run", "run", "--format", "onnx", "--out", "onnx"]).done();
    own(&["export", "--run", "run", "--out", "bundle"]).done();
    own(&["predict", "--bundle", "bundle", "--input", "rows.csv", "--output", "scores.csv"]).done();
    let (mut child, address) = serve_by(&folder, &program(), &["--bundle", "own=bundle"], Stdio::null());
    let mut stream = BufReader::new(TcpStream::connect(address).expect("a connection"));
    let first = folder.read("rows.csv").lines().nth(1).expect("a row").to_owned();
    let cells: Vec<&str> = first.split(',').collect();
    let row = format!(r#"{{"a": {}, "b": {}, "c": {}}}"#, cells[2], cells[3], cells[4]);
    let (_, answer) = post(&mut stream, &format!(r#"{{"rows": [{row}]}}"#));
    child.kill().and_then(|()| child.wait()).expect("it ends");
    let scores = folder.read("scores.csv");
    let (names, values) = scores.split_once('\n').expect("a header");
    let at = names.split(',').position(|name| name == "watched").expect("a column");
    let predicted: f32 = values
        .lines()
        .next()
        .and_then(|line| line.split(',').nth(at))
        .expect("a cell")
        .parse()
        .expect("a number");
    assert_eq!(answer["predictions"][0]["watched"].as_f64().map(|x| x as f32), Some(predicted));

    // Who does not have the network says so, and what there is.
    let known = "(expected one of: shared-bottom, single-task, mmoe, cgc, ple, aitm, ppnet, dbmtl)";
    let message = format!("own.yaml:10:9: model.kind: unknown value \"product\" {known}");
    folder.refuses(&["train", "own.yaml", "--run-dir", "other"], 2, &message);
    let said = folder.mt(&["predict", "--bundle", "bundle", "--input", "rows.csv", "--output", "other.csv"]);
    assert!(said.err.contains(known), "{}", said.err);
}
