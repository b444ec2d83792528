//! Runs that go on from another run, day by day.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use mt_bundle::Predictor;
use mt_dist::Threads;
use mt_models::Registry;
use mt_train::{
    Config, Error, Evaluation, Event, Origin, Outcome, RunDir, load, load_from, read_state, train,
    train_among,
};
use tempfile::TempDir;

use crate::fields::{HEADER, assert_same_files, config, folder, records};

/// A table whose keys come and go, averages, and momentum of all that is trained: what a day must hand on to the next.
const STATE: [&str; 5] = [
    "data.fields=[{column: user, encode: {growing: {capacity: 30, admit: 2, ttl: 9}}}, {column: tags, separator: '|'}]",
    "train.average=0.9",
    "train.optimizer={kind: adamw, lr: 0.01}",
    "train.schedule={kind: cosine, warmup: 7}",
    "train.log_every=1",
];

/// Rows of `rows.csv` are the first day's, those of `next.csv` the second's.
fn days() -> TempDir {
    let records = records(500);
    let dir = folder(&(HEADER.to_owned() + &records[..300].concat()));
    std::fs::write(dir.path().join("next.csv"), HEADER.to_owned() + &records[300..].concat())
        .expect("written");
    dir
}

fn at(dir: &Path, more: &[&str]) -> Config {
    config(dir, &[&STATE[..], more].concat())
}

fn next(dir: &Path, more: &[&str]) -> Config {
    let rows = format!("data.csv.train={}", dir.join("next.csv").display());
    at(dir, &[&[rows.as_str()], more].concat())
}

fn origin(from: &Path, cfg: &Config) -> Result<Origin, Error> {
    Origin::of(from, cfg, &Registry::default())
}

/// Trains in this run until after a step; what was said of its rows by the model before it.
fn train_in((run, cfg): &(RunDir, Config), stop_at: u64) -> Result<(Outcome, Option<Evaluation>), Error> {
    let data = load(cfg, Some(run), &|_| ())?;
    let (stop, mut said) = (AtomicBool::new(false), None);
    let outcome = train(cfg, &data, &Device::Cpu, run, &stop, &mut |event| match event {
        Event::Progress { step, .. } => stop.store(*step >= stop_at, Ordering::Relaxed),
        Event::Prequential { metrics, .. } => said = Some(metrics.clone()),
        _ => {}
    })?;
    Ok((outcome, said))
}

/// The first day's run, ended.
fn first(dir: &Path, more: &[&str]) {
    let cfg = at(dir, more);
    let run = (RunDir::create(&dir.join("day-1"), &cfg).expect("a folder"), cfg);
    train_in(&run, u64::MAX).expect("trains");
}

/// Begins the second day in the folder `name`.
fn begin(dir: &Path, name: &str, from: &str, more: &[&str]) -> (RunDir, Config) {
    let cfg = next(dir, more);
    let origin = origin(&dir.join(from), &cfg).expect("a checkpoint");
    (RunDir::create_from(&dir.join(name), &cfg, &origin).expect("a folder"), cfg)
}

#[test]
fn a_day_that_is_killed_at_any_moment_ends_with_the_same_bytes() {
    let dir = days();
    let dir = dir.path();
    first(dir, &[]);
    let run = begin(dir, "day-2", "day-1", &[]);
    let (outcome, scored) = train_in(&run, u64::MAX).expect("trains");
    assert!(scored.is_some() && outcome.epochs == 2);
    let from = origin(&dir.join("day-1"), &run.1).expect("a checkpoint").checkpoint;
    let before = read_state(&from).expect("a state");
    let state = read_state(&run.0.checkpoint(2)).expect("a state");
    assert_eq!((state.before, state.epoch, state.selected.len()), (before.step, 2, 2));
    assert!(state.step > before.step && state.updates.values().all(|n| *n > before.step));

    for stop_at in before.step + 1..state.step {
        let name = format!("killed-{stop_at}");
        drop(train_in(&begin(dir, &name, "day-1", &[]), stop_at).expect("stops"));
        // As one that was killed before its first checkpoint.
        if stop_at == before.step + 2 {
            std::fs::remove_dir_all(dir.join(&name).join("checkpoints")).expect("removed");
            std::fs::create_dir(dir.join(&name).join("checkpoints")).expect("made");
        }
        let resumed = RunDir::resume(&dir.join(&name)).expect("a run");
        train_in(&resumed, u64::MAX).expect("goes on");
        assert_same_files(&dir.join("day-2/checkpoints"), &dir.join(&name).join("checkpoints"), &name);
    }
    drop(run);
    // Once it has checkpoints of its own, it needs no other run's.
    std::fs::rename(dir.join("day-1"), dir.join("elsewhere")).expect("moved");
    let resumed = RunDir::extend(&dir.join("day-2"), &["train.epochs=3".to_owned()]).expect("a run");
    assert_eq!(train_in(&resumed, u64::MAX).expect("goes on").0.epochs, 3);
    // And where the checkpoint lies says nothing about what follows from it.
    let name = from.file_name().expect("a name").to_string_lossy().into_owned();
    let moved = begin(dir, "moved", &format!("elsewhere/checkpoints/{name}"), &[]);
    train_in(&moved, u64::MAX).expect("trains");
    let killed = format!("killed-{}/checkpoints", before.step + 1);
    assert_same_files(&dir.join(killed), &dir.join("moved/checkpoints"), "moved");
}

#[test]
fn a_day_leaves_the_weights_and_tables_that_the_run_before_would_have_gone_on_to() {
    let dir = days();
    let dir = dir.path();
    let plain = ["train.shuffle=false", "train.schedule=null"];
    first(dir, &plain);
    let run = begin(dir, "day-2", "day-1", &plain);
    train_in(&run, u64::MAX).expect("trains");
    // The best epoch of the first day was its last: that is where an extended run goes on from.
    let best = RunDir::find(&dir.join("day-1")).expect("a run").best().expect("readable").expect("one");
    assert_eq!(best.epoch, 2);
    let set = [format!("data.csv.train={}", dir.join("next.csv").display()), "train.epochs=4".into()];
    let extended = RunDir::extend(&dir.join("day-1"), &set).expect("a run");
    train_in(&extended, u64::MAX).expect("goes on");
    for file in ["weights", "tables", "optimizer"] {
        let of = |path: std::path::PathBuf| {
            std::fs::read(path.join(format!("{file}.safetensors"))).expect("a file")
        };
        assert!(of(run.0.checkpoint(2)) == of(extended.0.checkpoint(4)), "{file}");
    }
}

#[test]
fn the_rows_of_a_day_are_scored_by_the_model_of_the_day_before() {
    let dir = days();
    let dir = dir.path();
    first(dir, &[]);
    let run = begin(dir, "day-2", "day-1", &[]);
    let data = load(&run.1, Some(&run.0), &|_| ()).expect("data");
    let (_, scored) = train_in(&run, u64::MAX).expect("trains");
    let best = RunDir::find(&dir.join("day-1")).expect("a run").best().expect("readable").expect("one");
    let yesterday = dir.join(format!("day-1/checkpoints/epoch-{:03}", best.epoch));
    let predictor = Predictor::load(&yesterday, &Device::Cpu).expect("a model");
    let batch = data.train.slice(0..data.train.len());
    let predictions = predictor.predict(batch.numeric, batch.fields).expect("predictions");
    let expected = Evaluation::new(&predictions, &data.train, &data.schema.tasks);
    assert_eq!(scored.expect("scored").tasks, expected.tasks);
    // Not once more when the run goes on from a checkpoint of its own.
    drop(run);
    let resumed = RunDir::resume(&dir.join("day-2")).expect("a run");
    assert!(train_in(&resumed, u64::MAX).expect("rests").1.is_none());
}

#[test]
fn what_a_run_cannot_go_on_from_is_said_before_there_is_a_folder() {
    let dir = days();
    let dir = dir.path();
    let cfg = at(dir, &[]);
    let run = (RunDir::create(&dir.join("day-1"), &cfg).expect("a folder"), cfg);
    let problem = |from: &str, more: &[&str]| {
        let error = origin(&dir.join(from), &next(dir, more)).expect_err("must be refused");
        assert!(error.is_usage(), "{error}");
        error.to_string()
    };
    assert!(problem("day-1", &[]).ends_with("day-1: the run has no checkpoint yet"));
    train_in(&run, 6).expect("stops");
    let said = problem("day-1", &[]);
    assert!(said.contains("the run is within an epoch: end it with mt train --resume"), "{said}");
    train_in(&run, u64::MAX).expect("goes on");
    let said = problem("day-1", &["model.experts=3"]);
    assert!(said.starts_with("model.experts: was 2 in the run to go on from and is 3"), "{said}");
    assert!(problem("nothing", &[]).contains("holds no run"));
    origin(&dir.join("day-1"), &next(dir, &["train.batch_size=16", "train.schedule=null"]))
        .expect("these may differ");

    // A checkpoint that changed or is gone, while the run has none of its own.
    let cfg = next(dir, &[]);
    let from = origin(&dir.join("day-1"), &cfg).expect("a checkpoint");
    let day = (RunDir::create_from(&dir.join("day-2"), &cfg, &from).expect("a folder"), cfg);
    let kept = from.checkpoint.clone();
    std::fs::rename(&kept, dir.join("aside")).expect("moved");
    let error = load_from(&day.1, &from, &|_| ()).expect_err("gone").to_string();
    assert!(error.contains("is gone, and the run has no whole checkpoint of its own yet"), "{error}");
    let run = RunDir::find(&dir.join("day-1")).expect("a run");
    let other = run.newest_first().expect("checkpoints").remove(0);
    std::fs::create_dir(&kept).expect("made");
    for entry in std::fs::read_dir(other).expect("a folder") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, kept.join(path.file_name().expect("a name"))).expect("copied");
    }
    let error = train_in(&day, u64::MAX).expect_err("another").to_string();
    assert!(error.contains("is another one than the run went on from"), "{error}");
}

#[test]
fn a_day_of_several_ranks_leaves_the_bytes_of_one() {
    let dir = days();
    let dir = dir.path();
    // Tables that grow belong to one process.
    let shards = ["train.shards=2", "data.fields=[{column: user}, {column: tags, separator: '|'}]"];
    first(dir, &shards);
    train_in(&begin(dir, "one", "day-1", &shards), u64::MAX).expect("trains");
    let (run, cfg) = begin(dir, "two", "day-1", &shards);
    let data = load(&cfg, Some(&run), &|_| ()).expect("data");
    std::thread::scope(|scope| {
        for rank in Threads::group(2) {
            let (run, cfg, data) = (&run, &cfg, &data);
            scope.spawn(move || {
                let stop = AtomicBool::new(false);
                train_among(Arc::new(rank), cfg, data, &Device::Cpu, run, &stop, &mut |_| ())
                    .expect("trains");
            });
        }
    });
    assert_same_files(&dir.join("one/checkpoints"), &dir.join("two/checkpoints"), "ranks");
    let lines = |name: &str| -> Vec<String> {
        let log = std::fs::read_to_string(dir.join(name).join("metrics.jsonl")).expect("a log");
        log.lines().filter(|line| line.contains("\"prequential\"")).map(str::to_owned).collect()
    };
    assert_eq!((lines("one").len(), lines("one")), (1, lines("two")));
}

#[test]
fn a_day_on_disk_is_scored_and_trained_on_as_one_in_memory() {
    let dir = days();
    let dir = dir.path();
    // Sample spaces and groups are part of the metrics.
    let more = ["data.group=user", "tasks[1]={name: buy, label: buy, where: play > 0.5}"];
    first(dir, &more);
    let (_, memory) = train_in(&begin(dir, "memory", "day-1", &more), u64::MAX).expect("trains");
    let cache = format!("data.cache={{dir: '{}', memory: 1KiB}}", dir.join("cache").display());
    let cached = begin(dir, "cached", "day-1", &[&more[..], &[&cache]].concat());
    let (_, disk) = train_in(&cached, u64::MAX).expect("trains");
    let said = |metrics: Option<Evaluation>| serde_json::to_value(metrics.expect("scored")).expect("JSON");
    let memory = said(memory);
    assert_eq!(memory, said(disk));
    assert!(memory["buy"]["everywhere"].is_object() && memory["click"]["gauc"].is_object(), "{memory}");
    assert_same_files(&dir.join("memory/checkpoints"), &dir.join("cached/checkpoints"), "from disk");
}
