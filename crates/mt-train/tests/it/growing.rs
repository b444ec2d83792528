//! Training with tables that grow: resumed, on several threads, on another day's data, and to the prediction.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use mt_bundle::{Export, Predictor, push_json};
use mt_train::{Config, Evaluation, Event, RunDir, TableSize, train};

use crate::fields::{
    FIRST_USER, assert_same_files, bits, config, folder, load, predictions_of_the_best, rows, run_in,
};

/// Fields with rows for fewer users than there are, so that some are evicted.
fn growing(dir: &Path, overrides: &[&str]) -> Config {
    let fields = "data.fields=[{column: user, encode: {growing: {capacity: 30, admit: 2, ttl: 40}}}, \
                  {column: tags, separator: '|', encode: {growing: {capacity: 100}}}]";
    config(dir, &[&[fields, "train.batch_size=16"], overrides].concat())
}

fn sizes(cfg: &Config, dir: &Path) -> Vec<Vec<TableSize>> {
    let mut all = Vec::new();
    run_in(cfg, &load(cfg), dir, &mut |event| {
        if let Event::Tables { tables, .. } = event {
            all.push(tables.clone());
        }
    });
    all
}

#[test]
fn rows_come_and_go_and_a_loaded_checkpoint_predicts_to_the_bit() {
    let dir = folder(&rows(600));
    let cfg = growing(dir.path(), &[]);
    let sizes = sizes(&cfg, &dir.path().join("run"));
    assert_eq!(sizes.len(), 2);
    let [user, tags] = &sizes[0][..] else { panic!("{sizes:?}") };
    assert_eq!((user.table.as_str(), user.capacity, tags.rows, tags.evicted), ("user", 30, 7, 0));
    assert!(
        user.rows <= 30 && user.evicted > 0 && user.admitted == user.rows as u64 + user.evicted,
        "{user:?}"
    );
    assert!(user.bytes > 30 * 4 * 3 * 4, "{user:?}");

    let data = load(&cfg);
    let (run, outcome) = run_in(&cfg, &data, &dir.path().join("run"), &mut |_| ());
    predictions_of_the_best(&run, &outcome, &data);
}

#[test]
fn checkpoints_with_tables_that_grow_do_not_depend_on_the_number_of_threads() {
    let dir = folder(&rows(600));
    for shards in ["train.shards=1", "train.shards=2"] {
        let overrides = ["train.batch_size=200", "model.embedding.width=64", shards];
        let cfg = growing(dir.path(), &overrides);
        let path = |threads: usize| dir.path().join(format!("{shards} {threads}"));
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| run_in(&cfg, &load(&cfg), &path(threads), &mut |_| ()));
        }
        assert_same_files(&path(1).join("checkpoints"), &path(3).join("checkpoints"), "3 threads");
    }
}

#[test]
fn a_run_stopped_within_an_epoch_goes_on_to_the_bytes_of_one_that_was_not() {
    let dir = folder(&rows(600));
    for (kind, shards) in [("adam", 1), ("ftrl", 1), ("sgd", 4)] {
        let optimizer = format!("train.table_optimizer={{kind: {kind}}}");
        let shards = format!("train.shards={shards}");
        let cfg = growing(dir.path(), &[&optimizer, "train.batch_size=16", &shards, "train.log_every=1"]);
        let data = load(&cfg);
        let path = |name: &str| dir.path().join(format!("{kind}-{name}"));
        run_in(&cfg, &data, &path("straight"), &mut |_| ());
        for stop_at in [7, 33, 41] {
            let parts = path(&stop_at.to_string());
            let (run, stop) = (RunDir::create(&parts, &cfg).expect("a folder"), AtomicBool::new(false));
            let mut observe = |event: &Event| {
                let now = matches!(event, Event::Progress { step, .. } if *step + 1 == stop_at);
                stop.fetch_or(now, Ordering::Relaxed);
            };
            train(&cfg, &data, &Device::Cpu, &run, &stop, &mut observe).expect("trains");
            drop(run);
            run_in(&cfg, &data, &parts, &mut |_| ());
            assert_same_files(&path("straight/checkpoints"), &parts.join("checkpoints"), kind);
        }
    }
}

#[test]
fn another_days_values_are_taken_in_beside_those_that_are_known() {
    let day = |first: u64| -> String {
        let row = |i: u64| format!("{},a,0.5,{},,1,0\n", u64::MAX - first - i % 20, i % 2);
        "user,tags,play,click,buy,seconds,class\n".to_owned() + &(0..200).map(row).collect::<String>()
    };
    let (monday, tuesday) = (folder(&day(0)), folder(&day(10)));
    let before = monday.path().join("run");
    let whole = ["data.valid_fraction=0", "train.epochs=1"];
    let first = sizes(&growing(monday.path(), &whole), &before);
    assert_eq!((first[0][0].rows, first[0][0].admitted), (20, 20));
    let from = format!("train.warm_start={{from: '{}', optimizer: true}}", before.display());
    let cfg = growing(tuesday.path(), &[&whole[..], &[&from]].concat());
    let mut taken = None;
    let mut second = Vec::new();
    run_in(&cfg, &load(&cfg), &tuesday.path().join("run"), &mut |event| match event {
        Event::WarmStarted(report) => taken = report.rows.get("user").copied(),
        Event::Tables { tables, .. } => second.clone_from(tables),
        _ => {}
    });
    // Row 0, which values have until they have one of their own, was trained too.
    assert_eq!(taken.expect("a report").known, 21);
    assert_eq!((second[0].rows, second[0].admitted, second[0].evicted), (30, 10, 0));

    // Where there is no room for all of them, those seen last go on.
    let small = "data.fields=[{column: user, encode: {growing: {capacity: 8, ttl: 2}}}]";
    let cfg = config(tuesday.path(), &[&whole[..], &[&from, small]].concat());
    let sizes = sizes(&cfg, &tuesday.path().join("small"));
    assert!(sizes[0][0].rows <= 8, "{sizes:?}");
}

#[test]
fn a_bundle_finds_raw_values_and_predicts_the_bits_of_its_checkpoint() {
    let dir = folder(&rows(600));
    for storage in ["f32", "f16", "bf16"] {
        let embedding = format!("model.embedding={{width: 5, storage: {storage}}}");
        let cfg = growing(dir.path(), &[&embedding, "train.epochs=1"]);
        let (run, _) = run_in(&cfg, &load(&cfg), &dir.path().join(storage), &mut |_| ());
        let checkpoint = Predictor::load(&run.checkpoint(1), &Device::Cpu).expect("a model");
        let row = |user: u64| {
            let row = serde_json::json!({"user": user, "tags": "t1|t2", "play": 0.25});
            row.as_object().expect("a row").clone()
        };
        // Users that training saw, and others.
        let raw_rows: Vec<_> =
            (0..50).map(|user| row(FIRST_USER + user)).chain([row(7), row(u64::MAX)]).collect();
        let predict = |predictor: &Predictor| {
            let mut raw = predictor.rows();
            raw_rows.iter().try_for_each(|row| push_json(&mut raw, row)).expect("good rows");
            bits(predictor.predict_rows(&raw).expect("predictions").values())
        };
        let expected = predict(&checkpoint);
        assert_eq!(expected[100..102], expected[102..104], "strangers share a row");
        assert_ne!(expected[..2], expected[2..4]);
        let bundle = dir.path().join(format!("{storage}-bundle"));
        let (path, tables) = (run.checkpoint(1), mt_bundle::TableFormat::F32);
        let export = Export {
            checkpoint: &path,
            tables,
            rows: raw_rows.clone(),
            config: "",
            registry: mt_models::Registry::default(),
        };
        export.write(&bundle, |_| Ok::<_, mt_bundle::Error>(String::new())).expect("a bundle");
        assert_eq!(
            predict(&Predictor::load(&bundle, &Device::Cpu).expect("a bundle")),
            expected,
            "{storage}"
        );
    }
}

#[test]
fn tables_in_half_precision_learn_as_well_and_are_half_as_large() {
    let dir = folder(&rows(2000));
    let run = |storage: &str| {
        let storage_key = format!("model.embedding.storage={storage}");
        let overrides = [&storage_key, "train.epochs=4", "train.table_optimizer={kind: row-adagrad}"];
        let cfg = config(dir.path(), &overrides);
        let data = load(&cfg);
        let (run, outcome) = run_in(&cfg, &data, &dir.path().join(storage), &mut |_| ());
        let valid = data.valid.as_ref().expect("validation rows");
        let predictions = outcome.scorer.predict(valid, &Device::Cpu).expect("predictions");
        let evaluation = Evaluation::new(&predictions, valid, &data.schema.tasks);
        let tables = std::fs::metadata(run.checkpoint(4).join("tables.safetensors")).expect("a file").len();
        (evaluation.mean(|metrics| metrics.ranking()).expect("an AUC"), tables)
    };
    let (single, bytes) = run("f32");
    for storage in ["f16", "bf16"] {
        let (half, half_bytes) = run(storage);
        assert!((half - single).abs() < 0.01, "{storage}: AUC {half}, {single} in single precision");
        assert!(half_bytes < bytes * 4 / 5, "{storage}: {half_bytes} of {bytes} bytes");
    }
}

#[test]
fn a_table_that_grows_cannot_be_frozen() {
    let dir = folder(&rows(100));
    let cfg = growing(dir.path(), &["train.rates={'tables.*': 0}"]);
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a folder");
    let error = train(&cfg, &load(&cfg), &Device::Cpu, &run, &AtomicBool::new(false), &mut |_| ());
    let error = error.expect_err("frozen").to_string();
    assert!(error.starts_with("train.rates: table \"user\" grows, so its factor cannot be 0"), "{error}");
}
