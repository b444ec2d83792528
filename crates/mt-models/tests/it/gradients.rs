//! Every parameter of every model learns.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use mt_features::{Schema, Task, TaskKind};
use mt_layers::{Input, Params, SparseRows};
use mt_models::{Embedded, Inputs, ModelConfig, Norm, build};
use serde_json::json;

pub const KINDS: [&str; 8] = ["shared-bottom", "single-task", "mmoe", "cgc", "ple", "aitm", "ppnet", "dbmtl"];

/// Those without gates.
const UNGATED: [&str; 4] = ["shared-bottom", "single-task", "aitm", "dbmtl"];

pub fn tasks(names: &[&str]) -> Vec<Task> {
    names.iter().map(|name| Task::new(*name, TaskKind::Binary)).collect()
}

/// So many numeric columns `x0`, `x1`, …
pub fn named(cfg: &ModelConfig, columns: usize, tasks: &[Task]) -> Inputs {
    let numeric = (0..columns).map(|column| format!("x{column}")).collect();
    let schema = Schema { numeric, tasks: tasks.to_vec(), ..Schema::default() };
    cfg.inputs(&schema).expect("columns that are there")
}

/// Fields of a task.
pub fn fields(task: &str, names: &[&str]) -> BTreeMap<String, Vec<String>> {
    [(task.to_owned(), names.iter().map(|&name| name.to_owned()).collect())].into()
}

/// A batch of 40 rows whose columns differ.
pub fn rows(inputs: usize) -> Result<Tensor> {
    let values =
        (0..40 * inputs).map(|i| if i % 3 == 0 { ((i * 37 % 101) as f32 - 50.0) / 50.0 } else { 0.0 });
    Tensor::from_vec(values.collect::<Vec<_>>(), (40, inputs), &Device::Cpu)
}

fn assert_all_learn(cfg: &ModelConfig) {
    let tasks = tasks(&["like", "share", "watch"]);
    let params = Params::new(7);
    let model = build(
        cfg,
        named(cfg, 12, &tasks),
        &mt_features::heads(&tasks),
        params.builder(DType::F32, &Device::Cpu),
    );
    let model = model.expect("a model");
    let xs = rows(12).expect("rows");
    for xs in [Input::from(&xs), SparseRows::from_dense(&xs).expect("rows").into()] {
        params.backward(|run| model.forward(&xs, run)?.sqr()?.sum_all()).expect("a loss");
        for param in params.all().into_iter().filter(|param| !Norm::is_statistic(&param.name)) {
            let mut gradient = param.gradient.lock();
            assert!(gradient.touched, "{:?}: {} gets no gradient", cfg.kind, param.name);
            assert!(
                gradient.host.iter().any(|g| *g != 0.0),
                "{:?}: {} has a zero gradient",
                cfg.kind,
                param.name
            );
            gradient.host.fill(0.0);
            gradient.clear();
        }
    }
}

#[test]
fn every_parameter_of_every_model_gets_a_gradient() {
    for kind in KINDS {
        assert_all_learn(&ModelConfig::new(kind));
        let deep = ModelConfig { tower: vec![6, 5], ..ModelConfig::new(kind) };
        assert_all_learn(&match kind {
            kind if UNGATED.contains(&kind) => deep.with("bottom", vec![9, 7]),
            "ppnet" => deep.with("bottom", vec![9, 7]).with("gate", Vec::<usize>::new()),
            "ple" => {
                let levels = json!([{"expert": [10, 8]}, {"expert": [6]}, {"expert": [5]}]);
                deep.with("levels", levels).with("gate", vec![4])
            }
            _ => deep.with("expert", vec![10, 8]).with("gate", vec![4]),
        });
    }
}

#[test]
fn relations_over_experts_learn_in_any_order() {
    for (relations, norm) in
        [(json!({"like": ["watch"], "share": ["like", "watch"]}), Norm::Layer), (json!({}), Norm::None)]
    {
        let cfg =
            ModelConfig { norm, ..ModelConfig::new("dbmtl") }.with("experts", 3).with("expert", vec![10, 8]);
        assert_all_learn(&cfg.with("specific", vec![9, 7]).with("relations", relations));
    }
}

#[test]
fn normalised_models_learn_everything_but_their_statistics() {
    for (kind, norm) in KINDS.into_iter().flat_map(|kind| [(kind, Norm::Layer), (kind, Norm::Batch)]) {
        assert_all_learn(&ModelConfig { norm, ..ModelConfig::new(kind) });
    }
}

#[test]
fn gates_and_towers_with_columns_of_their_own_learn() {
    for kind in KINDS {
        let tower_fields = fields("watch", &["x3", "x9"]);
        let mut cfg = ModelConfig { tower_fields, ..ModelConfig::new(kind) };
        if !UNGATED.contains(&kind) {
            cfg.gate_fields = fields("share", &["x0", "x6", "x9"]);
        }
        assert_all_learn(&cfg);
        assert_all_learn(&ModelConfig { norm: Norm::Layer, tower: vec![], ..cfg });
    }
}

#[test]
fn towers_without_hidden_layers_learn() {
    for kind in KINDS {
        assert_all_learn(&ModelConfig { tower: vec![], ..ModelConfig::new(kind) });
    }
}

#[test]
fn a_stage_that_weighs_the_input_learns_and_so_does_what_it_weighs() {
    let gate = json!({"kind": "epnet", "fields": ["x3", "x9"], "hidden": 6});
    let pairs = json!({"kind": "fm", "fields": ["x6", "x0"]});
    // Appended columns are read by the stages behind, too.
    let all = json!([[gate], [pairs], [pairs, gate, pairs, {"kind": "cross"}]]);
    let all: Vec<Vec<BTreeMap<_, _>>> = serde_json::from_value(all).expect("stages");
    for (kind, stages) in KINDS.into_iter().flat_map(|kind| all.iter().map(move |stages| (kind, stages))) {
        let tower_fields = fields("like", &["x0", "x9"]);
        let cfg = ModelConfig { stages: stages.clone(), tower_fields, ..ModelConfig::new(kind) };
        let tasks = tasks(&["like"]);
        let params = Params::new(7);
        let vb = params.builder(DType::F32, &Device::Cpu);
        let model = build(&cfg, named(&cfg, 12, &tasks), &mt_features::heads(&tasks), vb).expect("a model");
        let xs = Embedded { xs: rows(12).expect("rows").into(), lists: vec![] };
        params.backward(|run| model.forward(&model.read(&xs, run)?, run)?.sqr()?.sum_all()).expect("a loss");
        for param in params.all() {
            assert!(param.gradient.lock().host.iter().any(|g| *g != 0.0), "{kind}: {}", param.name);
        }
    }
}

#[test]
fn a_ple_whose_upper_level_shares_nothing_has_no_dead_gate() {
    let levels = json!([{"shared_experts": 2}, {"shared_experts": 0}]);
    assert_all_learn(&ModelConfig::new("ple").with("levels", levels));
}
