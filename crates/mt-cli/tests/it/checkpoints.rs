//! Folders of runs and the checkpoints in them: those that are damaged, missing or in the way.

use std::fs;

use mt_bundle::Checksums;
use mt_train::{Owner, RunDir};

use crate::support::{Folder, TINY};

const LAST: &str = "run/checkpoints/epoch-002";

#[test]
fn a_run_leaves_these_files_and_no_others() {
    let folder = Folder::trained();
    let checkpoint = |epoch| {
        [
            "checksums.json",
            "data.json",
            "model.json",
            "optimizer.safetensors",
            "state.json",
            "weights.safetensors",
        ]
        .map(|file| format!("checkpoints/epoch-00{epoch}/{file}"))
    };
    let mut expected = [checkpoint(1), checkpoint(2)].concat();
    expected.extend(
        [".lock", "best.json", "config.yaml", "metrics.jsonl", "report.html", "summary.json"]
            .map(str::to_owned),
    );
    expected.sort();
    assert_eq!(folder.files("run"), expected);
}

#[test]
fn without_run_dir_runs_are_numbered() {
    let folder = Folder::tiny();
    for expected in ["runs/tiny", "runs/tiny-2", "runs/tiny-3"] {
        let out = folder.mt(&["train", "tiny.yaml"]).done();
        assert!(
            out.lines().next().is_some_and(|line| line.ends_with(&format!("run in {expected}"))),
            "{out}"
        );
    }
}

#[test]
fn a_folder_that_holds_a_run_is_not_written_to() {
    let folder = Folder::trained();
    let before = folder.bytes("run/metrics.jsonl");
    let message = "run already holds a run; choose another folder or remove it";
    folder.refuses(&["train", "tiny.yaml", "--run-dir", "run"], 2, message);
    assert_eq!(folder.bytes("run/metrics.jsonl"), before);
}

#[test]
fn a_run_folder_that_cannot_be_made_is_named() {
    let folder = Folder::tiny();
    // Below a plain file, as permissions do not stop everybody.
    let args = ["train", "tiny.yaml", "--run-dir", "rows.csv/run"];
    let message = "rows.csv/run/checkpoints: cannot create the run's folder: Not a directory (os error 20)";
    let before = folder.files("");
    let said = folder.mt(&args);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert_eq!(said.err.lines().last(), Some(format!("error: {message}").as_str()));
    assert_eq!(folder.files(""), before);
}

#[test]
fn a_folder_without_a_run_is_a_usage_error() {
    let folder = Folder::tiny();
    for command in ["eval", "predict"] {
        let input: &[&str] = if command == "predict" { &["--input", "rows.csv"] } else { &[] };
        folder.refuses(
            &[&[command, "--run", "nowhere"], input].concat(),
            2,
            "nowhere: holds no run (no config.yaml)",
        );
    }
}

#[test]
fn a_checkpoint_that_is_not_there_is_named_with_those_that_are() {
    let folder = Folder::trained();
    let cases = [
        ("7", "run: no checkpoint 7; there are epochs 1 to 2"),
        ("3..9", "run: no checkpoint 3..9; there are epochs 1 to 2"),
        ("2..1", "run: no checkpoint 2..1; there are epochs 1 to 2"),
        ("step-7", "run: no checkpoint step-7; there are epochs 1 to 2"),
        ("newest", "--checkpoint newest: expected best, last, an epoch, a range A..B or step-N"),
        ("1..", "--checkpoint 1..: expected best, last, an epoch, a range A..B or step-N"),
    ];
    for (checkpoint, message) in cases {
        folder.refuses(&["eval", "--run", "run", "--checkpoint", checkpoint], 2, message);
    }
    folder.refuses(
        &["predict", "--run", "run", "--checkpoint", "1..2", "--input", "rows.csv"],
        2,
        "mt predict takes one checkpoint",
    );
    fs::remove_dir_all(folder.path("run/checkpoints")).expect("removed");
    fs::remove_file(folder.path("run/best.json")).expect("removed");
    fs::create_dir(folder.path("run/checkpoints")).expect("created");
    for checkpoint in ["best", "last", "1..9"] {
        let message = format!("run: no checkpoint {checkpoint}; there is none yet");
        folder.refuses(&["eval", "--run", "run", "--checkpoint", checkpoint], 2, &message);
    }
}

#[test]
fn every_epoch_of_a_range_is_evaluated() {
    let folder = Folder::trained();
    let eval = |checkpoint| {
        let lines = folder.mt(&["eval", "--run", "run", "--json", "--checkpoint", checkpoint]).json();
        lines.into_iter().map(|line| line["epoch"].as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(eval("1..2"), [Some(1), Some(2)]);
    assert_eq!(eval("2..9"), [Some(2)]);
    assert_eq!(eval("1"), [Some(1)]);
    assert_eq!(eval("last"), [Some(2)]);
}

/// Evaluation and prediction with the last checkpoint both fail with this message, which may go on.
fn refused(folder: &Folder, message: &str) {
    let eval = folder.mt(&["eval", "--run", "run", "--checkpoint", "last"]);
    let args =
        ["predict", "--run", "run", "--checkpoint", "last", "--input", "rows.csv", "--output", "out.csv"];
    let predict = folder.mt(&args);
    for said in [eval, predict] {
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
        assert!(said.err.starts_with(&format!("error: {message}")), "{}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    assert!(!folder.files("").iter().any(|file| file.contains("out.csv")));
}

#[test]
fn weights_of_another_model_are_refused() {
    let folder = Folder::trained();
    let train = |kind: &[&str], run| {
        let sets = kind.iter().flat_map(|set| ["--set", set]);
        let args: Vec<&str> = ["train", "tiny.yaml", "--run-dir", run].into_iter().chain(sets).collect();
        folder.mt(&args).done();
        let weights = "checkpoints/epoch-002/weights.safetensors";
        fs::copy(folder.path(&format!("{run}/{weights}")), folder.path(&format!("run/{weights}")))
            .expect("copied");
        let names = ["data.json", "model.json", "optimizer.safetensors", "state.json", "weights.safetensors"];
        Checksums::write(&folder.path(LAST), &names).expect("written");
    };
    train(&["model.experts=3"], "three");
    refused(
        &folder,
        &format!(
            "{LAST}/weights.safetensors: the weights belong to another model: parameter \"experts.0.bias\" has shape \
             [3, 4], expected [2, 4]\n"
        ),
    );
    train(&["model.kind=shared-bottom", "model.experts=null", "model.expert=null"], "bottom");
    refused(
        &folder,
        &format!(
            "{LAST}/weights.safetensors: the weights belong to another model: parameter \"experts.0.bias\" is missing\n"
        ),
    );
}

#[test]
fn damaged_files_of_a_checkpoint_are_named() {
    let folder = Folder::trained();
    let weights = folder.bytes(&format!("{LAST}/weights.safetensors"));
    for length in [0, 4, 100, weights.len() - 4] {
        folder.write(&format!("{LAST}/weights.safetensors"), &weights[..length]);
        refused(&folder, &format!("{LAST}/weights.safetensors: "));
    }
    fs::remove_file(folder.path(&format!("{LAST}/weights.safetensors"))).expect("removed");
    refused(
        &folder,
        &format!(
            "{LAST}/weights.safetensors: cannot read the file: No such file or directory (os error 2); whole are "
        ),
    );

    let model = folder.read(&format!("{LAST}/model.json"));
    folder.write(&format!("{LAST}/model.json"), &model[..model.len() / 2]);
    refused(
        &folder,
        &format!("{LAST}/model.json: is damaged: it differs from its checksum; whole are epoch-001: "),
    );
    folder.write(&format!("{LAST}/weights.safetensors"), &weights);
    folder.write(&format!("{LAST}/model.json"), model.replacen("\"format\": 1", "\"format\": 9", 1));
    Checksums::write(&folder.path(LAST), &["model.json", "weights.safetensors"]).expect("written");
    refused(&folder, &format!("{LAST}/model.json: format 9 is newer than this version reads, 3"));
    fs::remove_file(folder.path(&format!("{LAST}/checksums.json"))).expect("removed");
    refused(&folder, &format!("{LAST}/checksums.json: cannot read the file: "));

    folder.write("run/best.json", "{");
    let said = folder.mt(&["eval", "--run", "run"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.starts_with("error: run/best.json: EOF while parsing"), "{}", said.err);
}

#[test]
fn a_damaged_best_checkpoint_is_refused_by_every_command_and_the_whole_ones_are_named() {
    let folder = Folder::trained();
    let best =
        serde_json::from_str::<serde_json::Value>(&folder.read("run/best.json")).expect("JSON")["epoch"]
            .clone();
    let other = 3 - best.as_u64().expect("1 or 2");
    let weights = format!("run/checkpoints/epoch-00{best}/weights.safetensors");
    let mut bytes = folder.bytes(&weights);
    *bytes.last_mut().expect("weights") ^= 0x40;
    folder.write(&weights, bytes);
    let message = format!(
        "{weights}: is damaged: it differs from its checksum; whole are epoch-00{other}: --checkpoint takes their \
         number, or step-N"
    );
    let commands: [&[&str]; 7] = [
        &["eval", "--run", "run"],
        &["predict", "--run", "run", "--input", "rows.csv"],
        &["export", "--run", "run", "--out", "bundle"],
        &["export", "--run", "run", "--out", "onnx", "--format", "onnx"],
        &["infer", "--run", "run", "--data", "rows.csv"],
        &["explain", "--run", "run"],
        &["inspect", "run"],
    ];
    commands.into_iter().for_each(|args| folder.refuses(args, 1, &message));
    folder.mt(&["eval", "--run", "run", "--checkpoint", &other.to_string()]).done();
    // So do a warm start, and a run that is over and would hand out its best epoch.
    let said =
        folder.mt(&["train", "tiny.yaml", "--run-dir", "warm", "--set", "train.warm_start={from: run}"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains(&format!("error: {weights}: is damaged")), "{}", said.err);
}

#[test]
fn a_run_folder_has_one_owner_who_is_named() {
    let folder = Folder::trained();
    let (owned, _) = RunDir::resume(&folder.path("run")).expect("a run");
    let said = folder.mt(&["train", "--resume", "run"]);
    let holder = format!("error: run is in use by process {}", std::process::id());
    assert!(
        said.code == Some(2) && said.err.starts_with(&holder) && said.err.contains(" s now; "),
        "{}",
        said.err
    );
    // Those who only look are not in the way.
    folder.mt(&["eval", "--run", "run"]).done();
    drop(owned);
    folder.mt(&["train", "--resume", "run"]).done();

    let over = ["--over", "train.dropout=[0, 0.1]", "--trials", "1"];
    let folders = [
        ("new", [&["train", "tiny.yaml", "--run-dir", "new"][..], &[]].concat()),
        ("sweep", [&["sweep", "tiny.yaml", "--out", "sweep"], &over[..]].concat()),
        ("compare", [&["compare", "tiny.yaml", "--out", "compare"][..], &[]].concat()),
    ];
    for (name, args) in folders {
        fs::create_dir(folder.path(name)).expect("a folder");
        let owner = Owner::take(&folder.path(name)).expect("nobody's");
        let said = folder.mt(&args);
        let holder = format!("error: {name} is in use by process {}", std::process::id());
        assert!(said.code == Some(2) && said.err.contains(&holder), "{}", said.err);
        drop(owner);
        folder.mt(&args).done();
    }
}

#[test]
fn an_edited_configuration_of_a_run_is_refused() {
    let folder = Folder::trained();
    let text = folder.read("run/config.yaml");
    folder.write("run/config.yaml", text.replace("batch_size: 32", "batch_size: 64"));
    for args in [&["train", "--resume", "run"][..], &["eval", "--run", "run"]] {
        let said = folder.mt(args);
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(
            said.err.starts_with("error: run/config.yaml: differs from the checksum at its end: "),
            "{}",
            said.err
        );
    }
    assert!(TINY.contains("batch_size: 32"));
}
