//! Gates and towers that read columns of their own.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use mt_features::{Field, Schema};
use mt_layers::{Input, Params, Run, SparseRows};
use mt_models::{Error, Model, ModelConfig, build, count, inventory};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};

use crate::gradients::{KINDS, fields, named, rows, tasks};

const COLUMNS: usize = 9;
const TASKS: [&str; 3] = ["like", "share", "watch"];
const GATED: [&str; 4] = ["mmoe", "cgc", "ple", "ppnet"];

/// Of the second task.
fn own(columns: &[usize]) -> BTreeMap<String, Vec<String>> {
    let names: Vec<String> = columns.iter().rev().map(|column| format!("x{column}")).collect();
    fields(TASKS[1], &names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The model twice, with gradients and as it predicts. The layers that `constant` picks by their names give biases alone.
fn models(cfg: &ModelConfig, constant: impl Fn(&str) -> bool) -> Result<[Box<dyn Model>; 2]> {
    let (tasks, params) = (tasks(&TASKS), Params::new(5));
    let inputs = named(cfg, COLUMNS, &tasks);
    let trained = build(cfg, &inputs, &mt_features::heads(&tasks), params.builder(DType::F32, &Device::Cpu))
        .expect("a model");
    let changed = params.all().into_iter().map(|param| {
        let tensor = param.var.as_tensor();
        let value = match param.name.rsplit_once('.') {
            Some((layer, "weight")) if constant(layer) => tensor.zeros_like()?,
            Some((layer, "bias")) if constant(layer) => {
                let values = (0..tensor.elem_count()).map(|i| 0.1 + i as f32 / 50.0).collect::<Vec<_>>();
                Tensor::from_vec(values, tensor.shape(), &Device::Cpu)?
            }
            _ => tensor.copy()?,
        };
        Ok((param.name, value))
    });
    params.assign(&changed.collect::<Result<_>>()?)?;
    let predicting = build(cfg, inputs, &mt_features::heads(&tasks), params.frozen(DType::F32, &Device::Cpu))
        .expect("a model");
    Ok([trained, predicting])
}

/// For each task, the columns on which its logits depend: by their gradients, which must say what changed values do.
fn read_by(model: &dyn Model) -> Result<Vec<Vec<usize>>> {
    let xs = Var::from_tensor(&rows(COLUMNS)?.affine(1.0, 0.3)?)?;
    let sparse = |xs: &Tensor| Ok::<_, candle_core::Error>(Input::from(SparseRows::from_dense(xs)?));
    let logits = model.forward(&Input::from(xs.as_tensor()), &mut Run::evaluation())?;
    let mut found: Vec<Vec<usize>> = Vec::new();
    for task in 0..TASKS.len() {
        let mut gradients = logits.narrow(1, task, 1)?.sum_all()?.backward()?;
        let gradient = match gradients.remove(&xs) {
            Some(gradient) => gradient.abs()?.sum(0)?.to_vec1::<f32>()?,
            None => vec![0.0; COLUMNS],
        };
        found.push((0..COLUMNS).filter(|&column| gradient[column] != 0.0).collect());
    }
    let as_it_is = model.forward(&sparse(&xs)?, &mut Run::evaluation())?;
    for column in 0..COLUMNS {
        let mut step = [0f32; COLUMNS];
        step[column] = 0.5;
        let moved = xs.detach().broadcast_add(&Tensor::new(&step, &Device::Cpu)?)?;
        for (before, xs) in [(&logits, Input::from(&moved)), (&as_it_is, sparse(&moved)?)] {
            let after = model.forward(&xs, &mut Run::evaluation())?.to_vec2::<f32>()?;
            let before = before.to_vec2::<f32>()?;
            for (task, columns) in found.iter().enumerate() {
                let same = before.iter().zip(&after).all(|(a, b)| a[task].to_bits() == b[task].to_bits());
                assert_eq!(same, !columns.contains(&column), "task {task}, column {column}");
            }
        }
    }
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_gate_depends_on_its_columns_and_on_no_other(columns in subsequence((0..COLUMNS).collect::<Vec<_>>(), 1..COLUMNS)) {
        for (kind, gate) in GATED.into_iter().zip([vec![], vec![5], vec![], vec![5]]) {
            let cfg = ModelConfig { gate_fields: own(&columns), tower: vec![], ..ModelConfig::new(kind) }.with("gate", gate);
            for model in models(&cfg, |layer| layer.contains("experts.") || layer.contains("bottoms.")).expect("models") {
                let read = read_by(&*model).expect("gradients");
                let all: Vec<usize> = (0..COLUMNS).collect();
                prop_assert_eq!(&read, &[all.clone(), columns.clone(), all], "{}", kind);
            }
        }
    }

    #[test]
    fn a_tower_depends_on_its_columns_beside_its_stream(columns in subsequence((0..COLUMNS).collect::<Vec<_>>(), 1..COLUMNS)) {
        for kind in KINDS {
            let cfg = ModelConfig { tower_fields: own(&columns), tower: vec![], ..ModelConfig::new(kind) };
            for model in models(&cfg, |layer| !layer.starts_with("towers")).expect("models") {
                let read = read_by(&*model).expect("gradients");
                prop_assert_eq!(&read, &[vec![], columns.clone(), vec![]], "{}", kind);
            }
            for model in models(&cfg, |_| false).expect("models") {
                let read = read_by(&*model).expect("gradients");
                prop_assert!(read.iter().all(|columns| columns.len() == COLUMNS), "{}: {:?}", kind, read);
            }
        }
    }
}

#[test]
fn a_gate_that_names_all_columns_is_one_that_names_none() -> Result<()> {
    for kind in GATED {
        let plain = ModelConfig::new(kind);
        let all = ModelConfig { gate_fields: own(&(0..COLUMNS).collect::<Vec<_>>()), ..plain.clone() };
        let [[a, _], [b, _]] = [models(&plain, |_| false)?, models(&all, |_| false)?];
        let xs = Input::from(rows(COLUMNS)?);
        let [a, b] =
            [a, b].map(|model| model.forward(&xs, &mut Run::evaluation())?.flatten_all()?.to_vec1::<f32>());
        let (a, b) = (a?, b?);
        for (a, b) in a.into_iter().zip(b) {
            approx::assert_relative_eq!(a, b, epsilon = 1e-5, max_relative = 1e-5);
        }
    }
    Ok(())
}

#[test]
fn names_stay_and_only_the_first_layers_of_what_reads_less_or_more_change() {
    let tasks = tasks(&TASKS);
    for kind in KINDS {
        let of = |cfg: &ModelConfig| {
            inventory(cfg, named(cfg, COLUMNS, &tasks), &mt_features::heads(&tasks)).expect("parameters")
        };
        let plain = ModelConfig::new(kind);
        let mut cfg = ModelConfig { tower_fields: own(&[2, 4]), ..plain.clone() };
        let mut expected = vec![format!("towers.{}.0.weight", TASKS[1])];
        let mut fewer = 0;
        if GATED.contains(&kind) {
            cfg.gate_fields = own(&[0, 1, 8]);
            let (level, choices) = match kind {
                "ple" => ("levels.0.", 4),
                "cgc" => ("", 4),
                "ppnet" => ("", 32),
                _ => ("", 8),
            };
            expected.insert(0, format!("{level}gates.{}.0.weight", TASKS[1]));
            fewer = (COLUMNS - 3) * choices;
        }
        let (before, after) = (of(&plain), of(&cfg));
        assert!(before.keys().eq(after.keys()), "{kind}");
        let changed: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
        assert_eq!(changed, expected.iter().collect::<Vec<_>>(), "{kind}");
        assert_eq!(count(&after), count(&before) + 2 * 8 - fewer, "{kind}");
    }
}

/// A stage with this prior.
fn epnet(fields: &Value) -> Vec<BTreeMap<String, Value>> {
    vec![[("kind".to_owned(), json!("epnet")), ("fields".to_owned(), fields.clone())].into()]
}

/// A stage of pairs behind it.
fn pairs(fields: &Value) -> Vec<BTreeMap<String, Value>> {
    let fm = [("kind".to_owned(), json!("fm")), ("fields".to_owned(), fields.clone())].into();
    epnet(&json!(["item"])).into_iter().chain([fm]).collect()
}

#[test]
fn what_names_nothing_or_names_it_twice_is_refused() {
    let new = ModelConfig::new;
    let of = |names: &[&str]| fields("like", names);
    let cases = [
        (
            ModelConfig { gate_fields: of(&["user"]), ..new("single-task") },
            "model.gate_fields: single-task has no such key (it takes bottom, embedding, attention, self_attention, stages, tower, tower_fields, init, norm, \
             budget)",
        ),
        (
            ModelConfig { gate_fields: of(&[]), ..new("ple") },
            "model.gate_fields.like: expected at least one field, found an empty list",
        ),
        (
            ModelConfig { tower_fields: of(&["user", "x", "user"]), ..new("shared-bottom") },
            "model.tower_fields.like: \"user\" is named twice",
        ),
        (
            ModelConfig { tower_fields: of(&["itm"]), ..new("shared-bottom") },
            "model.tower_fields.like: the data has no field or numeric column \"itm\"; did you mean \"item\"?",
        ),
        (
            ModelConfig { stages: epnet(&json!(["itm"])), ..new("mmoe") },
            "model.stages[0].fields: the data has no field or numeric column \"itm\"; did you mean \"item\"?",
        ),
        (
            ModelConfig { stages: epnet(&json!(["item", "item"])), ..new("mmoe") },
            "model.stages[0].fields: \"item\" is named twice",
        ),
        (
            ModelConfig { stages: epnet(&json!([])), ..new("mmoe") },
            "model.stages[0].fields: expected the fields that the gate learns from, such as [tab]",
        ),
        (
            ModelConfig { stages: pairs(&json!(["item", "usr"])), ..new("mmoe") },
            "model.stages[1].fields: the data has no field or numeric column \"usr\"; did you mean \"user\"?",
        ),
        (
            ModelConfig { stages: pairs(&json!(["item", "user", "x"])), ..new("mmoe") },
            "model.stages[1].fields: expected fields of one width, found 16 columns of \"item\" and 1 of \"x\"",
        ),
        (
            ModelConfig { stages: pairs(&json!(["item"])), ..new("mmoe") },
            "model.stages[1].fields: expected two fields or more, found 1",
        ),
        (
            ModelConfig { stages: pairs(&json!([])), ..new("mmoe") },
            "model.stages[1].fields: expected the fields whose pairs are multiplied, such as [user, item]",
        ),
        (
            ModelConfig { tower_fields: fields("likes", &["item"]), ..new("shared-bottom") },
            "model.tower_fields.likes: there is no such head; the heads are like, tab, seconds",
        ),
    ];
    let field = |name: &str| Field { name: name.into(), column: name.into(), table: name.into(), list: None };
    let schema = Schema {
        numeric: vec!["x".into()],
        fields: ["user", "item"].map(field).to_vec(),
        tasks: tasks(&["like", "tab", "seconds"]),
        ..Schema::default()
    };
    for (cfg, expected) in cases {
        let refused = cfg.resolve().and_then(|_| cfg.inputs(&schema)).expect_err("must be refused");
        assert!(matches!(refused, Error::Config { .. }) && refused.is_usage());
        assert_eq!(refused.to_string(), expected);
    }
    // Columns without names have no fields.
    let cfg = ModelConfig { tower_fields: of(&["x0"]), ..new("shared-bottom") };
    let vb = Params::new(1).builder(DType::F32, &Device::Cpu);
    assert!(build(&cfg, 3, &mt_features::heads(&tasks(&["like"])), vb).is_err());
}
