//! What a model section may not say.

use mt_models::ModelConfig;
use serde_json::json;

fn message(cfg: &ModelConfig) -> String {
    cfg.resolve().expect_err("must be refused").to_string()
}

#[test]
fn a_key_of_another_kind_is_refused_with_the_kinds_own() {
    let cfg = ModelConfig::new("shared-bottom").with("experts", 4);
    assert_eq!(
        message(&cfg),
        "model.experts: shared-bottom has no such key (it takes bottom, embedding, attention, self_attention, stages, tower, tower_fields, init, norm, budget)"
    );
    let cfg = ModelConfig::new("cgc").with("levels", 2);
    assert_eq!(
        message(&cfg),
        "model.levels: cgc has no such key (it takes temperature, experts_per_task, shared_experts, expert, gate, \
         gate_fields, embedding, attention, self_attention, stages, tower, tower_fields, init, norm, budget)"
    );
}

#[test]
fn sizes_out_of_bounds_are_refused() {
    let mmoe = || ModelConfig::new("mmoe");
    let cases = [
        (mmoe().with("experts", 0), "model.experts: expected 1 to 1024, found 0"),
        (mmoe().with("expert", json!([])), "model.expert: expected at least one layer, found an empty list"),
        (mmoe().with("expert", vec![0]), "model.expert: expected 1 to 65536 units, found 0"),
        (
            ModelConfig { tower: vec![70_000], ..mmoe() },
            "model.tower: expected 1 to 65536 units, found 70000",
        ),
        (mmoe().with("temperature", 0.0), "model.temperature: expected a number above 0, found 0"),
        (ModelConfig::new("ple").with("levels", 0), "model.levels: expected 1 to 1024, found 0"),
        (mmoe().with("experts", 80_000), "model.experts: expected 1 to 1024, found 80000"),
        (
            ModelConfig::new("ple").with("levels", usize::MAX),
            "model.levels: expected 1 to 1024, found 18446744073709551615",
        ),
        (
            ModelConfig::new("cgc").with("experts_per_task", 1025),
            "model.experts_per_task: expected 0 to 1024, found 1025",
        ),
        (
            ModelConfig::new("ple").with("levels", json!([{"shared_experts": 9999}])),
            "model.levels[0].shared_experts: expected 0 to 1024, found 9999",
        ),
        (
            ModelConfig::new("cgc").with("experts_per_task", 0).with("shared_experts", 0),
            "model.experts_per_task: expected at least one expert of a task or shared",
        ),
    ];
    for (cfg, expected) in cases {
        assert_eq!(message(&cfg), expected);
    }
}
