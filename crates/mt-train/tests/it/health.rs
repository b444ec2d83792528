//! The report on experts and gates.

use std::sync::atomic::AtomicBool;

use candle_core::Device;
use mt_data::Dataset;
use mt_train::{Config, Event, Health, RunDir, train};

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
    assert!(reports("{kind: shared-bottom}").is_empty());
}
