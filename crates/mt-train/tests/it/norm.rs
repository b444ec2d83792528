//! Normalised layers and evenly used gates in training, from the first step to a loaded checkpoint.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Tensor};
use mt_bundle::Predictor;
use mt_data::Dataset;
use mt_train::{Config, Event, Health, Outcome, RunDir, train};

use crate::fields::bits;
use crate::training::files;

fn config(model: &str, more: &[&str]) -> Config {
    // 1601 rows for training: the last batch of an epoch has a single one.
    let text = format!(
        "version: 1\nname: test\ndata:\n  synth: {{rows: 2001}}\ntasks:\n- {{name: completion, label: completion}}\n\
         - {{name: like, label: like}}\nmodel: {model}\ntrain:\n  epochs: 3\n  batch_size: 100\n  log_every: 4\n  \
         optimizer: {{lr: 0.01}}\n"
    );
    let more: Vec<String> = more.iter().map(|&set| set.to_owned()).collect();
    Config::parse(&text, "test.yaml", &more).expect("valid")
}

fn run(cfg: &Config, dir: &Path, stop_at: u64, health: &mut Vec<Health>) -> (Dataset, RunDir, Outcome) {
    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect("data");
    let run = match dir.exists() {
        true => RunDir::open(dir).expect("a run").0,
        false => RunDir::create(dir, cfg).expect("a folder"),
    };
    let stop = AtomicBool::new(false);
    let outcome = train(cfg, &data, &Device::Cpu, &run, &stop, &mut |event| match event {
        Event::Progress { step, .. } => stop.store(*step >= stop_at, Ordering::Relaxed),
        Event::Health { health: report, .. } => health.push(report.clone()),
        _ => {}
    });
    (data, run, outcome.expect("trains"))
}

#[test]
fn normalised_models_learn_resume_to_the_bit_and_predict_from_their_checkpoint() {
    let dir = tempfile::tempdir().expect("a folder");
    let models = [
        "{kind: shared-bottom, bottom: [16, 8], norm: batch}",
        "{kind: single-task, bottom: [8], tower: [], norm: layer}",
        "{kind: mmoe, experts: 3, expert: [8, 8], norm: batch}",
        "{kind: ple, norm: layer}",
        "{kind: cgc, norm: batch}",
        "{kind: aitm, bottom: [16, 8], norm: batch}",
        "{kind: ppnet, bottom: [8, 8], gate: [], norm: layer}",
        "{kind: dbmtl, experts: 3, specific: [8, 8], norm: batch}",
    ];
    for (i, model) in models.into_iter().enumerate() {
        let extra: &[&str] = match i {
            2 => &["train.shards=2", "train.average=0.9"],
            3 | 5 | 7 => &["train.balance.kind=pcgrad"],
            4 => &["train.balance.kind=famo", "train.load_balance=0.1"],
            _ => &[],
        };
        let cfg = config(model, extra);
        let path = |what: &str| dir.path().join(format!("{what}-{i}"));
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool");
        let (data, folder, outcome) =
            pool(1).install(|| run(&cfg, &path("straight"), u64::MAX, &mut Vec::new()));
        for stop_at in [12, 28, u64::MAX] {
            pool(3).install(|| run(&cfg, &path("stopped"), stop_at, &mut Vec::new()));
        }
        let checkpoints = |what: &str| files(&path(what).join("checkpoints"));
        assert!(checkpoints("straight") == checkpoints("stopped"), "{model}");
        let best = outcome.best.expect("a best epoch");
        assert!(best.value.expect("an AUC") > 0.55, "{model}: {best:?}");

        let valid = data.valid.as_ref().expect("validation rows");
        let scored = outcome.scorer.predict(valid, &Device::Cpu).expect("predictions");
        let predictor = Predictor::load(&folder.checkpoint(best.epoch), &Device::Cpu).expect("a model");
        let batch = valid.slice(0..valid.len());
        let loaded = predictor.predict(batch.numeric, batch.fields).expect("predictions");
        assert_eq!(bits(&loaded), bits(&scored), "{model}");
    }
}

/// The weights of the gate of `like`, at the end of the last epoch, and how unevenly they are spread.
fn imbalance(health: &[Health]) -> f64 {
    let weights = &health.last().expect("a report").levels[0].gates["like"].weights;
    weights.len() as f64 * weights.iter().map(|w| w * w).sum::<f64>() - 1.0
}

#[test]
fn the_importance_loss_lowers_a_planted_imbalance() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = "{kind: mmoe, experts: 4, expert: [8]}";
    let (_, first, _) =
        run(&config(model, &["train.epochs=1"]), &dir.path().join("first"), u64::MAX, &mut Vec::new());
    // A gate that looks at expert 2 alone.
    let path = first.checkpoint(1).join("weights.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).expect("weights");
    let planted = Tensor::new(&[[0f32, 0.0, 4.0, 0.0]], &Device::Cpu).expect("a bias");
    tensors.insert("gates.like.0.bias".into(), planted);
    candle_core::safetensors::save(&tensors, &path).expect("written");
    crate::fields::seal(&first.checkpoint(1));
    let start = format!("train.warm_start={{from: '{}'}}", first.checkpoint(1).display());
    let trained = |name: &str, more: &[&str]| {
        let mut health = Vec::new();
        run(&config(model, &[&[&*start], more].concat()), &dir.path().join(name), u64::MAX, &mut health);
        imbalance(&health)
    };
    let plain = trained("plain", &[]);
    let balanced = trained("balanced", &["train.load_balance=0.3"]);
    let parts = trained("parts", &["train.load_balance=0.3", "train.shards=2"]);
    assert!(plain > 0.5 && balanced < 0.2 * plain, "{plain} {balanced}");
    assert!((parts - balanced).abs() < 0.2 * balanced, "{parts} {balanced}");
}

#[test]
fn what_cannot_be_normalised_or_balanced_is_refused_with_its_key() {
    let text = config("{kind: mmoe}", &[]).to_yaml().expect("yaml");
    let cases: [(&[&str], &str); 5] = [
        (&["model.norm=btch"], "unknown value \"btch\"; did you mean \"batch\"?"),
        (
            &["model.norm=batch", "train.batch_size=1"],
            "--set train.batch_size=1: train.batch_size: expected at least 2 rows a shard with model.norm: batch, found 1",
        ),
        (&["train.load_balance=-1"], "train.load_balance: expected a number from 0, found -1"),
        (
            &["train.load_balance=0.1", "model={kind: shared-bottom}"],
            "--set train.load_balance=0.1: train.load_balance: shared-bottom has no experts",
        ),
        (
            &["train.load_balance=0.1", "train.balance.kind=pcgrad"],
            "train.balance.kind: pcgrad weighs gradients of the tasks' losses alone",
        ),
    ];
    for (set, expected) in cases {
        let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
        let error = Config::parse(&text, "test.yaml", &set).expect_err("must be refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
}
