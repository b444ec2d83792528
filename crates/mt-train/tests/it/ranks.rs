//! Several ranks that share the shards of a step write the files of one, to the bit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use mt_data::Dataset;
use mt_dist::{Collective, Threads};
use mt_train::{Config, Event, Outcome, Result, RunDir, train_among};

use crate::fields::{assert_same_files, bits, config, folder, load, rows, run_in};

/// Trains with so many ranks, each a thread; the first stops them after `stop_at` steps. What each has in the end.
pub fn among(
    ranks: usize,
    cfg: &Config,
    data: &Dataset,
    dir: &Path,
    stop_at: Option<u64>,
) -> Vec<Result<Outcome>> {
    let run = match dir.exists() {
        true => RunDir::resume(dir).expect("a run").0,
        false => RunDir::create(dir, cfg).expect("a folder"),
    };
    let rank = |collective: Threads, run: &RunDir| {
        let (first, stop) = (collective.rank() == 0, AtomicBool::new(false));
        let outcome = train_among(Arc::new(collective), cfg, data, &Device::Cpu, run, &stop, &mut |event| {
            assert!(first, "only the first is observed");
            if let Event::Progress { step, .. } = event {
                stop.store(stop_at.is_some_and(|at| *step >= at), Ordering::Relaxed);
            }
        });
        // It is dropped with what came out, so that the others learn of an error.
        outcome
    };
    let group = Threads::group(ranks);
    std::thread::scope(|scope| {
        let threads: Vec<_> = group.into_iter().map(|one| scope.spawn(|| rank(one, &run))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// What differs between runs, each with as many shards as ranks at most.
const VARIANTS: [&[&str]; 14] = [
    &[
        "data.fields=[{column: user, encode: {growing: {capacity: 25, admit: 2, ttl: 9}}}, {column: tags, separator: '|', encode: {growing: {capacity: 4}}}]",
        "model.embedding={width: 4, storage: bf16}",
    ],
    &[
        "data.fields=[{column: user, table: t, encode: {growing: {capacity: 5000, admit: 3}}}, {column: tags, table: t, separator: '|', encode: {growing: {capacity: 5000, admit: 3}}}]",
        "train.table_optimizer={kind: row-adagrad}",
    ],
    &["model={kind: mmoe, experts: 3, expert: [8], embedding: {width: 5}}", "train.clip_norm=0.5"],
    &[
        "model={kind: shared-bottom, bottom: [16]}",
        "train.table_optimizer={kind: row-adagrad}",
        "train.dropout=0.2",
    ],
    &[
        "model={kind: ple, expert: [8], norm: layer}",
        "train.optimizer={kind: sgd, lr: 0.3}",
        "train.average=0.9",
    ],
    &["model={kind: cgc, expert: [8]}", "train.table_optimizer={kind: ftrl}", "train.load_balance=0.1"],
    &["model={kind: single-task}", "train.optimizer={kind: adagrad}", "train.table_optimizer={kind: sgd}"],
    &["model={kind: aitm, bottom: [8]}", "model.embedding={width: 4, storage: f16}"],
    &["model={kind: ppnet, bottom: [8], gate: []}", "model.embedding={width: 4, storage: bf16}"],
    &["model={kind: dbmtl, experts: 2}", "model.stages=[{kind: cross, rank: 2}]"],
    &[
        "data.fields=[{column: user}, {column: tags, separator: '|', pooling: max}]",
        "train.label_smoothing=0.1",
    ],
    &[
        "data.fields=[{column: user, encode: {hash: 1000}, table: t}, {column: tags, encode: {hash: 1000}, table: t, separator: '|', pooling: {attention: {query: user}}}]",
        "tasks=[{name: click, label: click}, {name: seconds, label: seconds, kind: regression}]",
        "train.task_losses={seconds: log-mse}",
    ],
    &[
        "model={kind: mmoe, experts: 2, expert: [8]}",
        "data.fields=[]",
        "data.csv.features=[play, seconds]",
        "tasks=[{name: click, label: click}, {name: buy, label: buy}]",
    ],
    &["data.group=user", "train.task_losses={click: ranknet}", "train.rates={'tables.tags': 0}"],
];

#[test]
fn files_do_not_depend_on_the_number_of_ranks() {
    let dir = folder(&rows(700));
    for (i, variant) in VARIANTS.into_iter().enumerate() {
        let cfg = config(dir.path(), &[&["train.shards=8", "train.log_every=2"], variant].concat());
        let data = load(&cfg);
        let path = |name: &str| dir.path().join(format!("{i}-{name}"));
        let (_, alone) = run_in(&cfg, &data, &path("alone"), &mut |_| ());
        let valid = data.valid.as_ref().expect("validation rows");
        let expected = alone.scorer.predict(valid, &Device::Cpu).expect("predictions");
        assert!(expected.iter().all(|x| x.is_finite()) && alone.best.is_some(), "{variant:?}");
        for ranks in [2, 3, 4, 8] {
            let there = path(&ranks.to_string());
            for outcome in among(ranks, &cfg, &data, &there, None) {
                let outcome = outcome.expect("trains");
                assert_eq!((outcome.best, outcome.rows), (alone.best, alone.rows), "{variant:?}, {ranks}");
            }
            let what = format!("{variant:?}, {ranks} ranks");
            assert_same_files(&path("alone").join("checkpoints"), &there.join("checkpoints"), &what);
            assert_eq!(log(&path("alone")), log(&there), "{what}");
        }
        // Stopped within an epoch, with another number of ranks each time.
        let parts = path("parts");
        for (ranks, stop_at) in [(3, Some(2)), (1, Some(5)), (8, Some(9)), (2, None)] {
            for outcome in among(ranks, &cfg, &data, &parts, stop_at) {
                assert_eq!(outcome.expect("trains").interrupted, stop_at.is_some(), "{variant:?}");
            }
        }
        assert_same_files(&path("alone").join("checkpoints"), &parts.join("checkpoints"), "stopped");
        for outcome in among(4, &cfg, &data, &parts, None) {
            let outcome = outcome.expect("is done");
            assert_eq!(outcome.rows, 0);
        }
    }
}

#[test]
fn rows_are_scored_in_turns_and_come_out_in_their_order() {
    // Five batches of 4,096 rows, the last one short: ranks have two, or one, or none of a last round.
    let dir = folder(&rows(23_000));
    let sets = ["train.shards=4", "train.batch_size=4096", "train.epochs=1", "data.valid_fraction=0.8"];
    let cfg = config(dir.path(), &sets);
    let data = load(&cfg);
    let valid = data.valid.as_ref().expect("validation rows");
    assert!(valid.len() > 4 * 4096 && valid.len() < 5 * 4096);
    let (_, alone) = run_in(&cfg, &data, &dir.path().join("alone"), &mut |_| ());
    let expected = bits(&alone.scorer.predict(valid, &Device::Cpu).expect("predictions"));
    assert_eq!(expected.len(), 2 * valid.len());
    let run = RunDir::open(&dir.path().join("alone")).expect("a run").0;
    for ranks in [2, 3, 4] {
        let score = |rank: Threads| {
            let ranks: Arc<dyn Collective> = Arc::new(rank);
            let done =
                train_among(ranks, &cfg, &data, &Device::Cpu, &run, &AtomicBool::new(false), &mut |_| ());
            bits(&done.expect("is done").scorer.predict(valid, &Device::Cpu).expect("predictions"))
        };
        let all: Vec<Vec<u32>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                Threads::group(ranks).into_iter().map(|rank| scope.spawn(|| score(rank))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(all.iter().all(|found| *found == expected), "{ranks} ranks");
    }
}

/// The lines of a log, without what the clock says.
fn log(run: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).expect("a log");
    let line = |line: &str| {
        let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let object = value.as_object_mut().expect("an object");
        ["seconds", "waited", "rows_per_second"].iter().for_each(|key| drop(object.remove(*key)));
        value
    };
    text.lines().map(line).collect()
}
