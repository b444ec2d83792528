//! Training, optimizers and evaluation: `cargo bench -p mt-train`.
#![allow(missing_docs, unsafe_code)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use candle_core::{DType, Device};
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use mt_data::{Covered, DataConfig, Dataset, Skipped};
use mt_dist::Solo;
use mt_features::{
    ColumnRef, Encoders, Identity, Layout, Normalizer, Numeric, Schema, SparseRows, Table, Task, TaskConfig,
};
use mt_layers::Params;
use mt_models::{InputLayer, ModelConfig, Readout, build};
use mt_tables::RowOptimizer;
use mt_train::{
    Config, Evaluation, Optimizer, OptimizerConfig, OptimizerKind, Result, RunDir, Scorer, TrainConfig, train,
};

use mt_layers::study::{MODELS, TASKS, WIDTH, rows};

// As in `mt`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of an epoch: 18 MB, more than the caches near the core hold, as with real data.
const ROWS: usize = 1 << 16;

fn main() -> Result<()> {
    // SAFETY: no other thread runs yet.
    unsafe { mt_layers::process::start(None) }.expect("the first threads");
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let configs = MODELS.map(|json| config(serde_json::from_str(json).expect("a model section")));
    epochs(&mut criterion, &configs)?;
    optimizers(&mut criterion, &configs[1])?;
    evaluation(&mut criterion, &configs[1])?;
    criterion.final_summary();
    Ok(())
}

fn config(model: ModelConfig) -> Config {
    let task = |(i, (name, _)): (usize, (&str, f32))| TaskConfig::new(name, ColumnRef::Index(i));
    let tasks = TASKS.into_iter().enumerate().map(task).collect();
    let (name, train) = (model.kind.to_string(), TrainConfig::default());
    Config { version: 1, name, data: DataConfig::default(), tasks, model, train }
}

fn table(count: usize) -> Result<Table> {
    let mt_layers::study::Rows { offsets, columns, values, labels } = rows(count);
    let mask = vec![1.0; labels.len()];
    let numeric = Numeric::Sparse(SparseRows { width: WIDTH, offsets, columns, values });
    Ok(Table::new(numeric, labels, mask, TASKS.len())?)
}

fn schema(tasks: &[Task]) -> Schema {
    let numeric = (0..WIDTH).map(|i| format!("column {i}")).collect();
    Schema { numeric, tasks: tasks.to_vec(), ..Schema::default() }
}

/// Whole epochs of the loop as `mt train` runs it: shuffling, batches, forward, backward, optimizer, log, denormals
/// flushed. The time is the loop's own, which leaves out checkpoints.
fn epochs(criterion: &mut Criterion, configs: &[Config]) -> Result<()> {
    let rows = table(ROWS)?;
    let data = Dataset {
        cached: None,
        schema: schema(&mt_features::tasks(&configs[0].tasks)?),
        encoders: Encoders::default(),
        normalizer: Normalizer::identity(WIDTH, Layout::Sparse),
        identity: Identity::of(&[], &rows, None, None),
        train: rows,
        valid: None,
        test: None,
        mentioned: Vec::new(),
        rounded: Vec::new(),
        skipped: Skipped::default(),
        coverage: Covered::default(),
        bayes_auc: None,
    };
    let seconds = |cfg: &Config, dir: &Path| -> Result<f64> {
        let run = RunDir::create(dir, cfg)?;
        let outcome = train(cfg, &data, &Device::Cpu, &run, &AtomicBool::new(false), &mut |_| ())?;
        Ok(outcome.seconds)
    };
    let mut group = criterion.benchmark_group("train");
    // An epoch takes about as long as a sample should.
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(ROWS as u64));
    for cfg in configs {
        for batch_size in [32, 512, 4096] {
            let mut cfg = cfg.clone();
            (cfg.train.batch_size, cfg.train.keep) = (batch_size, 1);
            group.bench_with_input(BenchmarkId::new(&cfg.name, batch_size), &cfg, |bencher, cfg| {
                bencher.iter_custom(|epochs| {
                    let mut cfg = cfg.clone();
                    cfg.train.epochs = epochs as usize;
                    let dir = tempfile::tempdir().expect("a folder for checkpoints");
                    Duration::from_secs_f64(seconds(&cfg, dir.path()).expect("trains"))
                });
            });
        }
    }
    group.finish();
    Ok(())
}

/// One update of the 72,000 values of the study's MMoE. Every value has a gradient and it is put back before every
/// update, so that no moment decays to a denormal, which only the training loop flushes.
fn optimizers(criterion: &mut Criterion, cfg: &Config) -> Result<()> {
    let params = Params::new(1);
    build(
        &cfg.model,
        WIDTH,
        &mt_features::heads(&mt_features::tasks(&cfg.tasks)?),
        params.builder(DType::F32, &Device::Cpu),
    )?;
    let all = params.all();
    let mut group = criterion.benchmark_group("update");
    group.throughput(Throughput::Elements(params.count() as u64));
    for kind in [OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Adagrad, OptimizerKind::Sgd] {
        let mut optimizer = Optimizer::new(OptimizerConfig::new(kind, 1e-3));
        let backward = || {
            for param in &all {
                let mut gradient = param.gradient.lock();
                gradient.host.fill(1e-3);
                gradient.touched = true;
            }
        };
        group.bench_function(format!("{kind:?}").to_lowercase(), |bencher| {
            bencher.iter_batched(
                backward,
                |()| optimizer.step(&all, |_| 1.0).expect("updates"),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    Ok(())
}

/// Prediction and metrics of as many rows as the census data has for a test.
fn evaluation(criterion: &mut Criterion, cfg: &Config) -> Result<()> {
    let (tasks, table) = (mt_features::tasks(&cfg.tasks)?, table(50_000)?);
    let params = Params::new(1);
    build(&cfg.model, WIDTH, &mt_features::heads(&tasks), params.builder(DType::F32, &Device::Cpu))?;
    let (encoders, table_rule) = (Encoders::default(), RowOptimizer::default());
    let scorer = Scorer {
        layer: InputLayer::new(&cfg.model, &schema(&tasks), &encoders, table_rule, 1, &Device::Cpu)?,
        model: build(
            &cfg.model,
            WIDTH,
            &mt_features::heads(&tasks),
            params.frozen(DType::F32, &Device::Cpu),
        )?,
        readout: Readout::new(&tasks, &BTreeMap::new()),
        ranks: Arc::new(Solo),
    };
    let mut group = criterion.benchmark_group("evaluate 50,000 rows");
    group.throughput(Throughput::Elements(table.len() as u64));
    group.bench_function("mmoe", |bencher| {
        bencher.iter(|| {
            let predictions = scorer.predict(&table, &Device::Cpu).expect("predicts");
            Evaluation::new(&predictions, &table, &tasks)
        });
    });
    group.finish();
    Ok(())
}
