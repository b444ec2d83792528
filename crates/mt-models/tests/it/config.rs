//! What a model section may not say.

use mt_models::{LevelConfig, Levels, ModelConfig, ModelKind};

fn message(cfg: &ModelConfig) -> String {
    cfg.resolve().expect_err("must be refused").to_string()
}

#[test]
fn a_key_of_another_kind_is_refused_with_the_kinds_own() {
    let cfg = ModelConfig { experts: Some(4), ..ModelConfig::new(ModelKind::SharedBottom) };
    assert_eq!(
        message(&cfg),
        "model.experts: shared-bottom has no such key; it takes bottom, embedding, tower, tower_fields, init, norm, budget"
    );
    let cfg = ModelConfig { levels: Some(Levels::Equal(2)), ..ModelConfig::new(ModelKind::Cgc) };
    assert_eq!(
        message(&cfg),
        "model.levels: cgc has no such key; it takes experts_per_task, shared_experts, expert, gate, temperature, \
         gate_fields, embedding, tower, tower_fields, init, norm, budget"
    );
}

#[test]
fn sizes_out_of_bounds_are_refused() {
    let mmoe = || ModelConfig::new(ModelKind::Mmoe);
    let cases = [
        (ModelConfig { experts: Some(0), ..mmoe() }, "model.experts: expected 1 to 1024, found 0"),
        (
            ModelConfig { expert: Some(vec![]), ..mmoe() },
            "model.expert: expected at least one layer, found an empty list",
        ),
        (ModelConfig { expert: Some(vec![0]), ..mmoe() }, "model.expert: expected 1 to 65536 units, found 0"),
        (
            ModelConfig { tower: vec![70_000], ..mmoe() },
            "model.tower: expected 1 to 65536 units, found 70000",
        ),
        (
            ModelConfig { temperature: Some(0.0), ..mmoe() },
            "model.temperature: expected a number above 0, found 0",
        ),
        (
            ModelConfig { levels: Some(Levels::Equal(0)), ..ModelConfig::new(ModelKind::Ple) },
            "model.levels: expected 1 to 1024, found 0",
        ),
        (ModelConfig { experts: Some(80_000), ..mmoe() }, "model.experts: expected 1 to 1024, found 80000"),
        (
            ModelConfig { levels: Some(Levels::Equal(usize::MAX)), ..ModelConfig::new(ModelKind::Ple) },
            "model.levels: expected 1 to 1024, found 18446744073709551615",
        ),
        (
            ModelConfig { experts_per_task: Some(1025), ..ModelConfig::new(ModelKind::Cgc) },
            "model.experts_per_task: expected 0 to 1024, found 1025",
        ),
        (
            ModelConfig {
                levels: Some(Levels::Each(vec![LevelConfig {
                    shared_experts: Some(9999),
                    ..LevelConfig::default()
                }])),
                ..ModelConfig::new(ModelKind::Ple)
            },
            "model.levels[0].shared_experts: expected 0 to 1024, found 9999",
        ),
        (
            ModelConfig {
                experts_per_task: Some(0),
                shared_experts: Some(0),
                ..ModelConfig::new(ModelKind::Cgc)
            },
            "model.experts_per_task: expected at least one expert of a task or shared",
        ),
    ];
    for (cfg, expected) in cases {
        assert_eq!(message(&cfg), expected);
    }
}
