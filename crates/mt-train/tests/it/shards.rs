//! A step in shards is as good as one in a single pass, and does not depend on how many ranks share them.

use candle_core::{Device, Tensor};
use mt_train::{Config, Event, read_state};

use crate::fields::{config, folder, load, rows, run_in};

/// The final checkpoint's tensors by name, the steps taken and the losses of the log.
fn trained(more: &[&str]) -> (Vec<(String, Tensor)>, u64, Vec<f64>) {
    let dir = folder(&rows(2000));
    // Of `buy` more than half of the labels are missing: batches differ in how many they have.
    let plain = ["train.optimizer={kind: sgd, lr: 0.5}", "train.table_optimizer={kind: sgd}"];
    let cfg: Config = config(dir.path(), &[&plain, more].concat());
    let mut losses = Vec::new();
    let (run, outcome) = run_in(&cfg, &load(&cfg), &dir.path().join("run"), &mut |event| {
        if let Event::Progress { tasks, .. } = event {
            losses.extend(tasks.values().map(|task| task.loss));
        }
    });
    assert_eq!(outcome.epochs, 2);
    let checkpoint = run.checkpoint(2);
    let load =
        |file: &str| candle_core::safetensors::load(checkpoint.join(file), &Device::Cpu).expect("tensors");
    let mut tensors: Vec<_> = load("weights.safetensors").into_iter().collect();
    tensors.extend(load("tables.safetensors").into_iter().filter(|(name, _)| name.ends_with(".values")));
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    (tensors, read_state(&checkpoint).expect("a state").step, losses)
}

#[test]
fn shards_give_the_weights_tables_and_losses_of_one_batch() {
    // 1600 rows: 40 are left over for the last step of an epoch, of which two shards are whole, one is not, and five are absent.
    let (large, steps, losses) = trained(&["train.batch_size=120"]);
    let (small, same_steps, same_losses) = trained(&["train.batch_size=120", "train.shards=8"]);
    assert_eq!((steps, same_steps), (28, 28));
    assert_close(&large, &small);
    for (a, b) in losses.iter().zip(&same_losses) {
        approx::assert_relative_eq!(*a, *b, max_relative = 1e-5);
    }
    assert_eq!(losses.len(), same_losses.len());
}

#[test]
fn rows_of_a_table_that_evicts_within_a_step_are_those_of_one_large_batch() {
    // Of 40 users about 18 are in a step of 24 rows; those of a step's first batches are the oldest in its last.
    for capacity in [20, 25, 35] {
        let fields = format!("data.fields=[{{column: user, encode: {{growing: {{capacity: {capacity}}}}}}}]");
        let (large, ..) = trained(&[&fields, "train.batch_size=24"]);
        let (small, ..) = trained(&[&fields, "train.batch_size=24", "train.shards=8"]);
        assert!(large.iter().any(|(name, rows)| name == "user.values" && rows.dims()[0] <= capacity + 2));
        assert_close(&large, &small);
    }
}

/// The same tensors, but for rounding.
fn assert_close(large: &[(String, Tensor)], small: &[(String, Tensor)]) {
    assert_eq!(large.len(), small.len());
    for ((name, a), (same, b)) in large.iter().zip(small) {
        assert_eq!(name, same);
        let values = |tensor: &Tensor| tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
        for (a, b) in values(a).into_iter().zip(values(b)) {
            approx::assert_relative_eq!(a, b, epsilon = 1e-5, max_relative = 1e-4);
        }
    }
}
