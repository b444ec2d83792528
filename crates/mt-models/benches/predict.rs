//! Prediction in process, of one row and of many: `cargo bench -p mt-models`.
#![allow(missing_docs, unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use candle_core::{DType, Device};
use criterion::{Criterion, Throughput};
use mt_features::{Numeric, SparseRows, Table, Task, TaskKind};
use mt_layers::{Input, Params, Run};
use mt_models::{Model, ModelConfig, Readout, Result, build, input};

use mt_layers::study::{MODELS, TASKS, WIDTH, rows};

// As in `mt`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of a large request, and of a table to take single rows from.
const MANY: usize = 1024;

fn main() -> Result<()> {
    // SAFETY: no other thread runs yet.
    unsafe { mt_layers::process::start(None) }.expect("the first threads");
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let tasks = TASKS.map(|(name, _)| Task::new(name, TaskKind::Binary));
    let table = table()?;
    let models = MODELS.map(|json| serde_json::from_str::<ModelConfig>(json).expect("a model section"));
    let readout = Readout::new(&tasks, &BTreeMap::new());
    one_row(&mut criterion, &*frozen(&models[1], &tasks)?, &readout, &table)?;
    many_rows(&mut criterion, &models, &tasks, &table)?;
    criterion.final_summary();
    Ok(())
}

fn table() -> Result<Table> {
    let mt_layers::study::Rows { offsets, columns, values, labels } = rows(MANY);
    let numeric = Numeric::Sparse(SparseRows { width: WIDTH, offsets, columns, values });
    let mask = vec![1.0; labels.len()];
    Ok(Table::new(numeric, labels, mask, TASKS.len()).expect("the shapes fit"))
}

/// A model with weights that need no gradient, prepared as the predictor does it: fused operations run.
fn frozen(cfg: &ModelConfig, tasks: &[Task]) -> Result<Box<dyn Model>> {
    let params = Params::new(1);
    build(cfg, WIDTH, &mt_features::heads(tasks), params.builder(DType::F32, &Device::Cpu))?;
    let mut model = build(cfg, WIDTH, &mt_features::heads(tasks), params.frozen(DType::F32, &Device::Cpu))?;
    model.prepare();
    let none = SparseRows { width: WIDTH, offsets: vec![0, 0], ..SparseRows::default() };
    assert!(
        !model.forward(&input(Numeric::Sparse(none))?, &mut Run::evaluation())?.track_op(),
        "tracked weights take the composed route"
    );
    Ok(model)
}

fn score(model: &dyn Model, xs: &Input, readout: &Readout) -> Vec<f32> {
    let logits = model.forward(xs, &mut Run::evaluation()).expect("the input fits");
    readout.predictions(&logits).expect("the logits fit")
}

/// The study's MMoE on one row after the other: a single one would leave its weight rows in the nearest cache.
fn one_row(criterion: &mut Criterion, model: &dyn Model, readout: &Readout, table: &Table) -> Result<()> {
    let row = |i: usize| table.slice(i..i + 1).numeric;
    let inputs = (0..MANY).map(|i| input(row(i))).collect::<Result<Vec<_>>>()?;
    let mut group = criterion.benchmark_group("predict 1 row");
    let mut next = (0..MANY).cycle();
    group.bench_function("mmoe", |bencher| {
        bencher.iter(|| score(model, &inputs[next.next().unwrap_or(0)], readout));
    });
    group.bench_function("mmoe, from a batch", |bencher| {
        bencher.iter(|| {
            let xs = input(row(next.next().unwrap_or(0))).expect("the rows hold together");
            score(model, &xs, readout)
        });
    });
    group.finish();
    Ok(())
}

fn many_rows(criterion: &mut Criterion, models: &[ModelConfig], tasks: &[Task], table: &Table) -> Result<()> {
    let numeric = || table.slice(0..MANY).numeric;
    let xs = input(numeric())?;
    let readout = Readout::new(tasks, &BTreeMap::new());
    let mut group = criterion.benchmark_group("predict 1,024 rows");
    group.throughput(Throughput::Elements(MANY as u64));
    for cfg in models {
        let model = frozen(cfg, tasks)?;
        let kind = cfg.kind.to_string();
        group.bench_function(&kind, |bencher| bencher.iter(|| score(&*model, &xs, &readout)));
        group.bench_function(format!("{kind}, from a batch"), |bencher| {
            bencher.iter(|| score(&*model, &input(numeric()).expect("the rows hold together"), &readout));
        });
    }
    group.finish();
    Ok(())
}
