//! Rows on disk train to the files that rows in memory do, to the bit, for any limit of memory.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use mt_train::{Event, RunDir, train};

use crate::fields::{assert_same_files, config, folder, load, rows, run_in};
use crate::ranks::among;

/// Limits: a batch a run, a few runs, all rows in one.
const LIMITS: [&str; 3] = ["1", "64KiB", "1GiB"];

const GROWING: &str = "data.fields=[{column: user, encode: {growing: {capacity: 25, admit: 2, ttl: 9}}}, {column: tags, \
                       separator: '|', encode: {growing: {capacity: 4}}}]";

const VARIANTS: [&[&str]; 7] = [
    &[],
    &["train.shuffle=false", "data.valid_fraction=0"],
    &[GROWING, "train.shards=4", "model.embedding={width: 4, storage: bf16}"],
    &[
        "data.weight=seconds",
        "data.group=user",
        "tasks=[{name: click, label: click, kind: binary-softmax}, {name: buy, label: buy}]",
        "train.task_losses={click: jrc}",
    ],
    &[
        "data.split={valid: seconds > 20}",
        "data.valid_fraction=0",
        "tasks=[{name: click, label: click}, {name: buy, label: buy, where: click == 1}]",
    ],
    &[
        "tasks=[{name: click, label: click}, {name: seconds, label: seconds, kind: regression}]",
        "train.task_losses={seconds: log-mse}",
    ],
    &[
        "data.csv.features=[]",
        "data.fields=[{column: user}, {column: tags, separator: '|', pooling: {attention: {query: user}}, table: user}]",
    ],
];

fn cache(dir: &Path, memory: &str) -> String {
    format!("data.cache={{dir: '{}', memory: {memory}}}", dir.join("cache").display())
}

#[test]
fn weights_tables_and_state_are_those_of_memory() {
    let dir = folder(&rows(9000));
    for (number, variant) in VARIANTS.iter().enumerate() {
        let cfg = config(dir.path(), variant);
        let at = |name: &str| dir.path().join(format!("{number}-{name}"));
        run_in(&cfg, &load(&cfg), &at("memory"), &mut |_| ());
        for memory in LIMITS {
            let cache = cache(dir.path(), memory);
            let cfg = config(dir.path(), &[variant, &[&*cache][..]].concat());
            let data = load(&cfg);
            assert!(data.cached.is_some());
            run_in(&cfg, &data, &at(memory), &mut |_| ());
            let what = format!("{variant:?}, {memory}");
            assert_same_files(&at("memory/checkpoints"), &at(&format!("{memory}/checkpoints")), &what);
        }
    }
}

#[test]
fn a_run_goes_on_within_an_epoch_under_another_limit_or_in_memory() {
    let dir = folder(&rows(3000));
    let cfg = config(dir.path(), &["train.log_every=5"]);
    let straight = dir.path().join("straight");
    run_in(&cfg, &load(&cfg), &straight, &mut |_| ());
    let limited = |memory: &str| config(dir.path(), &["train.log_every=5", &cache(dir.path(), memory)]);
    for (first, then) in [(Some("64KiB"), Some("1")), (Some("1"), None), (None, Some("1GiB"))] {
        let to = |memory: Option<&str>| memory.map_or_else(|| cfg.clone(), limited);
        let (path, begun) = (dir.path().join(format!("{first:?}-{then:?}")), to(first));
        let run = RunDir::create(&path, &begun).expect("a folder");
        let stop = AtomicBool::new(false);
        let mut steps = 0;
        let data = load(&begun);
        let stopped = train(&begun, &data, &Device::Cpu, &run, &stop, &mut |event| {
            if let Event::Progress { .. } = event {
                steps += 1;
                stop.store(steps == 3, Ordering::Relaxed);
            }
        });
        assert!(stopped.expect("trains").interrupted);
        drop(run);
        let resumed = RunDir::open(&path).expect("a run").0;
        let data = mt_train::load(&to(then), Some(&resumed), &|_| ()).expect("data");
        drop(resumed);
        run_in(&to(then), &data, &path, &mut |_| ());
        let last = |path: &Path| path.join("checkpoints/epoch-002");
        assert_same_files(&last(&straight), &last(&path), &format!("{first:?}, {then:?}"));
    }
}

#[test]
fn ranks_that_share_a_step_draw_their_own_batches() {
    let dir = folder(&rows(3000));
    let set = ["train.shards=4", GROWING];
    let cfg = config(dir.path(), &set);
    let at = |name: &str| dir.path().join(name);
    run_in(&cfg, &load(&cfg), &at("memory"), &mut |_| ());
    let cfg = config(dir.path(), &[&set[..], &[&*cache(dir.path(), "64KiB")]].concat());
    among(3, &cfg, &load(&cfg), &at("disk"), None).into_iter().for_each(|rank| drop(rank.expect("trains")));
    assert_same_files(&at("memory/checkpoints"), &at("disk/checkpoints"), "three ranks");
}

#[test]
fn damage_during_training_is_named() {
    let dir = folder(&rows(9000));
    let cfg = config(dir.path(), &[&cache(dir.path(), "1MiB")]);
    let data = load(&cfg);
    let rows = data.cached.as_ref().expect("on disk").dir().join("train.rows");
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a folder");
    let mut damaged = false;
    let error = train(&cfg, &data, &Device::Cpu, &run, &AtomicBool::new(false), &mut |event| {
        if let (Event::Progress { .. }, false) = (event, damaged) {
            damaged = true;
            let mut bytes = std::fs::read(&rows).expect("rows");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&rows, bytes).expect("written");
        }
    });
    let error = error.expect_err("damaged").to_string();
    assert!(error.contains("block 0 of the cache is damaged; begin again"), "{error}");
}
