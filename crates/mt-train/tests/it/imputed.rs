//! A run with a loss that is imputed where a task has no label.

use candle_core::Device;
use mt_bundle::{Predictor, Signature};
use mt_train::{Event, RunDir};

use crate::fields::{assert_goes_on, config, folder, load, predictions_of_the_best, rows, run_in};

const TASKS: &str = "tasks=[{name: click, label: click}, {name: buy, label: click && buy, prediction: click * cvr}, \
                     {name: cvr, label: buy, where: click}]";
const IMPUTED: &str = "train.propensities={cvr: {of: click, imputed: cvr_error}}";

#[test]
fn it_learns_and_nothing_of_it_is_predicted() {
    let dir = folder(&rows(3000));
    let cfg = config(dir.path(), &[TASKS, IMPUTED, "train.epochs=5", "train.select.task=cvr"]);
    let data = load(&cfg);
    let mut last = None;
    let (run, outcome) = run_in(&cfg, &data, &dir.path().join("run"), &mut |event| {
        if let Event::Epoch { valid, .. } = event {
            last = valid.clone();
        }
    });
    let evaluation = last.expect("an epoch");
    let auc = |task: &str| evaluation.task(task).expect("a task").metrics.ranking().expect("both classes");
    assert!(auc("cvr") > 0.99 && auc("buy") > 0.9 && auc("click") > 0.85, "{evaluation:?}");
    for row in predictions_of_the_best(&run, &outcome, &data).chunks_exact(3) {
        assert_eq!((row[0] * row[2]).to_bits(), row[1].to_bits(), "buy is click times cvr");
    }
    let checkpoint = run.checkpoint(5);
    let predictor = Predictor::load(&checkpoint, &Device::Cpu).expect("a model");
    assert_eq!((predictor.width(), predictor.signature().format), (3, 3));
    // Its head is there, and has learned.
    let weights =
        candle_core::safetensors::load(checkpoint.join(Signature::WEIGHTS), &Device::Cpu).expect("weights");
    let bias = weights["towers.cvr_error.1.bias"].to_vec1::<f32>().expect("values");
    assert!(bias[0] < -0.01, "{bias:?}");
}

#[test]
fn a_stopped_run_goes_on_to_the_same_bytes_whatever_the_threads_and_the_method() {
    let dir = folder(&rows(600));
    for method in ["fixed", "random", "pcgrad"] {
        let balance = format!("train.balance.kind={method}");
        let cfg = config(dir.path(), &[TASKS, IMPUTED, &balance, "train.epochs=2"]);
        assert_goes_on(&cfg, &load(&cfg), dir.path(), method);
    }
}

#[test]
fn rows_that_were_read_for_other_heads_are_refused() {
    let dir = folder(&rows(300));
    let plain = config(dir.path(), &[TASKS]);
    let cfg = config(dir.path(), &[TASKS, IMPUTED]);
    for (read, trained) in [(&plain, &cfg), (&cfg, &plain)] {
        let data = load(read);
        let run = RunDir::create(&dir.path().join("run"), trained).expect("a folder");
        let stop = std::sync::atomic::AtomicBool::new(false);
        let refused =
            mt_train::train(trained, &data, &Device::Cpu, &run, &stop, &mut |_| ()).expect_err("other heads");
        let expected =
            "train.propensities.cvr: the rows were read for other heads; read them with this configuration";
        assert_eq!(refused.to_string(), expected);
        std::fs::remove_dir_all(dir.path().join("run")).expect("removed");
    }
}
