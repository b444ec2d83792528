//! What `mt infer` found, as text and as JSON.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use mt_bundle::{Manifest, Predictor, TableFormat};
use mt_kernels::simd;
use mt_models::{count, inventory};
use mt_train::Evaluation;
use serde::Serialize;

use super::measure::Measured;
use crate::machine;
use crate::report::{metrics, thousands};

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    pub environment: Environment,
    pub model: Model,
    pub data: Data,
    pub performance: Performance,
    /// Metrics by task, where the data has labels.
    pub quality: Option<Evaluation>,
}

#[derive(Debug, Serialize)]
pub struct Environment {
    pub version: &'static str,
    pub cpu: String,
    pub instructions: String,
    pub threads: usize,
    pub device: String,
}

#[derive(Debug, Serialize)]
pub struct Model {
    pub path: String,
    pub kind: String,
    pub tasks: Vec<String>,
    pub columns: usize,
    pub fields: usize,
    pub parameters: usize,
    /// Rows of all embedding tables.
    pub table_rows: usize,
    /// How a bundle keeps their values.
    pub tables: Option<TableFormat>,
}

#[derive(Debug, Serialize)]
pub struct Data {
    pub path: String,
    pub rows: usize,
    pub batch_size: usize,
}

/// Times of requests are in microseconds.
#[derive(Debug, Serialize)]
pub struct Performance {
    pub load_milliseconds: f64,
    pub requests: usize,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub rows_per_second: f64,
    pub peak_memory_bytes: Option<u64>,
    /// Processors kept busy, on average.
    pub cpus: Option<f64>,
}

impl Environment {
    pub fn here(threads: usize, device: &str) -> Self {
        let (version, instructions) = (env!("CARGO_PKG_VERSION"), simd::instructions());
        Self { version, cpu: machine::cpu(), instructions, threads, device: device.to_owned() }
    }
}

impl Model {
    pub fn of(dir: &Path, predictor: &Predictor) -> Result<Self> {
        let signature = predictor.signature();
        let (model, schema) = (&signature.model, &signature.schema);
        Ok(Self {
            path: dir.display().to_string(),
            kind: model.kind.to_string(),
            tasks: schema.tasks.iter().map(|task| task.name.clone()).collect(),
            columns: schema.numeric.len(),
            fields: schema.fields.len(),
            parameters: count(&inventory(model, model.inputs(schema)?, &schema.heads())?),
            table_rows: signature.encoders.tables.iter().map(|table| table.encoder.rows()).sum(),
            tables: Manifest::find(dir)?
                .map(|manifest| manifest.tables)
                .filter(|_| !schema.fields.is_empty()),
        })
    }
}

impl Performance {
    pub fn new(load: Duration, measured: &Measured, peak_memory_bytes: Option<u64>) -> Self {
        let times = &measured.latencies;
        let quantile = |q: f64| {
            let at = ((times.len() as f64 * q).ceil() as usize).clamp(1, times.len());
            1e6 * times[at - 1]
        };
        Self {
            load_milliseconds: 1e3 * load.as_secs_f64(),
            requests: times.len(),
            mean: 1e6 * times.iter().sum::<f64>() / times.len() as f64,
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            rows_per_second: measured.rows as f64 / measured.seconds,
            peak_memory_bytes,
            cpus: measured.cpu.map(|cpu| cpu / measured.seconds),
        }
    }
}

impl Report {
    /// For a terminal.
    pub fn text(&self) -> String {
        let Self { environment, model, data, performance, quality } = self;
        let mut lines: Vec<(&str, &str, String)> = Vec::new();
        let mut section = |name, entries: Vec<(&'static str, String)>| {
            lines.extend(
                entries
                    .into_iter()
                    .enumerate()
                    .map(|(i, (key, value))| (if i == 0 { name } else { "" }, key, value)),
            );
        };
        section(
            "environment",
            vec![
                ("program", format!("mt {}", environment.version)),
                ("processor", format!("{} ({})", environment.cpu, environment.instructions)),
                ("threads", environment.threads.to_string()),
                ("device", environment.device.clone()),
            ],
        );
        let tables = model.tables.map(|format| format!(", {format:?}").to_lowercase()).unwrap_or_default();
        section(
            "model",
            vec![
                ("folder", model.path.clone()),
                ("kind", format!("{}, {} parameters", model.kind, thousands(model.parameters))),
                ("tasks", model.tasks.join(", ")),
                (
                    "inputs",
                    format!("{} columns, {} fields", thousands(model.columns), thousands(model.fields)),
                ),
                ("tables", format!("{} rows{tables}", thousands(model.table_rows))),
            ],
        );
        section(
            "data",
            vec![
                ("rows", format!("{} of {}", thousands(data.rows), data.path)),
                ("batch size", thousands(data.batch_size)),
            ],
        );
        let p = performance;
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        section(
            "performance",
            vec![
                ("load", format!("{:.1} ms", p.load_milliseconds)),
                ("requests", thousands(p.requests)),
                (
                    "latency",
                    format!("mean {:.1} µs, p50 {:.1}, p90 {:.1}, p99 {:.1}", p.mean, p.p50, p.p90, p.p99),
                ),
                ("rate", format!("{} rows/s", thousands(p.rows_per_second as usize))),
                ("peak memory", or_unknown(p.peak_memory_bytes.map(|b| format!("{:.0} MB", b as f64 / 1e6)))),
                ("processors", or_unknown(p.cpus.map(|cpus| format!("{cpus:.2} busy")))),
            ],
        );
        let mut text: Vec<String> =
            lines.iter().map(|(section, key, value)| format!("{section:<12} {key:<12} {value}")).collect();
        if let Some(evaluation) = quality {
            text.push(metrics(evaluation));
        }
        text.join("\n")
    }
}
