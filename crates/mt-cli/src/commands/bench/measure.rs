//! What is measured: training, prediction and reading, each by the code that the other commands run.

use std::fmt::Write;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use candle_core::Device;
use mt_bundle::Predictor;
use mt_data::{Covered, CsvConfig, DataConfig, Dataset, Skipped, TableReader};
use mt_features::{
    ColumnRef, Encoders, Identity, Layout, Normalizer, Numeric, Schema, SparseRows, Table, TaskConfig,
};
use mt_layers::study::{self, MODELS, TASKS, WIDTH};
use mt_models::ModelConfig;
use mt_train::{Config, RunDir, TrainConfig, train};

use super::report::Unit;
use super::scratch::Scratch;

/// Batches to train with.
pub const BATCHES: [usize; 3] = [32, 512, 4096];
/// Rows of a large prediction.
pub const MANY: usize = 1024;
/// Rows as text: 50 MB, enough for a rate.
const TEXT_ROWS: usize = 50_000;
/// Prediction and reading settle sooner than training: they get a quarter of its time.
const SHARE: f64 = 0.25;

/// One measurement; models by their position in [`MODELS`].
pub enum Job {
    Train { model: usize, batch: usize },
    PredictOne { model: usize },
    PredictMany { model: usize },
    Read,
}

impl Job {
    pub fn unit(&self) -> Unit {
        match self {
            Self::Train { .. } | Self::PredictMany { .. } => Unit::RowsPerSecond,
            Self::PredictOne { .. } => Unit::Microseconds,
            Self::Read => Unit::MegabytesPerSecond,
        }
    }
}

/// Everything that measurements need.
pub struct Bench<'a> {
    data: Dataset,
    models: Vec<(ModelConfig, Predictor)>,
    text: PathBuf,
    scratch: Scratch,
    seconds: f64,
    stop: &'a AtomicBool,
}

impl<'a> Bench<'a> {
    /// Generates rows and trains each model for a moment, which is to warm up and to have something to predict with.
    pub fn new(rows: usize, seconds: f64, stop: &'a AtomicBool) -> Result<Self> {
        let scratch = Scratch::new("mt-bench")?;
        let data = dataset(rows)?;
        let text = scratch.path().join("rows.csv");
        std::fs::write(&text, text_of(&data.train, rows.min(TEXT_ROWS)))
            .context("cannot write rows as text")?;
        let mut bench = Self { data, models: Vec::new(), text, scratch, seconds, stop };
        for json in MODELS {
            let cfg: ModelConfig = serde_json::from_str(json)?;
            let predictor = bench.train(&cfg, BATCHES[1], SHARE * seconds, |_, run| {
                let newest = run.newest_first()?;
                let newest = newest.first().context("the run left no checkpoint")?;
                Ok(Predictor::load(newest, &Device::Cpu)?)
            })?;
            bench.models.push((cfg, predictor));
        }
        Ok(bench)
    }

    /// All measurements.
    pub fn jobs(&self) -> Vec<Job> {
        let models = 0..self.models.len();
        let of_model = |model| {
            let train = BATCHES.map(|batch| Job::Train { model, batch });
            train.into_iter().chain([Job::PredictOne { model }, Job::PredictMany { model }])
        };
        models.flat_map(of_model).chain([Job::Read]).collect()
    }

    /// The name of a measurement in a report.
    pub fn name(&self, job: &Job) -> String {
        match job {
            Job::Train { model, batch } => format!("{}, train {batch}", self.models[*model].0.kind),
            Job::PredictOne { model } => format!("{}, predict 1", self.models[*model].0.kind),
            Job::PredictMany { model } => format!("{}, predict {MANY}", self.models[*model].0.kind),
            Job::Read => "read csv".into(),
        }
    }

    /// Runs a measurement once; its value in [`Job::unit`].
    pub fn measure(&self, job: &Job) -> Result<f64> {
        match job {
            Job::Train { model, batch } => {
                self.train(&self.models[*model].0, *batch, self.seconds, |rate, _| Ok(rate))
            }
            Job::PredictOne { model } => {
                let mut times = self.predict(&self.models[*model].1, 1)?;
                times.sort_by(f64::total_cmp);
                Ok(1e6 * times[times.len() / 2])
            }
            Job::PredictMany { model } => {
                let times = self.predict(&self.models[*model].1, MANY)?;
                Ok((MANY * times.len()) as f64 / times.iter().sum::<f64>())
            }
            Job::Read => self.read(),
        }
    }

    /// Trains for so many seconds, then hands the rate and the run to `look` before the run is removed.
    fn train<R>(
        &self,
        model: &ModelConfig,
        batch_size: usize,
        seconds: f64,
        look: impl FnOnce(f64, &RunDir) -> Result<R>,
    ) -> Result<R> {
        // One checkpoint is enough, and no number of epochs is: training goes on until it is stopped.
        let mut settings = TrainConfig::default();
        (settings.batch_size, settings.epochs, settings.keep) = (batch_size, u32::MAX as usize, 1);
        let name = model.kind.to_string();
        let (data, tasks) = (DataConfig::default(), tasks());
        let cfg = Config { version: 1, name, data, tasks, model: model.clone(), train: settings };
        let dir = self.scratch.path().join("run");
        let run = RunDir::create(&dir, &cfg)?;
        let (started, enough) = (Instant::now(), AtomicBool::new(false));
        let outcome = train(&cfg, &self.data, &Device::Cpu, &run, &enough, &mut |_| {
            if started.elapsed().as_secs_f64() >= seconds || self.stop.load(Ordering::Relaxed) {
                enough.store(true, Ordering::Relaxed);
            }
        })?;
        let looked = look(outcome.rows as f64 / outcome.seconds, &run);
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        looked
    }

    /// Seconds of each prediction of `count` rows, one after the other. Other rows each time: the same ones would
    /// leave their weight rows in the nearest cache.
    fn predict(&self, predictor: &Predictor, count: usize) -> Result<Vec<f64>> {
        let mut times = Vec::new();
        let started = Instant::now();
        let starts = (0..=self.data.train.len() - count).step_by(count);
        for start in starts.cycle() {
            let rows = self.data.train.slice(start..start + count).numeric;
            let before = Instant::now();
            black_box(predictor.predict(rows, Vec::new())?);
            times.push(before.elapsed().as_secs_f64());
            if started.elapsed().as_secs_f64() >= SHARE * self.seconds {
                break;
            }
        }
        Ok(times)
    }

    /// Megabytes of text a second, read again and again until the time is over.
    fn read(&self) -> Result<f64> {
        let csv = CsvConfig { header: false, ..CsvConfig::new(self.text.to_string_lossy().as_ref()) };
        let bytes = self.text.metadata()?.len();
        let (mut times, started) = (0, Instant::now());
        while times == 0 || started.elapsed().as_secs_f64() < SHARE * self.seconds {
            for block in TableReader::open_training(&csv.train, &csv, &tasks())? {
                black_box(block?);
            }
            times += 1;
        }
        Ok((times * bytes) as f64 / 1e6 / started.elapsed().as_secs_f64())
    }
}

fn tasks() -> Vec<TaskConfig> {
    let task = |(i, (name, _)): (usize, (&str, f32))| TaskConfig::new(name, ColumnRef::Index(i));
    TASKS.into_iter().enumerate().map(task).collect()
}

fn dataset(rows: usize) -> Result<Dataset> {
    let study::Rows { offsets, columns, values, labels } = study::rows(rows);
    let mask = vec![1.0; labels.len()];
    let numeric = Numeric::Sparse(SparseRows { width: WIDTH, offsets, columns, values });
    let schema = Schema {
        numeric: (0..WIDTH).map(|i| format!("column {i}")).collect(),
        tasks: mt_features::tasks(&tasks())?,
        ..Schema::default()
    };
    let train = Table::new(numeric, labels, mask, TASKS.len())?;
    let identity = Identity::of(&schema.numeric, &train, None, None);
    Ok(Dataset {
        cached: None,
        schema,
        normalizer: Normalizer::identity(WIDTH, Layout::Sparse),
        encoders: Encoders::default(),
        identity,
        train,
        valid: None,
        test: None,
        mentioned: Vec::new(),
        rounded: Vec::new(),
        skipped: Skipped::default(),
        coverage: Covered::default(),
        bayes_auc: None,
    })
}

/// The first `rows` rows as the census file has them: labels first, every zero written out.
fn text_of(table: &Table, rows: usize) -> String {
    let numeric = table.slice(0..rows).numeric.to_dense();
    let mut text = String::with_capacity(rows * 2 * (WIDTH + TASKS.len()));
    for (row, labels) in table.labels().chunks_exact(TASKS.len()).take(rows).enumerate() {
        for (i, value) in labels.iter().chain(numeric.row(row)).enumerate() {
            let comma = if i == 0 { "" } else { "," };
            // Writing to a string does not fail.
            let _ = match value.fract() == 0.0 {
                true => write!(text, "{comma}{value}"),
                false => write!(text, "{comma}{value:.2}"),
            };
        }
        text.push('\n');
    }
    text
}
