//! Models of every kind in folders, as training leaves them.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use mt_bundle::{Signature, write_json};
use mt_features::fields::TableEncoder;
use mt_features::{
    Encoder, Encoders, Field, Keep, Layout, List, MissingPolicy, Normalizer, NumericMissing, Pooling,
    Scaling, Schema,
};
use mt_layers::{Params, Run};
use mt_models::testing::product;
use mt_models::{InputLayer, Link, ModelConfig, Norm, Ordinal, Registry, Target, Task, TaskKind, build};
use mt_tables::{Ids, RowOptimizer};
use serde_json::json;

/// Every trunk, with one layer and with several, and a gate of its own temperature.
pub fn networks() -> Vec<(&'static str, ModelConfig)> {
    let new = ModelConfig::new;
    let registry = Registry::default().with("product", product);
    let own = ModelConfig { registry, ..new("product") };
    let units = |units: &[usize]| units.to_vec();
    let level = |(own, shared): &(usize, usize)| json!({"experts_per_task": own, "shared_experts": shared});
    let (mmoe, cgc, ple) = (new("mmoe"), new("cgc"), new("ple"));
    let each = |levels: &[(usize, usize)]| levels.iter().map(level).collect::<Vec<_>>();
    let cross =
        [("kind", json!("cross")), ("rank", json!(3))].map(|(key, value)| (key.to_owned(), value)).into();
    let deep = |cfg: &ModelConfig| {
        ModelConfig { tower: vec![6, 4], ..cfg.clone() }
            .with("expert", units(&[7, 6, 5]))
            .with("gate", units(&[4, 3]))
            .with("temperature", 1.7)
    };
    vec![
        ("shared-bottom", new("shared-bottom").with("bottom", units(&[9]))),
        (
            "shared-bottom deep",
            ModelConfig { tower: vec![], ..new("shared-bottom") }.with("bottom", units(&[9, 7])),
        ),
        ("single-task", new("single-task").with("bottom", units(&[9, 7]))),
        ("aitm", new("aitm").with("bottom", units(&[9]))),
        ("ppnet", new("ppnet").with("bottom", units(&[9, 7])).with("gate", units(&[4]))),
        (
            "ppnet, layers normalised",
            ModelConfig { norm: Norm::Layer, ..new("ppnet") }
                .with("bottom", units(&[9]))
                .with("gate", units(&[])),
        ),
        (
            "aitm deep, batches normalised",
            ModelConfig { norm: Norm::Batch, tower: vec![], ..new("aitm") }.with("bottom", units(&[9, 7])),
        ),
        ("dbmtl", new("dbmtl").with("bottom", units(&[9, 7])).with("specific", units(&[6, 5]))),
        (
            "dbmtl over experts, layers normalised",
            ModelConfig { norm: Norm::Layer, tower: vec![], ..new("dbmtl") }
                .with("experts", 3)
                .with("gate", units(&[4]))
                .with("relations", json!({"done": ["tab"], "tab": ["cvr"]})),
        ),
        ("mmoe", mmoe.clone().with("experts", 3)),
        ("mmoe of one", mmoe.clone().with("experts", 1)),
        // Normalised above them, as what untrained cross layers say of large numbers has no finite exponential.
        (
            "mmoe on cross layers",
            ModelConfig { stages: vec![cross], norm: Norm::Layer, ..mmoe.clone() }.with("experts", 2),
        ),
        ("mmoe deep", deep(&mmoe).with("experts", 3)),
        ("cgc", cgc.clone()),
        ("cgc deep", deep(&cgc).with("experts_per_task", 1).with("shared_experts", 3)),
        ("cgc without own", cgc.clone().with("experts_per_task", 0)),
        ("cgc without shared", cgc.with("shared_experts", 0)),
        ("ple", ple.clone()),
        ("ple deep", deep(&ple).with("levels", each(&[(1, 2), (2, 1), (2, 3)]))),
        ("ple without shared above", ple.clone().with("levels", each(&[(1, 2), (2, 0)]))),
        (
            "shared-bottom, layers normalised",
            ModelConfig { norm: Norm::Layer, ..new("shared-bottom") }.with("bottom", units(&[9, 7])),
        ),
        (
            "mmoe deep, batches normalised",
            ModelConfig { norm: Norm::Batch, ..deep(&mmoe) }.with("experts", 3),
        ),
        ("ple deep, layers normalised", ModelConfig { norm: Norm::Layer, ..deep(&ple) }),
        ("ple, batches normalised", ModelConfig { norm: Norm::Batch, ..ple }),
        ("one of our own", own.with("units", 7)),
    ]
}

/// What a model reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Inputs {
    /// Scaled numbers, some of them logarithms, with the mean for missing ones.
    Dense,
    /// Scaled numbers, of which one column has unix seconds.
    Large,
    /// Numbers as they are, mostly 0, also where missing.
    Sparse,
    /// Numbers of which none may be missing, and fields.
    Mixed,
    /// Fields of one value, and lists pooled in each way.
    Fields,
    /// Lists read with attention, one of them with another one beside it, and a number.
    Attention,
    /// The same with self-attention, one list from its start and one from its end.
    SelfAttention,
}

/// A model of this network that has all kinds of tasks, and heads that have none.
pub fn signature(model: ModelConfig, inputs: Inputs) -> Signature {
    let scaling = |log1p, shift, scale, fill| Scaling { log1p, base: 0.0, shift, scale, fill };
    let identity = scaling(false, 0.0, 1.0, None);
    let (columns, layout, missing) = match inputs {
        Inputs::Dense => (
            vec![
                scaling(false, 1.0, 0.7, Some(0.25)),
                scaling(true, 0.5, 4.0, Some(-0.5)),
                scaling(false, 0.0, 1.0, Some(0.125)),
                scaling(true, 0.7, 0.0, Some(0.0)),
            ],
            Layout::Dense,
            NumericMissing::Mean,
        ),
        Inputs::Large => {
            let seconds = Scaling { base: 1_772_892_000.0, ..scaling(false, 0.5, 2.0, Some(0.25)) };
            (vec![seconds, scaling(false, 0.0, 1.0, Some(0.125))], Layout::Dense, NumericMissing::Mean)
        }
        Inputs::Sparse => (vec![identity; 60], Layout::Sparse, NumericMissing::Zero),
        Inputs::Mixed => (vec![scaling(true, 2.0, 0.5, None); 2], Layout::Dense, NumericMissing::Fail),
        Inputs::Fields => (vec![], Layout::Dense, NumericMissing::Fail),
        Inputs::Attention | Inputs::SelfAttention => (vec![identity], Layout::Dense, NumericMissing::Zero),
    };
    let keep = |name: &str| match inputs {
        Inputs::SelfAttention if name == "words" => Some(Keep::First(3)),
        Inputs::SelfAttention => Some(Keep::Last(3)),
        _ => None,
    };
    let field = |name: &str, table: &str, pooling: Option<Pooling>| Field {
        name: name.into(),
        column: name.into(),
        table: table.into(),
        list: pooling.map(|pooling| List { separator: '|', pooling, keep: keep(name) }),
    };
    let attention = |query: &str, beside: Option<&str>| {
        let attention = mt_features::Attention { query: query.into(), beside: beside.map(str::to_owned) };
        Some(match inputs {
            Inputs::SelfAttention => Pooling::SelfAttention(attention),
            _ => Pooling::Attention(attention),
        })
    };
    let fields = match inputs {
        Inputs::Dense | Inputs::Large | Inputs::Sparse => vec![],
        Inputs::Mixed | Inputs::Fields => vec![
            field("user", "user", None),
            field("seen", "item", Some(Pooling::Mean)),
            field("item", "item", None),
            field("tags", "tag", Some(Pooling::Sum)),
            field("words", "tag", Some(Pooling::Max)),
        ],
        Inputs::Attention | Inputs::SelfAttention => vec![
            field("user", "user", None),
            field("seen", "item", attention("item", None)),
            field("item", "item", None),
            field("tags", "item", attention("item", Some("seen"))),
            field("words", "user", attention("user", None)),
        ],
    };
    let seen = |table: &TableEncoder| fields.iter().any(|field| field.table == table.name);
    let table = |name: &str, encoder| TableEncoder { name: name.into(), encoder };
    let encoders = Encoders {
        tables: match fields.is_empty() {
            true => vec![],
            false => vec![
                table("user", Encoder::Vocabulary((0..20).map(|i: u32| format!("u{i}")).collect())),
                table("item", Encoder::Hash(100)),
                table("tag", Encoder::Identity(9)),
            ]
            .into_iter()
            .filter(seen)
            .collect(),
        },
    };
    let task = |name: &str, kind| Task::new(name, kind);
    let ordinal = Ordinal { thresholds: vec![1.0, 4.0, 4.0, 20.0], means: vec![0.5, 2.0, 2.0, 9.0, 70.0] };
    Signature {
        format: Signature::FORMAT,
        model,
        schema: Schema {
            numeric: (0..columns.len()).map(|i| format!("x{i}")).collect(),
            fields,
            tasks: vec![
                Task { imputed: Some("like_error".to_owned()), ..task("like", TaskKind::Binary) },
                task("done", TaskKind::BinarySoftmax),
                task("tab", TaskKind::Multiclass { classes: 3 }),
                task("ratio", TaskKind::Regression),
                task("seconds", TaskKind::Regression),
                task("odds", TaskKind::Regression),
                task("spend", TaskKind::ZeroInflated),
                task("watch", TaskKind::Ordinal { thresholds: 4 }),
                Task { prediction: "like * cvr * last".parse().ok(), ..task("bought", TaskKind::Binary) },
            ],
            ..Schema::default()
        },
        normalizer: Normalizer { columns, layout },
        encoders,
        links: [("seconds".into(), Link::ExpM1), ("odds".into(), Link::Exp), ("spend".into(), Link::Exp)]
            .into(),
        targets: [
            ("ratio".into(), Target { mean: -0.5, sd: 3.0, smearing: 1.0, ..Target::PLAIN }),
            ("seconds".into(), Target { mean: 0.7, sd: 0.4, smearing: 1.8, ..Target::PLAIN }),
            ("odds".into(), Target { mean: 0.0, sd: 2.5, smearing: 1.0, ..Target::PLAIN }),
            ("watch".into(), Target { ordinal: Some(ordinal), ..Target::PLAIN }),
            ("spend".into(), Target { mean: 0.0, sd: 1.5, smearing: 0.9, ..Target::PLAIN }),
        ]
        .into(),
        missing: MissingPolicy { numeric: missing, texts: vec![] },
        coverage: None,
        seed: 7,
    }
}

/// The same with a tower that reads the last field or number too, where there are gates one that reads the first and the
/// last alone, and of an MMoE pairs of fields as wide as the first, and an input that the first weighs.
pub fn with_columns(mut signature: Signature) -> Signature {
    let Schema { numeric, fields, .. } = &signature.schema;
    let all: Vec<String> = fields.iter().map(|field| &field.name).chain(numeric).cloned().collect();
    let [first, .., last] = &all[..] else { panic!("one input: {all:?}") };
    let names = ["tab", "cvr"];
    signature.model.tower_fields = names.map(|name| (name.to_owned(), vec![last.clone()])).into();
    if !signature.model.resolve().expect("a model").facts(&["done"]).gates.is_empty() {
        signature.model.gate_fields = [("done".to_owned(), vec![last.clone(), first.clone()])].into();
    }
    if signature.model.kind == "mmoe" {
        let inputs = signature.model.inputs(&signature.schema).expect("columns");
        let named = inputs.named().iter().take(fields.len());
        let alike = named.filter(|(_, own)| own.len() == inputs.named()[0].1.len()).map(|(name, _)| name);
        let (pairs, gate) =
            (alike.collect::<Vec<_>>(), json!({"kind": "epnet", "fields": [first], "hidden": 3}));
        let stages = match pairs.len() {
            0 | 1 => json!([gate]),
            _ => json!([{"kind": "fm", "fields": pairs}, gate]),
        };
        signature.model.stages.extend(serde_json::from_value::<Vec<_>>(stages).expect("stages"));
    }
    signature
}

/// Writes weights, biases other than 0 among them, tables in which some rows were trained, and the signature.
pub fn write(dir: &Path, signature: &Signature) {
    std::fs::create_dir_all(dir).expect("a folder");
    let Signature { model, schema, encoders, seed, .. } = signature;
    let device = Device::Cpu;
    let layer =
        InputLayer::new(model, schema, encoders, RowOptimizer::Sgd {}, *seed, &device).expect("tables");
    let params = Params::new(*seed);
    let inputs = model.inputs(schema).expect("columns");
    build(model, inputs, &schema.heads(), params.builder(DType::F32, &device)).expect("a model");
    if let Some(embeddings) = layer.embeddings() {
        let ids = [vec![2, 4], vec![10, 60], vec![61, 10], vec![3, 2], vec![5, 5]].map(Ids::single).to_vec();
        let loss = |run: &mut Run| embeddings.forward(ids, None, run)?.sum_all()? * -1.0;
        params.backward(loss).expect("gradients");
        embeddings.step(|_| 0.7);
        save(&dir.join(Signature::TABLES), embeddings.export().expect("tensors").into_iter().collect());
    }
    let moved = |tensor: &Tensor| {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let moved = values.iter().enumerate().map(|(i, x)| x + 0.2 * (i as f32 * 1.7).sin()).collect();
        Tensor::from_vec(moved, tensor.shape(), &device)
    };
    let weights = params.all().into_iter().map(|p| (p.name, moved(p.var.as_tensor()).expect("a tensor")));
    save(&dir.join(Signature::WEIGHTS), weights.collect());
    write_json(&dir.join(Signature::FILE), signature).expect("a file");
}

fn save(path: &Path, tensors: Vec<(String, Tensor)>) {
    safetensors::serialize_to_file(tensors, None, path).expect("a file");
}
