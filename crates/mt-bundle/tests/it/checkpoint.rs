//! A small model in a folder, as training leaves it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device};
use mt_bundle::{Export, Signature, TableFormat, write_json};
use mt_features::fields::TableEncoder;
use mt_features::{
    Encoder, Encoders, Field, Keep, Layout, List, MissingPolicy, Normalizer, NumericMissing, Scaling, Schema,
};
use mt_layers::{Params, Run};
use mt_models::{InputLayer, ModelConfig, Task, TaskKind, build};
use mt_tables::RowOptimizer;
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;

/// A folder with the checkpoint `run`: two numbers, a user by vocabulary, an item by hash and a history of items.
pub fn checkpoint() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("run"), &signature());
    folder
}

pub fn signature() -> Signature {
    let field = |name: &str, table: &str, list| Field {
        name: name.into(),
        column: name.into(),
        table: table.into(),
        list,
    };
    let list = List { separator: '|', pooling: mt_features::Pooling::Mean, keep: Some(Keep::Last(3)) };
    let fields =
        vec![field("user", "user", None), field("item", "item", None), field("seen", "item", Some(list))];
    let task = |name: &str, kind| Task::new(name, kind);
    let tasks = vec![
        task("like", TaskKind::Binary),
        task("tab", TaskKind::Multiclass { classes: 3 }),
        task("seconds", TaskKind::Regression),
    ];
    let table = |name: &str, encoder| TableEncoder { name: name.into(), encoder };
    let users = Encoder::Vocabulary(["ann", "bob", "18446744073709551615"].iter().collect());
    let scaling = |shift, scale| Scaling { log1p: false, base: 0.0, shift, scale, fill: Some(0.25) };
    Signature {
        format: Signature::FORMAT,
        model: ModelConfig::new("mmoe").with("experts", 2).with("expert", vec![4]),
        schema: Schema { numeric: vec!["age".into(), "x".into()], fields, tasks, ..Schema::default() },
        normalizer: Normalizer {
            columns: vec![scaling(30.0, 0.1), scaling(0.0, 2.0)],
            layout: Layout::Dense,
        },
        encoders: Encoders { tables: vec![table("user", users), table("item", Encoder::Hash(100))] },
        links: Default::default(),
        targets: Default::default(),
        missing: MissingPolicy { numeric: NumericMissing::Mean, texts: vec!["?".into()] },
        coverage: None,
        seed: 7,
    }
}

/// Writes weights, tables in which some rows were trained, and the signature.
pub fn write(dir: &Path, signature: &Signature) {
    std::fs::create_dir_all(dir).expect("a folder");
    let Signature { model, schema, encoders, seed, .. } = signature;
    let layer =
        InputLayer::new(model, schema, encoders, RowOptimizer::Sgd {}, *seed, &Device::Cpu).expect("tables");
    let params = Params::new(*seed);
    let inputs = model.inputs(schema).expect("columns");
    build(model, inputs, &schema.heads(), params.builder(DType::F32, &Device::Cpu)).expect("a model");
    let embeddings = layer.embeddings().expect("fields");
    let ids = [vec![2, 4], vec![10, 60], vec![61, 10]].map(mt_tables::Ids::single).to_vec();
    let loss = |run: &mut Run| embeddings.forward(ids, None, run)?.sqr()?.sum_all();
    params.backward(loss).expect("gradients");
    embeddings.step(|_| 0.3);
    let weights = params.all().into_iter().map(|p| (p.name, p.var.as_tensor().clone())).collect();
    save(&dir.join(Signature::WEIGHTS), weights);
    save(&dir.join(Signature::TABLES), embeddings.export().expect("tensors").into_iter().collect());
    write_json(&dir.join(Signature::FILE), signature).expect("a file");
}

fn save(path: &Path, tensors: Vec<(String, candle_core::Tensor)>) {
    safetensors::serialize_to_file(tensors, None, path).expect("a file");
}

/// Raw rows of every kind: known and unknown, listed and missing.
pub fn rows() -> Vec<Map<String, Json>> {
    let rows = [
        json!({"age": 31, "x": 0.5, "user": "ann", "item": 17, "seen": [1, 2, 3, 4]}),
        json!({"age": null, "x": "?", "user": u64::MAX, "item": u64::MAX, "seen": "17|?|u"}),
        json!({"age": -1.5e-3, "x": 1, "user": "nobody", "seen": []}),
        json!({}),
    ];
    rows.into_iter().map(|row| row.as_object().expect("an object").clone()).collect()
}

/// The bundle `out` of the checkpoint in `folder`.
pub fn export(folder: &TempDir, out: &str, tables: TableFormat) -> PathBuf {
    let (checkpoint, out) = (folder.path().join("run"), folder.path().join(out));
    let export = Export {
        checkpoint: &checkpoint,
        tables,
        rows: rows(),
        config: "version: 1\n",
        registry: mt_models::Registry::default(),
    };
    export.write::<mt_bundle::Error>(&out, |_| Ok("# A model\n".to_owned())).expect("a bundle");
    out
}

/// Shared by threads.
pub fn load(dir: &Path) -> Arc<mt_bundle::Predictor> {
    Arc::new(mt_bundle::Predictor::load(dir, &Device::Cpu).expect("a model"))
}
