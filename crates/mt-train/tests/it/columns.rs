//! Training of models whose gates and towers read fields of their own.

use std::path::Path;

use mt_train::{Config, Event};

use crate::fields::{assert_same_files, config, folder, load, predictions_of_the_best, rows, run_in};

/// A model of this kind, whose gate of `buy` reads the user, and whose tower of `click` the tags and the number.
fn with_columns(dir: &Path, kind: &str, more: &[&str]) -> Config {
    let model = format!(
        "model={{kind: {kind}, expert: [8], embedding: {{width: 4}}, gate_fields: {{buy: [user]}}, tower_fields: {{click: \
         [play, tags]}}}}"
    );
    config(dir, &[&[model.as_str()], more].concat())
}

#[test]
fn a_checkpoint_predicts_to_the_bit_what_training_left() {
    let dir = folder(&rows(1000));
    for kind in ["mmoe", "cgc", "ple"] {
        let cfg = with_columns(dir.path(), kind, &["train.dropout=0.1"]);
        let data = load(&cfg);
        let (run, outcome) = run_in(&cfg, &data, &dir.path().join(kind), &mut |_| ());
        let own = predictions_of_the_best(&run, &outcome, &data);
        let mut plain = cfg.clone();
        plain.model.gate_fields.clear();
        plain.model.tower_fields.clear();
        let (run, outcome) = run_in(&plain, &data, &dir.path().join(format!("{kind}-plain")), &mut |_| ());
        assert_ne!(own, predictions_of_the_best(&run, &outcome, &data), "{kind}");
    }
}

#[test]
fn neither_threads_nor_a_stop_change_the_bytes() {
    let dir = folder(&rows(1200));
    let mut cfg = with_columns(dir.path(), "ple", &["train.batch_size=256", "train.epochs=4"]);
    let data = load(&cfg);
    let path = |name: &str| dir.path().join(name).join("checkpoints");
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| run_in(&cfg, &data, &dir.path().join(threads.to_string()), &mut |_| ()));
    }
    assert_same_files(&path("1"), &path("3"), "3 threads");
    cfg.train.epochs = 2;
    run_in(&cfg, &data, &dir.path().join("parts"), &mut |_| ());
    cfg.train.epochs = 4;
    run_in(&cfg, &load(&cfg), &dir.path().join("parts"), &mut |_| ());
    assert_same_files(&path("1"), &path("parts"), "two epochs and two more");
}

#[test]
fn methods_that_weigh_gradients_and_gates_held_to_even_use_train_them() {
    let dir = folder(&rows(600));
    for (name, set) in [("pcgrad", "train.balance.kind=pcgrad"), ("even", "train.load_balance=0.1")] {
        let cfg = with_columns(dir.path(), "mmoe", &[set]);
        let data = load(&cfg);
        let (run, outcome) = run_in(&cfg, &data, &dir.path().join(name), &mut |_| ());
        predictions_of_the_best(&run, &outcome, &data);
    }
}

#[test]
fn a_warm_start_takes_all_but_the_layers_of_another_width() {
    let dir = folder(&rows(600));
    let plain = config(dir.path(), &["train.epochs=1"]);
    run_in(&plain, &load(&plain), &dir.path().join("plain"), &mut |_| ());
    let from = format!("train.warm_start.from={}", dir.path().join("plain").display());
    let sets =
        ["train.epochs=1", "model.gate_fields.buy=[user]", "model.tower_fields={click: [tags]}", &from];
    let cfg = config(dir.path(), &sets);
    let mut taken = None;
    run_in(&cfg, &load(&cfg), &dir.path().join("own"), &mut |event| {
        if let Event::WarmStarted(report) = event {
            taken = Some(report.clone());
        }
    });
    let taken = taken.expect("a report");
    // The gate's rows are found by the names of its inputs.
    assert_eq!(taken.mismatched, ["towers.click.0.weight: [8, 8] there, [8, 12] here"]);
    assert!(taken.loaded.contains(&"gates.buy.0.weight".to_owned()), "{taken:?}");
    assert_eq!((taken.missing.len(), taken.unexpected.len()), (0, 0), "{taken:?}");
}
