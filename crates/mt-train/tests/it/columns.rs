//! Training of models whose gates and towers read fields of their own.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use candle_core::{Device, Tensor};
use mt_bundle::Signature;
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

#[test]
fn rows_of_columns_that_stages_append_are_taken_over_behind_those_of_inputs_that_have_moved() {
    let dir = folder(&rows(600));
    let started = |name: &str, fields: &str, from: Option<&str>| {
        let stages = "model.stages=[{kind: fm, fields: [user, tags]}, {kind: epnet, fields: [user]}]";
        let fields = format!("data.fields=[{fields}]");
        let from = from.map(|from| format!("train.warm_start.from={}", dir.path().join(from).display()));
        // Nothing moves.
        let still = ["train.epochs=1", "train.rates={'*': 0}", stages, fields.as_str()];
        let cfg = config(dir.path(), &still.into_iter().chain(from.as_deref()).collect::<Vec<_>>());
        let mut taken = None;
        let (run, _) = run_in(&cfg, &load(&cfg), &dir.path().join(name), &mut |event| {
            if let Event::WarmStarted(report) = event {
                taken = Some(report.clone());
            }
        });
        let path = run.checkpoint(1).join(Signature::WEIGHTS);
        (candle_core::safetensors::load(path, &Device::Cpu).expect("weights"), taken)
    };
    let (user, tags) = ("{column: user}", "{column: tags, separator: '|'}");
    let (first, _) = started("first", &format!("{user}, {tags}"), None);
    let more = format!("{{column: class}}, {tags}, {user}");
    let (second, taken) = started("second", &more, Some("first"));
    let taken = taken.expect("a report").inputs.expect("inputs");
    assert_eq!((taken.known, taken.moved, taken.fresh), (3, 2, vec!["class".to_owned()]));
    // user, tags and the number became class, tags, user and the number; the four terms are behind both.
    let places = [(0..4, 8..12), (4..8, 4..8), (8..9, 12..13), (9..13, 13..17)];
    for name in ["experts.0.weight", "gates.click.0.weight", "stages.1.0.weight"] {
        let rows = |of: &HashMap<String, Tensor>, rows: &Range<usize>| {
            let own = of[name].narrow(0, rows.start, rows.len()).and_then(|own| own.flatten_all());
            own.and_then(|own| own.to_vec1::<f32>()).expect("rows")
        };
        for (there, here) in &places {
            assert_eq!(rows(&first, there), rows(&second, here), "{name}: {here:?}");
        }
    }
}
