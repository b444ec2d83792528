//! Training on a card beside the CPU: `cargo test -p mt-train --features cuda -- --ignored`.

use std::sync::atomic::AtomicBool;

use candle_core::Device;
use mt_data::Dataset;
use mt_train::{Config, Event, RunDir, train};

/// The mean loss of the first epoch, a line of the log at a time.
fn losses(kind: &str, device: &Device) -> Vec<f64> {
    let text = format!(
        "version: 1\nname: test\ndata: {{synth: {{rows: 20000}}}}\ntasks:\n- {{name: completion, label: completion}}\n\
         - {{name: like, label: like}}\nmodel: {{kind: {kind}}}\ntrain: {{epochs: 1, batch_size: 512, log_every: 10}}\n"
    );
    let cfg = Config::parse(&text, "test.yaml", &[]).expect("valid");
    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect("data");
    let dir = tempfile::tempdir().expect("a folder");
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a run");
    let mut losses = Vec::new();
    train(&cfg, &data, device, &run, &AtomicBool::new(false), &mut |event| {
        if let Event::Progress { loss, .. } = event {
            losses.push(*loss);
        }
    })
    .expect("trains");
    losses
}

#[test]
#[ignore = "needs a CUDA device"]
fn a_card_learns_as_the_cpu_does() {
    let card = Device::new_cuda(0).expect("a CUDA device");
    for kind in ["shared-bottom", "single-task", "mmoe", "cgc", "ple"] {
        for (cpu, cuda) in losses(kind, &Device::Cpu).into_iter().zip(losses(kind, &card)) {
            // Sums in another order; a few hundred steps let the difference grow.
            approx::assert_relative_eq!(cpu, cuda, max_relative = 2e-3);
        }
    }
}
