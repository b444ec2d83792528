//! `mt train` as several processes of an MPI launcher: the files of one process, and an end with a reason where one fails. `cargo xtask
//! mpi` sets `MT_MPIRUN`.
#![cfg(target_os = "linux")]

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mt_features::permutation;

use crate::support::{Folder, Said, sightings};

/// The launcher and its arguments, where there is one.
fn launcher() -> Option<(OsString, String)> {
    let launcher = std::env::var_os("MT_MPIRUN");
    if launcher.is_none() {
        #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
        {
            println!("skipped: MT_MPIRUN names no MPI launcher");
        }
    }
    Some((launcher?, std::env::var("MT_MPIRUN_ARGUMENTS").unwrap_or_default()))
}

/// `mt` with these arguments, in so many processes.
fn command(
    (launcher, arguments): &(OsString, String),
    folder: &Folder,
    ranks: usize,
    args: &[&str],
) -> Command {
    let ranks = ranks.to_string();
    let program = [&["-n", &ranks, env!("CARGO_BIN_EXE_mt")], args].concat();
    let words: Vec<&str> = arguments.split_whitespace().chain(program).collect();
    folder.command_of(Path::new(launcher), &words)
}

/// Two tasks on a number and two embedding tables in half precision, of which one grows; steps are logged and saved often.
const OFTEN: &str = "\
version: 1
data:
  csv: {train: rows.csv, features: [watched_before]}
  valid_fraction: 0.2
  fields: [{column: user, encode: {growing: {capacity: 40, admit: 2, ttl: 60}}}, {column: item, encode: {hash: 1000}}]
tasks: [{name: click, label: click}, {name: like, label: like}]
model: {kind: ple, experts_per_task: 1, shared_experts: 1, expert: [8], levels: 2, embedding: {width: 8, storage: bf16}}
train: {epochs: 12, batch_size: 16, shards: 8, keep: 2, dropout: 0.1, log_every: 3, checkpoint: {steps: 6}}
";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("rows.csv", sightings());
    folder.write("often.yaml", OFTEN);
    folder
}

fn assert_same(folder: &Folder, run: &str, what: &str) {
    let files = |run: &str| folder.files(&format!("{run}/checkpoints"));
    assert_eq!(files(run), files("alone"), "{what}");
    for file in
        files("alone").iter().map(|file| format!("checkpoints/{file}")).chain(["best.json".to_owned()])
    {
        let [there, alone] = [run, "alone"].map(|run| folder.bytes(&format!("{run}/{file}")));
        assert!(there == alone, "{what}: {file}");
    }
}

#[test]
fn processes_of_a_launcher_write_the_files_of_one() {
    let Some(launcher) = launcher() else { return };
    let folder = folder();
    let alone = folder.mt(&["train", "often.yaml", "--run-dir", "alone", "--json"]).json();
    std::fs::create_dir(folder.path("in")).expect("a folder");
    ["a", "b", "c"].iter().for_each(|part| folder.write(&format!("in/{part}.csv"), folder.read("rows.csv")));
    folder.mt(&["predict", "--run", "alone", "--input", "in", "--output", "scored"]).done();
    for ranks in [2, 3, 4] {
        let run = format!("run-{ranks}");
        let args = ["train", "often.yaml", "--run-dir", &run, "--json"];
        let said = Said::of(command(&launcher, &folder, ranks, &args).output().expect("starts")).json();
        assert_same(&folder, &run, &run);
        let (scored, ranks) = (format!("scored-{ranks}"), ranks.min(2));
        let args = ["predict", "--run", "alone", "--input", "in", "--output", &scored, "--json"];
        let told = Said::of(command(&launcher, &folder, ranks, &args).output().expect("starts")).json();
        assert_eq!((&told[0]["rows"], &told[0]["parts"], told.len()), (&1200.into(), &3.into(), 1));
        for part in ["a.csv", "b.csv", "c.csv"] {
            assert!(
                folder.bytes(&format!("{scored}/{part}")) == folder.bytes(&format!("scored/{part}")),
                "{part}"
            );
        }
        // One of them speaks, of all rows.
        let kinds =
            |said: &[serde_json::Value]| said.iter().map(|event| event["event"].clone()).collect::<Vec<_>>();
        assert_eq!(kinds(&said), kinds(&alone));
        let metrics =
            |said: &[serde_json::Value]| said.last().expect("a summary")["summary"]["valid"].clone();
        assert_eq!(metrics(&said), metrics(&alone), "{run}");
    }
}

#[test]
fn a_run_of_which_processes_were_killed_goes_on_with_any_number_to_the_same_bytes() {
    let Some(launcher) = launcher() else { return };
    let folder = folder();
    folder.mt(&["train", "often.yaml", "--run-dir", "alone"]).done();
    let run = folder.path("killed").display().to_string();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let draws = permutation(1000, now.as_nanos() as u64, 3);
    for (i, moment) in draws.chunks_exact(3).take(20).enumerate() {
        let begun = folder.path("killed/config.yaml").exists();
        let args = if begun { ["train", "--resume", &run] } else { ["train", "often.yaml", "--run-dir"] };
        let new: &[&str] = if begun { &[] } else { &[&run] };
        let mut command = command(&launcher, &folder, 1 + i % 4, &[&args[..], new, &["--json"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        // It may be done before, if many were late.
        for _ in 0..moment[0] % 8 {
            let _ = lines.next();
        }
        std::thread::sleep(Duration::from_micros(100 * u64::from(moment[1] % 50)));
        kill_one(&run, moment[2] as usize);
        drop(lines);
        end(child, &run);
    }
    let said =
        Said::of(command(&launcher, &folder, 3, &["train", "--resume", &run]).output().expect("starts"));
    said.done();
    assert_same(&folder, "killed", "killed");
}

/// The processes of `mt` that have this among their arguments.
fn processes(run: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("Linux").flatten();
    let pids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let read = |pid: &str, what: &str| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let has = |pid: &String| {
        String::from_utf8_lossy(&read(pid, "cmdline")).contains(run) && read(pid, "comm") == b"mt\n"
    };
    pids.filter(has).collect()
}

fn kill_one(run: &str, which: usize) {
    let found = processes(run);
    if let Some(pid) = found.get(which % found.len().max(1)) {
        let _ = Command::new("kill").args(["-KILL", pid]).status();
    }
}

/// Waits for the launcher, and until none of its processes is left.
fn end(mut child: Child, run: &str) {
    for _ in 0..600 {
        let ended = child.try_wait().expect("a child").is_some();
        if ended && processes(run).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("a process is left after half a minute");
}

#[test]
fn what_is_wrong_with_one_ends_all_with_its_reason() {
    let Some(launcher) = launcher() else { return };
    let folder = folder();
    let fails = |ranks: usize, args: &[&str]| {
        let said = Said::of(command(&launcher, &folder, ranks, args).output().expect("starts"));
        assert!(said.code != Some(0) && said.out.is_empty(), "{}", said.out);
        said.err
    };
    let more = ["train", "often.yaml", "--set", "train.shards=2"];
    let err = fails(3, &more);
    assert!(err.contains("3 processes share the 2 shards of a step (train.shards)"), "{err}");
    let err = fails(2, &["train", "often.yaml", "--set", "model.norm=batch"]);
    assert!(err.contains("model.norm: running statistics of batch are those of one process"), "{err}");
    assert!(!folder.path("runs").exists());
    let err = fails(2, &["eval", "--run", "alone"]);
    assert!(
        err.contains("2 processes were started, and would all do the same: only mt train and mt predict"),
        "{err}"
    );
    folder.mt(&["train", "often.yaml", "--run-dir", "alone", "--set", "train.epochs=1"]).done();
    let err = fails(2, &["train", "often.yaml", "--run-dir", "alone"]);
    assert!(err.contains("alone already holds a run"), "{err}");
}
