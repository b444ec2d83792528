//! The training loop on generated data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use mt_data::Dataset;
use mt_train::{Config, Error, Event, Outcome, RunDir, read_state, train};

fn config(model: &str, extra: &str) -> Config {
    let text = format!(
        "version: 1\nname: test\ndata:\n  synth: {{rows: 4000}}\ntasks:\n- {{name: completion, label: completion}}\n\
         - {{name: like, label: like}}\nmodel: {model}\ntrain:\n  epochs: 2\n  batch_size: 96\n{extra}"
    );
    Config::parse(&text, "test.yaml", &[]).expect("valid")
}

fn run(cfg: &Config, dir: &Path, observe: &mut dyn FnMut(&Event)) -> Result<Outcome, Error> {
    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ())?;
    train(cfg, &data, &Device::Cpu, &RunDir::create(dir, cfg)?, &AtomicBool::new(false), observe)
}

/// Every file below a folder with its bytes.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            all.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
    all
}

/// Half of the smallest normal number, which a processor that flushes denormal ones takes for 0.
fn half_of_the_smallest() -> f32 {
    std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5)
}

#[test]
fn training_changes_the_arithmetic_of_no_other_code() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut events = 0;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    pool.install(|| {
        run(&config("{kind: mmoe}", ""), &dir.path().join("run"), &mut |_| {
            events += 1;
            assert!(half_of_the_smallest() > 0.0, "in what is told of a run");
        })
        .expect("trains");
        assert!(rayon::broadcast(|_| half_of_the_smallest()).iter().all(|x| *x > 0.0), "on a worker");
    });
    assert!(events > 2);
}

#[test]
fn every_model_learns_the_generated_tastes() {
    for kind in ["shared-bottom", "single-task", "mmoe", "cgc", "ple", "aitm", "ppnet", "dbmtl"] {
        let cfg = config(
            &format!("{{kind: {kind}}}"),
            "  optimizer: {lr: 0.01}\n  epochs: 4\n".trim_end_matches("  epochs: 4\n"),
        );
        let dir = tempfile::tempdir().expect("a folder");
        let mut auc = None;
        let outcome = run(&cfg, &dir.path().join("run"), &mut |event| {
            if let Event::Epoch { valid: Some(valid), .. } = event {
                auc = valid.mean(|task| task.ranking());
            }
        });
        assert_eq!(outcome.expect("trains").epochs, 2);
        assert!(auc.expect("an auc") > 0.6, "{kind}: {auc:?}");
    }
}

#[test]
fn checkpoints_do_not_depend_on_the_number_of_threads_or_the_run() {
    for model in [
        "{kind: ple}",
        "{kind: mmoe, gate: [8]}",
        "{kind: shared-bottom}",
        "{kind: aitm}",
        "{kind: ppnet}",
        "{kind: dbmtl, experts: 2}",
    ] {
        let cfg = config(model, "");
        let dir = tempfile::tempdir().expect("a folder");
        let checkpoints: Vec<_> = [1, 2, 5, 1]
            .into_iter()
            .enumerate()
            .map(|(i, threads)| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
                let path = dir.path().join(i.to_string());
                pool.install(|| run(&cfg, &path, &mut |_| ())).expect("trains");
                files(&path.join("checkpoints"))
            })
            .collect();
        assert_eq!(checkpoints[0].len(), 12, "two epochs of six files: {:?}", checkpoints[0].keys());
        for other in &checkpoints[1..] {
            assert!(*other == checkpoints[0], "{model}");
        }
    }
}

#[test]
fn the_seed_decides_the_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let weights = |name: &str, seed: u64| {
        let mut cfg = config("{kind: mmoe}", "");
        cfg.train.seed = seed;
        run(&cfg, &dir.path().join(name), &mut |_| ()).expect("trains");
        std::fs::read(dir.path().join(name).join("checkpoints/epoch-002/weights.safetensors"))
            .expect("weights")
    };
    assert_ne!(weights("a", 1), weights("b", 2));
}

#[test]
fn old_checkpoints_go_and_the_best_stays() {
    let mut cfg = config("{kind: shared-bottom}", "");
    (cfg.train.epochs, cfg.train.keep) = (6, 2);
    // A rate that soon overshoots, so that the best epoch is not among the last.
    cfg.train.optimizer.lr = 0.3;
    let dir = tempfile::tempdir().expect("a folder");
    let outcome = run(&cfg, &dir.path().join("run"), &mut |_| ()).expect("trains");
    let (run, _) = RunDir::open(&dir.path().join("run")).expect("a run");
    let best = run.best().expect("readable").expect("a best epoch");
    assert_eq!(Some(best), outcome.best);
    let mut expected = vec![best.epoch, 5, 6];
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(run.epochs().expect("epochs"), expected);
    assert_eq!(read_state(&run.checkpoint(best.epoch)).expect("a state").selected.last(), Some(&best.value));
}

#[test]
fn an_interrupted_run_leaves_a_checkpoint() {
    let cfg = config("{kind: cgc}", "  log_every: 5\n");
    let dir = tempfile::tempdir().expect("a folder");
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a folder");
    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect("data");
    let stop = AtomicBool::new(false);
    let outcome = train(&cfg, &data, &Device::Cpu, &run, &stop, &mut |event| {
        if let Event::Progress { step: 40.., .. } = event {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let outcome = outcome.expect("stops cleanly");
    assert!(outcome.interrupted && outcome.epochs == 1);
    // The step after the one at which it was asked to stop.
    let state = read_state(&run.step(41)).expect("a state");
    assert_eq!((state.epoch, state.rows, state.step), (1, 96 * (41 - 34), 41));
    mt_bundle::Predictor::load(&run.step(41), &Device::Cpu).expect("a usable checkpoint");
}

#[test]
fn symmetric_start_values_are_refused_unless_asked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut cfg = config("{kind: mmoe, init: paddlerec-constant}", "");
    let error = run(&cfg, &dir.path().join("a"), &mut |_| ()).expect_err("must be refused");
    assert!(error.to_string().starts_with("units of experts.0.weight start equal"), "{error}");
    cfg.train.allow_symmetry = true;
    run(&cfg, &dir.path().join("b"), &mut |_| ()).expect("allowed");
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_keeps_what_was_there() {
    let mut cfg = config("{kind: mmoe}", "");
    cfg.train.optimizer.kind = mt_train::OptimizerKind::Sgd;
    cfg.train.optimizer.lr = 1e30;
    let dir = tempfile::tempdir().expect("a folder");
    let error = run(&cfg, &dir.path().join("run"), &mut |_| ()).expect_err("must diverge");
    assert!(matches!(error, Error::Diverged { step: 2.., .. }), "{error}");
}

#[test]
fn a_folder_with_a_run_is_not_overwritten() {
    let cfg = config("{kind: mmoe}", "");
    let dir = tempfile::tempdir().expect("a folder");
    RunDir::create(dir.path(), &cfg).expect("an empty folder will do");
    let error = RunDir::create(dir.path(), &cfg).expect_err("must be refused");
    assert!(
        error.to_string().ends_with("already holds a run; choose another folder or remove it"),
        "{error}"
    );
}

#[test]
fn a_resumed_run_ends_with_the_bytes_of_a_straight_one() {
    let mut cfg = config("{kind: ple}", "  log_every: 5\n");
    cfg.train.epochs = 4;
    let dir = tempfile::tempdir().expect("a folder");
    run(&cfg, &dir.path().join("straight"), &mut |_| ()).expect("trains");

    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect("data");
    let path = dir.path().join("stopped");
    let mut folder = RunDir::create(&path, &cfg).expect("a folder");
    // Stopped in the middle of the second epoch, and again in the third.
    for at in [50, 90] {
        let stop = AtomicBool::new(false);
        let outcome = train(&cfg, &data, &Device::Cpu, &folder, &stop, &mut |event| {
            if let Event::Progress { step, .. } = event {
                stop.store(*step >= at, std::sync::atomic::Ordering::Relaxed);
            }
        });
        assert!(outcome.expect("stops cleanly").interrupted);
        folder = RunDir::open(&path).expect("a run").0;
    }
    let outcome = train(&cfg, &data, &Device::Cpu, &folder, &AtomicBool::new(false), &mut |_| ());
    assert_eq!(outcome.expect("goes on").epochs, 4);
    assert!(files(&path.join("checkpoints")) == files(&dir.path().join("straight/checkpoints")));
    let best = |path: &Path| std::fs::read(path.join("best.json")).expect("a best epoch");
    assert_eq!(best(&path), best(&dir.path().join("straight")));
}
