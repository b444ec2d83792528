//! Requests of raw rows, one after the other in each thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mt_bundle::{Predictions, Predictor};
use mt_data::Records;
use mt_features::{Column, RawRows, Value};

use crate::machine;

/// Rows as a caller has them: numbers other than 0, texts of fields.
pub struct Requests<'a> {
    values: Vec<(Column, Value<'a>)>,
    /// Where each row ends.
    ends: Vec<usize>,
    batch: usize,
}

/// What was measured.
pub struct Measured {
    /// Seconds of each request, ascending.
    pub latencies: Vec<f64>,
    pub rows: u64,
    pub seconds: f64,
    /// Processor seconds.
    pub cpu: Option<f64>,
    /// Predictions of all rows in order.
    pub predictions: Vec<f32>,
}

/// Rows before anything counts: caches, the allocator and the branch predictor settle.
const WARM_UP: usize = 2000;

impl<'a> Requests<'a> {
    /// Requests of `batch` rows each, from the texts of all columns.
    pub fn new(predictor: &Predictor, texts: &'a Records, batch: usize) -> Result<Self> {
        let (signature, rows) = (predictor.signature(), predictor.rows());
        let missing = &signature.missing.texts;
        let encoder = rows.encoder();
        let columns =
            encoder.columns().iter().map(|name| encoder.column(name)).collect::<Result<Vec<_>, _>>()?;
        let mut requests = Self { values: Vec::new(), ends: Vec::new(), batch };
        for record in 0..texts.len() {
            for (i, text) in texts.record(record).enumerate() {
                let listed = missing.iter().any(|missing| missing.as_bytes() == text);
                let number = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse::<f64>().ok());
                let value = match number.filter(|_| encoder.is_number(columns[i]) && !listed) {
                    Some(0.0) => continue,
                    Some(number) => Value::Number(number),
                    None => Value::Text(text),
                };
                requests.values.push((columns[i], value));
            }
            requests.ends.push(requests.values.len());
        }
        Ok(requests)
    }

    fn count(&self) -> usize {
        self.ends.len().div_ceil(self.batch)
    }

    fn rows(&self, request: usize) -> std::ops::Range<usize> {
        let start = request * self.batch;
        start..(start + self.batch).min(self.ends.len())
    }

    fn send(
        &self,
        request: usize,
        predictor: &Predictor,
        rows: &mut RawRows,
        out: &mut Predictions,
    ) -> Result<()> {
        rows.clear();
        for row in self.rows(request) {
            let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
            rows.push_sparse(self.values[start..self.ends[row]].iter().copied())?;
        }
        Ok(predictor.predict_into(rows, out)?)
    }
}

/// Sends all requests at least once and for at least so many seconds, from so many threads.
pub fn measure(
    predictor: &Predictor,
    requests: &Requests<'_>,
    threads: usize,
    seconds: f64,
) -> Result<Measured> {
    let mut predictions = Vec::with_capacity(requests.ends.len() * predictor.width());
    let (mut rows, mut out) = (predictor.rows(), Predictions::default());
    for request in 0..requests.count() {
        requests.send(request, predictor, &mut rows, &mut out)?;
        predictions.extend_from_slice(out.values());
    }
    let enough = AtomicBool::new(false);
    let (cpu, started) = (machine::cpu_seconds(), Instant::now());
    let results: Vec<Result<(Vec<f64>, u64)>> = std::thread::scope(|scope| {
        let worker = |t| {
            let enough = &enough;
            scope.spawn(move || {
                // Its own pool of one: what would be shared between threads is done here.
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(1)
                    .build()
                    .context("cannot start a thread")?;
                pool.install(|| work(predictor, requests, t, threads, seconds, enough))
            })
        };
        let workers: Vec<_> = (0..threads).map(worker).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Result<(Vec<f64>, u64)>>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect()
    });
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = machine::cpu_seconds().zip(cpu).map(|(after, before)| after - before);
    let (mut latencies, mut count) = (Vec::new(), 0);
    for result in results {
        let (times, rows) = result?;
        latencies.extend(times);
        count += rows;
    }
    latencies.sort_by(f64::total_cmp);
    Ok(Measured { latencies, rows: count, seconds: elapsed, cpu, predictions })
}

/// Every `threads`-th request from number `first` on, again and again until the time is over.
fn work(
    predictor: &Predictor,
    requests: &Requests<'_>,
    first: usize,
    threads: usize,
    seconds: f64,
    enough: &AtomicBool,
) -> Result<(Vec<f64>, u64)> {
    let (mut rows, mut out) = (predictor.rows(), Predictions::default());
    let own = (first % requests.count()..requests.count()).step_by(threads);
    for request in own.clone().cycle().take(WARM_UP.div_ceil(requests.batch)) {
        requests.send(request, predictor, &mut rows, &mut out)?;
    }
    let (mut latencies, mut count, started) = (Vec::new(), 0, Instant::now());
    for request in own.cycle() {
        let before = Instant::now();
        requests.send(request, predictor, &mut rows, &mut out)?;
        let now = Instant::now();
        latencies.push((now - before).as_secs_f64());
        count += rows.len() as u64;
        if now - started >= Duration::from_secs_f64(seconds) || enough.load(Ordering::Relaxed) {
            // All stop together, so that the rate is that of all.
            enough.store(true, Ordering::Relaxed);
            break;
        }
    }
    Ok((latencies, count))
}
