//! The report on experts and gates.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use candle_core::{DType, Device};
use mt_data::Dataset;
use mt_layers::Params;
use mt_models::{Features, InputLayer, build};
use mt_train::{Config, Event, GradientHealth, Health, Labelled, Objective, RunDir, train};

use crate::fields::{config, folder, load, rows, run_in};

/// The reports of all epochs.
fn reports(model: &str) -> Vec<Health> {
    let text = format!(
        "version: 1\nname: test\ndata:\n  synth: {{rows: 4000}}\ntasks:\n- {{name: completion, label: completion}}\n\
         - {{name: like, label: like}}\nmodel: {model}\ntrain: {{epochs: 2, batch_size: 96, allow_symmetry: true}}\n"
    );
    let cfg = Config::parse(&text, "test.yaml", &[]).expect("valid");
    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect("data");
    let dir = tempfile::tempdir().expect("a folder");
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a run");
    let mut all = Vec::new();
    train(&cfg, &data, &Device::Cpu, &run, &AtomicBool::new(false), &mut |event| {
        if let Event::Health { health, .. } = event {
            all.push(health.clone());
        }
    })
    .expect("trains");
    all
}

#[test]
fn experts_that_start_equal_are_named_in_the_first_epoch() {
    let collapsed = reports("{kind: mmoe, experts: 8, init: paddlerec-constant}");
    let words = "level 0: its 8 experts give the same output (effective rank 1.00): they started equal, or have \
                 collapsed";
    assert_eq!(collapsed.len(), 2);
    assert!(collapsed[0].warnings.iter().any(|warning| warning == words), "{:?}", collapsed[0]);

    let sound = reports("{kind: mmoe, experts: 8}");
    assert!(!sound[0].warnings.iter().any(|warning| warning.contains("same output")), "{:?}", sound[0]);
    assert!(sound[0].levels[0].effective_rank > 2.0, "{:?}", sound[0]);
}

#[test]
fn gates_and_experts_go_by_their_names_at_every_level() {
    let report = reports("{kind: ple, experts_per_task: 2, shared_experts: 1, levels: 2}").remove(0);
    assert_eq!(report.levels.len(), 2);
    let experts = ["completion.0", "completion.1", "like.0", "like.1", "shared.0"];
    for (level, gates) in
        report.levels.iter().zip([vec!["completion", "like", "shared"], vec!["completion", "like"]])
    {
        assert_eq!(level.experts, experts);
        assert_eq!(level.gates.keys().collect::<Vec<_>>(), gates);
        let like = &level.gates["like"];
        assert!((like.weights.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{like:?}");
        assert_eq!(like.weights[..2], [0.0, 0.0], "the other task's experts are not among its choices");
        assert!((0.0..=1.0).contains(&like.entropy), "{like:?}");
    }
    assert!(reports("{kind: shared-bottom}").iter().all(|health| health.levels.is_empty()));
}

/// A learning rate that changes nothing, and a batch of all rows, so that a report is about the start values.
const STILL: [&str; 4] = [
    "train.optimizer={kind: sgd, lr: 1e-30}",
    "train.table_optimizer={kind: sgd}",
    "train.batch_size=4096",
    "train.epochs=1",
];

fn gradients(cfg: &Config, dir: &std::path::Path, name: &str) -> (GradientHealth, BTreeMap<String, f64>) {
    let (mut found, mut balanced) = (None, BTreeMap::new());
    run_in(cfg, &load(cfg), &dir.join(name), &mut |event| match event {
        Event::Health { health, .. } => found = Some(health.gradients.clone()),
        Event::Progress { cosines, .. } => balanced.clone_from(cosines),
        _ => {}
    });
    (found.expect("a report"), balanced)
}

#[test]
fn norms_by_part_are_those_of_the_gradient() {
    let dir = folder(&rows(600));
    let cfg = config(
        dir.path(),
        &[&STILL[..], &["model={kind: cgc, expert: [6], embedding: {width: 4}}"]].concat(),
    );
    let (found, _) = gradients(&cfg, dir.path(), "run");

    let data = load(&cfg);
    let (schema, rule) = (&data.schema, cfg.train.table_optimizer);
    let layer = InputLayer::new(&cfg.model, schema, &data.encoders, rule, 1, &Device::Cpu).expect("tables");
    let params = Params::new(1);
    let model = build(&cfg.model, layer.width(), &schema.heads(), params.builder(DType::F32, &Device::Cpu));
    let (model, objective) = (model.expect("a model"), Objective::new(&cfg, &schema.tasks).expect("losses"));
    let batch = data.train.as_batch().clone();
    let (labels, mask) = (batch.labels.clone(), batch.mask.clone());
    let labelled = Labelled { rows: batch.rows(), labels, mask, groups: None };
    let features = Features::of(batch).expect("features");
    let loss = params.backward(|run| {
        let xs = layer.forward(&features, run).map_err(candle_core::Error::wrap)?;
        let logits = model.forward(&model.read(&xs, run)?, run)?;
        let loss = objective.loss(&logits, &labelled);
        Ok(loss.map_err(candle_core::Error::wrap)?.total)
    });
    loss.expect("a gradient");
    let norm = |fits: &dyn Fn(&str) -> bool| {
        let own = params.all().into_iter().filter(|param| fits(&param.name));
        let squares = own.flat_map(|param| param.gradient.lock().host.clone()).map(|g| f64::from(g).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let tables = ["user", "tags"]
        .map(|table| layer.embeddings().expect("tables").gradient(table).expect("one").values);
    let tables = tables.iter().flatten().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let expected = [
        ("embeddings", tables),
        ("shared", norm(&|name| name.starts_with("experts.shared."))),
        ("own", norm(&|name| name.starts_with("experts.") && !name.starts_with("experts.shared."))),
        ("gates", norm(&|name| name.starts_with("gates."))),
        ("towers", norm(&|name| name.starts_with("towers."))),
    ];
    assert_eq!(found.norms.len(), expected.len(), "{found:?}");
    for (part, norm) in expected {
        assert!(norm > 0.0, "{part}");
        approx::assert_relative_eq!(found.norms[part], norm, max_relative = 1e-5);
    }
}

#[test]
fn plain_training_reports_the_angles_that_gradient_balancing_sees() {
    let dir = folder(&rows(600));
    let cfg = |kind: &str| {
        let balance = format!("train.balance.kind={kind}");
        config(dir.path(), &[&STILL[..], &["model={kind: shared-bottom, bottom: [6]}", &balance]].concat())
    };
    let (plain, none) = gradients(&cfg("fixed"), dir.path(), "plain");
    let (balanced, seen) = gradients(&cfg("pcgrad"), dir.path(), "balanced");
    assert!(none.is_empty());
    assert_eq!(plain.cosines.keys().collect::<Vec<_>>(), ["click/buy"]);
    approx::assert_relative_eq!(plain.cosines["click/buy"], seen["click/buy"], epsilon = 1e-5);
    approx::assert_relative_eq!(plain.cosines["click/buy"], balanced.cosines["click/buy"], epsilon = 1e-6);
    let alone = config(dir.path(), &[&STILL[..], &["model={kind: single-task, bottom: [6]}"]].concat());
    let (alone, _) = gradients(&alone, dir.path(), "alone");
    assert!(alone.cosines.is_empty() && alone.norms.contains_key("own"), "{alone:?}");
}

/// A network of so many experts on two columns.
fn wide(dir: &std::path::Path, experts: usize) -> Config {
    let draw = |salt| mt_features::permutation(2000, 5, salt);
    let (a, b, c) = (draw(1), draw(2), draw(3));
    let row = |i: usize| format!("{},{},{},{}\n", a[i], b[i], (a[i] + c[i]) / 2000, (b[i] + c[i]) / 2000);
    let text = "a,b,click,buy\n".to_owned() + &(0..2000).map(row).collect::<String>();
    std::fs::write(dir.join("wide.csv"), text).expect("a file");
    let text = format!(
        "version: 1\nname: wide\ndata: {{csv: {{train: '{}'}}, valid_fraction: 0}}\ntasks: [{{name: click, label: click}}, \
         {{name: buy, label: buy}}]\nmodel: {{kind: mmoe, experts: {experts}, expert: [8], tower: [4]}}\ntrain: {{epochs: \
         1, batch_size: 128}}\n",
        dir.join("wide.csv").display()
    );
    Config::parse(&text, "test.yaml", &[]).expect("valid")
}

#[test]
fn a_thousand_experts_are_looked_at_in_less_time_than_their_epoch() {
    let dir = tempfile::tempdir().expect("a folder");
    let cfg = wide(dir.path(), 1024);
    let (mut last, mut took, mut level) = (std::time::Instant::now(), None, None);
    let mut seconds = 0.0;
    run_in(&cfg, &load(&cfg), &dir.path().join("run"), &mut |event| match event {
        Event::Progress { .. } => last = std::time::Instant::now(),
        Event::Health { health, .. } => {
            (took, level) = (Some(last.elapsed().as_secs_f64()), Some(health.levels[0].clone()));
        }
        Event::Epoch { seconds: s, .. } => seconds = *s,
        _ => {}
    });
    let (took, level) = (took.expect("a look"), level.expect("a level"));
    // With the gradient of a batch, which is one of 16 steps; a tenth on a quiet machine.
    assert!(took < 0.5 * seconds + 0.2, "{took} s after an epoch of {seconds} s");
    assert_eq!((level.experts.len(), level.ranked), (1024, Some(32)));
    assert!(level.effective_rank > 1.5 && level.effective_rank < 32.0, "{}", level.effective_rank);
    assert_eq!(level.gates["click"].weights.len(), 1024);
    assert!((level.gates["click"].weights.iter().sum::<f64>() - 1.0).abs() < 1e-4);
}

#[test]
fn a_run_that_is_stopped_at_the_end_of_an_epoch_looks_at_nothing_and_keeps_the_epoch() {
    let dir = tempfile::tempdir().expect("a folder");
    let cfg = wide(dir.path(), 8);
    let (data, stop) = (load(&cfg), AtomicBool::new(false));
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a run");
    let (mut looks, mut epochs) = (0, 0);
    train(&cfg, &data, &Device::Cpu, &run, &stop, &mut |event| match event {
        Event::Progress { rows: 2000, .. } => stop.store(true, std::sync::atomic::Ordering::Relaxed),
        Event::Health { .. } => looks += 1,
        Event::Epoch { .. } => epochs += 1,
        _ => {}
    })
    .expect("stops");
    assert_eq!((looks, epochs), (0, 1));
    assert_eq!(run.epochs().expect("checkpoints"), [1]);
}
