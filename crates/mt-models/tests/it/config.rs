//! What a model section may not say.

use mt_models::{Levels, ModelConfig, ModelKind};

fn message(cfg: &ModelConfig) -> String {
    cfg.resolve().expect_err("must be refused").to_string()
}

#[test]
fn a_key_of_another_kind_is_refused_with_the_kinds_own() {
    let cfg = ModelConfig { experts: Some(4), ..ModelConfig::new(ModelKind::SharedBottom) };
    assert_eq!(
        message(&cfg),
        "model.experts: a shared-bottom has none; it takes bottom, tower, init, budget"
    );
    let cfg = ModelConfig { levels: Some(Levels::Equal(2)), ..ModelConfig::new(ModelKind::Cgc) };
    assert_eq!(
        message(&cfg),
        "model.levels: a cgc has none; it takes experts_per_task, shared_experts, expert, gate, temperature, tower, \
         init, budget"
    );
}

#[test]
fn sizes_out_of_bounds_are_refused() {
    let mmoe = || ModelConfig::new(ModelKind::Mmoe);
    let cases = [
        (ModelConfig { experts: Some(0), ..mmoe() }, "model.experts: expected at least 1, found 0"),
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
            "model.levels: expected at least 1, found 0",
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
