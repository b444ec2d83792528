//! Prediction in process from raw values, through encoders and normaliser: `cargo bench -p mt-bundle`.
#![allow(missing_docs, unsafe_code)]

use std::path::Path;
use std::time::Duration;

use candle_core::{DType, Device};
use criterion::{Criterion, Throughput};
use mt_bundle::{Predictions, Predictor, Result, Signature, write_json};
use mt_features::fields::TableEncoder;
use mt_features::{
    Column, Encoder, Encoders, Field, Layout, List, MissingPolicy, Normalizer, Schema, Task, TaskKind, Value,
};
use mt_layers::{Params, study};
use mt_models::{InputLayer, ModelConfig, build};
use mt_tables::RowOptimizer;

// As in `mt`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of a large request, and those to take single rows from.
const MANY: usize = 1024;
/// As in KuaiRand: 20 fields of one value, and 3 histories of 50 that share a table.
const FIELDS: usize = 20;
const HISTORIES: usize = 3;
const HISTORY: usize = 50;
const VOCABULARY: u32 = 10_000;

fn main() -> Result<()> {
    // SAFETY: no other thread runs yet.
    unsafe { mt_layers::process::start(None) }.expect("the first threads");
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let folder = tempfile::tempdir().expect("a folder");
    let model = serde_json::from_str(study::MODELS[1]).expect("a model section");
    let tasks = study::TASKS.map(|(name, _)| Task::new(name, TaskKind::Binary)).to_vec();

    let numeric = (0..study::WIDTH).map(|i| format!("column {i}")).collect();
    let schema = Schema { numeric, tasks: tasks.clone(), ..Schema::default() };
    let predictor = predictor(folder.path(), &model, schema, Encoders::default())?;
    let study::Rows { offsets, columns, values, .. } = study::rows(MANY);
    let names: Vec<Column> = columns_of(&predictor);
    let row = |bounds: &[u32]| {
        let span = bounds[0] as usize..bounds[1] as usize;
        let entry = |i: usize| (names[columns[i] as usize], Value::from(values[i]));
        span.map(entry).collect()
    };
    bench(&mut criterion, "sparse", &predictor, &offsets.windows(2).map(row).collect::<Vec<_>>());

    let (schema, encoders) = fields(tasks);
    let predictor = self::predictor(folder.path(), &model, schema, encoders)?;
    let names = columns_of(&predictor);
    let texts: Vec<String> = (0..2 * VOCABULARY).map(|i| i.to_string()).collect();
    let mut state = 1u64;
    let mut text = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // A few are not known.
        Value::from(texts[(state >> 33) as usize % (VOCABULARY as usize * 11 / 10)].as_str())
    };
    let lists: Vec<Vec<Value<'_>>> =
        (0..MANY * HISTORIES).map(|_| (0..HISTORY).map(|_| text()).collect()).collect();
    let mut row = |i: usize| -> Vec<(Column, Value<'_>)> {
        let list = |h: usize| Value::List(&lists[i * HISTORIES + h]);
        let values =
            (0..FIELDS).map(|_| text()).collect::<Vec<_>>().into_iter().chain((0..HISTORIES).map(list));
        names.iter().copied().zip(values).collect()
    };
    bench(&mut criterion, "fields", &predictor, &(0..MANY).map(&mut row).collect::<Vec<_>>());
    criterion.final_summary();
    Ok(())
}

fn columns_of(predictor: &Predictor) -> Vec<Column> {
    let rows = predictor.rows();
    let encoder = rows.encoder();
    encoder.columns().iter().map(|name| encoder.column(name).expect("a column")).collect()
}

fn fields(tasks: Vec<Task>) -> (Schema, Encoders) {
    let list = List { separator: ' ', pooling: mt_features::Pooling::Sum, keep: None };
    let field = |i: usize| {
        let (name, history) = (format!("f{i}"), i >= FIELDS);
        let table = if history { "f1".to_owned() } else { name.clone() };
        Field { column: name.clone(), name, table, list: history.then(|| list.clone()) }
    };
    let table = |i: usize| {
        let values = (0..VOCABULARY).map(|i| i.to_string());
        let encoder =
            if i % 4 == 3 { Encoder::Hash(VOCABULARY) } else { Encoder::Vocabulary(values.collect()) };
        TableEncoder { name: format!("f{i}"), encoder }
    };
    let fields = (0..FIELDS + HISTORIES).map(field).collect();
    (Schema { fields, tasks, ..Schema::default() }, Encoders { tables: (0..FIELDS).map(table).collect() })
}

/// A model with start values, from its folder.
fn predictor(folder: &Path, model: &ModelConfig, schema: Schema, encoders: Encoders) -> Result<Predictor> {
    let (cpu, seed) = (&Device::Cpu, 1);
    let layer = InputLayer::new(model, &schema, &encoders, RowOptimizer::Sgd {}, seed, cpu)?;
    let params = Params::new(seed);
    build(model, layer.width(), &schema.heads(), params.builder(DType::F32, cpu))?;
    let weights = params.all().into_iter().map(|p| (p.name, p.var.as_tensor().clone()));
    let save = |name: &str, tensors: Vec<(String, candle_core::Tensor)>| {
        safetensors::serialize_to_file(tensors, None, &folder.join(name)).expect("a file is written");
    };
    save(Signature::WEIGHTS, weights.collect());
    if let Some(embeddings) = layer.embeddings() {
        save(Signature::TABLES, embeddings.export().map_err(mt_models::Error::from)?.into_iter().collect());
    }
    let normalizer = Normalizer::identity(schema.numeric.len(), Layout::Sparse);
    let signature = Signature {
        format: Signature::FORMAT,
        model: model.clone(),
        normalizer,
        links: Default::default(),
        targets: Default::default(),
        missing: MissingPolicy::default(),
        schema,
        encoders,
        coverage: None,
        seed,
    };
    write_json(&folder.join(Signature::FILE), &signature)?;
    Predictor::load(folder, cpu)
}

type Row<'a> = Vec<(Column, Value<'a>)>;

/// One row after the other, as the same one would leave its weights in the nearest cache; then all at once.
fn bench(criterion: &mut Criterion, name: &str, predictor: &Predictor, all: &[Row<'_>]) {
    let (mut rows, mut out) = (predictor.rows(), Predictions::default());
    let mut predict = |some: &[Row<'_>]| {
        rows.clear();
        for row in some {
            rows.push_sparse(row.iter().copied()).expect("the row fits");
        }
        predictor.predict_into(&rows, &mut out).expect("the rows fit");
        out.values()[0]
    };
    let mut next = (0..all.len()).cycle();
    criterion.bench_function(&format!("raw {name}, 1 row"), |bencher| {
        bencher.iter(|| {
            let i = next.next().unwrap_or(0);
            predict(&all[i..=i])
        });
    });
    let mut group = criterion.benchmark_group(format!("raw {name}, {MANY} rows"));
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("all", |bencher| bencher.iter(|| predict(all)));
    group.finish();
}
