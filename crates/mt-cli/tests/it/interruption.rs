//! A run that is asked to stop: it leaves a checkpoint that works, and says so.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use mt_features::permutation;

use crate::support::{Folder, Said, TINY, sightings};

/// Starts `mt train` with `more` arguments, sends `signal` at the first event of this kind, waits for the end.
fn stopped(folder: &Folder, signal: &str, event: &str, more: &[&str]) -> Said {
    let args = [&["train", "tiny.yaml", "--run-dir", "run", "--json"], more].concat();
    let mut child = folder
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let (mut out, wanted) = (String::new(), format!("{{\"event\":\"{event}\""));
    while !out.lines().any(|line| line.starts_with(&wanted)) {
        assert_ne!(lines.read_line(&mut out).expect("a line"), 0, "it ended too early: {out}");
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    // Reads on, or the program would wait for room in the pipe.
    lines.read_to_string(&mut out).expect("text");
    let said = Said::of(child.wait_with_output().expect("it ends"));
    Said { out, ..said }
}

fn summary(said: &Said) -> serde_json::Value {
    serde_json::from_str(said.out.lines().last().expect("a line")).expect("JSON")
}

const INTERRUPTED: &str = "interrupted; go on with: mt train --resume run\n";

#[test]
fn an_interrupted_run_exits_with_130_and_leaves_a_checkpoint_that_works() {
    let folder = Folder::tiny();
    let said = stopped(&folder, "-INT", "epoch", &["--set", "train.epochs=1000000"]);
    assert_eq!((said.code, said.err.as_str()), (Some(130), INTERRUPTED));
    assert!(
        said.out.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{}",
        said.out
    );
    assert_eq!(summary(&said)["summary"]["interrupted"], true);
    assert!(!folder.files("run").iter().any(|file| file.contains("partial")));
    for checkpoint in ["best", "last"] {
        folder.mt(&["eval", "--run", "run", "--checkpoint", checkpoint, "--json"]).json();
        let args = ["predict", "--run", "run", "--checkpoint", checkpoint, "--input", "rows.csv"];
        assert_eq!(folder.mt(&args).done().lines().count(), 401);
    }
}

#[test]
fn a_run_terminated_in_its_first_epoch_can_be_evaluated() {
    let folder = Folder::tiny();
    let text =
        TINY.replace("csv: {train: rows.csv}", "synth: {rows: 50000}").replace("label: watched", "label: 0");
    folder.write(
        "tiny.yaml",
        text.replace("label: liked", "label: 1").replace("batch_size: 32", "batch_size: 1"),
    );
    let said = stopped(&folder, "-TERM", "progress", &["--set", "train.log_every=1"]);
    assert_eq!((said.code, said.err.as_str()), (Some(130), INTERRUPTED));
    let summary = summary(&said);
    assert_eq!(
        (&summary["summary"]["epochs"], &summary["summary"]["best"]),
        (&0.into(), &serde_json::Value::Null)
    );
    // Nothing else is there, so it is meant.
    let eval = folder.mt(&["eval", "--run", "run", "--json"]).json();
    let step = eval[0]["checkpoint"].as_str().expect("a name").to_owned();
    assert!(step.starts_with("step-") && eval[0]["epoch"].is_null(), "{}", eval[0]);
    assert!(eval[0]["tasks"]["liked"]["auc"].is_f64(), "{}", eval[0]);
    let text = folder.mt(&["eval", "--run", "run", "--checkpoint", &step]).done();
    assert!(text.starts_with(&format!("tiny {step} on test\n")), "{text}");
}

/// Two tasks on a number and two embedding tables in half precision, of which one grows; steps are logged and saved often.
const OFTEN: &str = "\
version: 1
data:
  csv: {train: rows.csv, features: [watched_before]}
  fields: [{column: user, encode: {growing: {capacity: 40, admit: 2, ttl: 60}}}, {column: item, encode: {hash: 1000}}]
tasks: [{name: click, label: click}, {name: like, label: like}]
model: {kind: ple, experts_per_task: 1, shared_experts: 1, expert: [8], levels: 2, embedding: {width: 8, storage: bf16}}
train: {epochs: 30, batch_size: 16, keep: 2, dropout: 0.1, log_every: 3, checkpoint: {steps: 6}}
";

#[test]
fn a_run_killed_at_twenty_moments_ends_with_the_bytes_of_one_that_was_not() {
    let folder = Folder::new();
    folder.write("rows.csv", sightings());
    folder.write("often.yaml", OFTEN);
    folder.mt(&["train", "often.yaml", "--run-dir", "straight"]).done();

    // Where it is killed: after so many lines, and so many tenths of a millisecond, drawn anew in every test run.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let draws = permutation(1000, now.as_nanos() as u64, 3);
    let mut from_middle = 0;
    for moment in draws.chunks_exact(2).take(20) {
        // Before it has written anything there is nothing to go on with.
        let begun = folder.path("killed/config.yaml").exists();
        let args =
            if begun { ["train", "--resume", "killed"] } else { ["train", "often.yaml", "--run-dir=killed"] };
        let mut command = folder.command(&[&args[..], &["--json"]].concat());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        for _ in 0..moment[0] % 12 {
            let line = lines.next().expect("it was to go on for longer").expect("a line");
            from_middle += u32::from(line.contains(r#""checkpoint":"step-"#));
        }
        std::thread::sleep(Duration::from_micros(100 * u64::from(moment[1] % 50)));
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
    }
    assert!(from_middle > 0, "none went on from the middle of an epoch");
    folder.mt(&["train", "--resume", "killed"]).done();

    let files = |run| folder.files(run).into_iter().filter(|file| file != "summary.json").collect::<Vec<_>>();
    assert_eq!(files("killed"), files("straight"));
    for file in
        files("straight").iter().filter(|file| file.starts_with("checkpoints/") || *file == "best.json")
    {
        assert!(
            folder.bytes(&format!("killed/{file}")) == folder.bytes(&format!("straight/{file}")),
            "{file}"
        );
    }
    // The log too, but for times, and for the lines that say where it went on.
    let log = |run| {
        let told = |line: &str| {
            let mut event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            for time in ["seconds", "waited", "rows_per_second"] {
                event.as_object_mut().expect("an object").remove(time);
            }
            event
                .get("step")
                .filter(|_| event["event"] != "resumed" && event["event"] != "paths")
                .is_some()
                .then_some(event)
        };
        folder.read(&format!("{run}/metrics.jsonl")).lines().filter_map(told).collect::<Vec<_>>()
    };
    assert_eq!(log("killed"), log("straight"));
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_used() {
    let folder = Folder::tiny();
    let train = |dir| ["train", "tiny.yaml", "--set", "train.epochs=3", "--run-dir", dir];
    folder.mt(&train("straight")).done();
    let last = "run/checkpoints/epoch-003";
    for file in ["weights.safetensors", "optimizer.safetensors", "state.json", "checksums.json"] {
        let _ = std::fs::remove_dir_all(folder.path("run"));
        folder.mt(&train("run")).done();
        let mut bytes = folder.bytes(&format!("{last}/{file}"));
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        folder.write(&format!("{last}/{file}"), bytes);
        let said = folder.mt(&["train", "--resume", "run"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains(&format!("warning: {last}/")), "{}", said.err);
        assert!(said.err.contains("\ngoes on from epoch-002, after 14 steps\n"), "{}", said.err);
        for name in folder.files("straight/checkpoints") {
            let of = |run| folder.bytes(&format!("{run}/checkpoints/{name}"));
            assert!(of("run") == of("straight"), "{name}");
        }
    }
}

#[test]
fn a_hangup_that_is_ignored_at_the_start_stays_ignored_in_every_command() {
    let folder = Folder::tiny();
    // What `nohup` does.
    let nohup = |args: &[&str]| {
        let mut command = Command::new("sh");
        let program = folder.command(args);
        command.current_dir(folder.path("")).args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
        command.arg(program.get_program()).args(program.get_args()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a shell")
    };
    let hang_up = |child: &std::process::Child| {
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("kill").success());
    };
    let mut child = nohup(&["train", "tiny.yaml", "--run-dir", "run", "--json", "--set", "train.epochs=200"]);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut out = String::new();
    while !out.contains("{\"event\":\"epoch\"") {
        assert_ne!(lines.read_line(&mut out).expect("a line"), 0, "it ended too early: {out}");
    }
    hang_up(&child);
    lines.read_to_string(&mut out).expect("text");
    let said = Said::of(child.wait_with_output().expect("it ends"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(out.matches("{\"event\":\"epoch\"").count(), 200);

    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let mut child = nohup(&["serve", "--bundle", "bundle", "--listen", "127.0.0.1:0"]);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    lines.read_line(&mut out).expect("its address");
    hang_up(&child);
    std::thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().expect("a process").is_none());
    child.kill().expect("killed");
    child.wait().expect("it ends");
}

#[test]
fn resuming_a_finished_run_says_so_and_keeps_its_figures() {
    let folder = Folder::trained();
    let summary = |folder: &Folder| -> serde_json::Value {
        serde_json::from_str(&folder.read("run/summary.json")).expect("JSON")
    };
    let before = summary(&folder);
    let said = folder.mt(&["train", "--resume", "run"]);
    let words = "run is finished: its 2 epochs are trained, and nothing was trained now. To train on: mt train --resume run \
                 --extend --set train.epochs=4\n";
    assert!(said.err.ends_with(words), "{}", said.err);
    assert!(!said.done().contains("NaN"));
    let after = summary(&folder);
    for key in ["rows_per_second", "train_seconds"] {
        let [before, after] = [&before, &after].map(|summary| summary[key].as_f64().expect("a number"));
        assert!(after > 0.0 && (after / before - 1.0).abs() < 0.01, "{key}: {after}, before {before}");
    }
    assert_eq!(after["valid"], before["valid"]);
    assert!(!folder.read("run/report.html").contains("NaN"));
    let patient = ["--set", "train.patience=1", "--set", "train.rates={'*': 0}", "--set", "train.epochs=9"];
    folder.mt(&[&["train", "tiny.yaml", "--run-dir", "patient"], &patient[..]].concat()).done();
    let said = folder.mt(&["train", "--resume", "patient"]);
    assert!(said.err.contains("train.patience ended it after 2 of 9 epochs"), "{}", said.err);
}
