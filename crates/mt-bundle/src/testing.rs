//! For tests of what reads bundles, behind the feature `testing`: small ones, of two numbers, a user and a list of items; a
//! probability, three classes and a number.

use std::path::Path;

use candle_core::{DType, Device};
use mt_features::fields::TableEncoder;
use mt_features::{
    Encoder, Encoders, Field, Keep, Layout, List, MissingPolicy, Normalizer, NumericMissing, Schema,
};
use mt_layers::Params;
use mt_tables::RowOptimizer;
use serde_json::json;

use mt_models::{InputLayer, ModelConfig, Task, TaskKind, build};

use crate::{Export, Signature, TableFormat, write_json};

fn signature(seed: u64) -> Signature {
    let field = |name: &str, table: &str, list| Field {
        name: name.into(),
        column: name.into(),
        table: table.into(),
        list,
    };
    let list = List { separator: '|', pooling: mt_features::Pooling::Mean, keep: Some(Keep::Last(3)) };
    let table = |name: &str, encoder| TableEncoder { name: name.into(), encoder };
    let users = Encoder::Vocabulary(["ann", "bob", "18446744073709551615"].iter().collect());
    Signature {
        format: Signature::FORMAT,
        model: ModelConfig::new("mmoe").with("experts", 2).with("expert", vec![4]),
        schema: Schema {
            numeric: vec!["age".into(), "x".into()],
            fields: vec![field("user", "user", None), field("seen", "item", Some(list))],
            tasks: vec![
                Task::new("like", TaskKind::Binary),
                Task::new("tab", TaskKind::Multiclass { classes: 3 }),
                Task::new("seconds", TaskKind::Regression),
            ],
            ..Schema::default()
        },
        normalizer: Normalizer::identity(2, Layout::Dense),
        encoders: Encoders { tables: vec![table("user", users), table("item", Encoder::Hash(100))] },
        links: Default::default(),
        targets: Default::default(),
        missing: MissingPolicy { numeric: NumericMissing::Zero, texts: vec![] },
        coverage: None,
        seed,
    }
}

/// Writes a bundle whose weights follow from `seed`.
///
/// # Panics
/// If it cannot be written.
pub fn write(dir: &Path, seed: u64) {
    change(dir, seed, |_| ());
}

/// As [`write`], of another model.
///
/// # Panics
/// If it cannot be written.
pub fn change(dir: &Path, seed: u64, change: impl FnOnce(&mut Signature)) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut signature = signature(seed);
    change(&mut signature);
    let Signature { model, schema, encoders, .. } = &signature;
    let layer =
        InputLayer::new(model, schema, encoders, RowOptimizer::Sgd {}, seed, &Device::Cpu).expect("tables");
    let params = Params::new(seed);
    build(model, layer.width(), &schema.heads(), params.builder(DType::F32, &Device::Cpu)).expect("a model");
    let tables = layer.embeddings().expect("fields").export().expect("tensors");
    let weights: Vec<_> = params.all().into_iter().map(|p| (p.name, p.var.as_tensor().clone())).collect();
    let save = |name: &str, tensors: Vec<(String, candle_core::Tensor)>| {
        safetensors::serialize_to_file(tensors, None, &folder.path().join(name)).expect("a file");
    };
    save(Signature::WEIGHTS, weights);
    save(Signature::TABLES, tables.into_iter().collect());
    write_json(&folder.path().join(Signature::FILE), &signature).expect("a file");
    let row = json!({"age": 31, "user": "ann", "seen": [1, 2]}).as_object().expect("an object").clone();
    let export = Export {
        checkpoint: folder.path(),
        tables: TableFormat::F32,
        rows: vec![row],
        config: "version: 1\n",
        registry: mt_models::Registry::default(),
    };
    export.write::<crate::Error>(dir, |_| Ok("# A model\n".to_owned())).expect("a bundle");
}
