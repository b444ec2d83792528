//! From rows of files to rows of predictions.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use mt_bundle::Predictor;
use mt_data::{EncodedRows, FileFormat, Kept, Labels, Paths, Progress, RowWriter};
use mt_features::{Coverage, Formula, Table, Task, TaskKind};
use mt_train::Config;
use rayon::prelude::*;

use crate::args::{PredictArgs, Usage};
use crate::source;

/// Blocks of input predicted at once: a single one, 1 MiB of text, has too few rows of a wide file to keep all threads
/// busy.
const BLOCKS: usize = 16;
/// Rows a task of the parallel loop predicts and prints.
const ROWS: usize = 512;
/// The column of the score.
const SCORE: &str = "score";

/// Predicts the rows of files.
pub struct Scorer<'a> {
    cfg: &'a Config,
    predictor: &'a Predictor,
    keep: &'a [String],
    score: Option<Formula>,
    /// The columns of numbers.
    columns: Vec<String>,
    /// How much of all rows so far the model knows.
    coverage: Mutex<Coverage>,
    /// Ends the work when it is raised.
    pub stop: Option<&'static AtomicBool>,
}

/// The end of work that was to stop.
#[derive(Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped on request")
    }
}

impl std::error::Error for Stopped {}

impl<'a> Scorer<'a> {
    pub fn new(cfg: &'a Config, predictor: &'a Predictor, args: &'a PredictArgs) -> Result<Self> {
        let mut columns: Vec<String> =
            predictor.signature().schema.predicted().iter().flat_map(predictions).collect();
        let score = args.score.as_ref().map(|text| Formula::parse(text, &columns));
        let score = score.transpose().map_err(|error| Usage(format!("--score: {error}")))?;
        columns.extend(score.iter().map(|_| SCORE.to_owned()));
        let names: Vec<&String> = args.keep.iter().chain(&columns).collect();
        if let Some(twice) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
            let name = names[twice];
            return Err(Usage(format!("the output would have two columns named \"{name}\"")).into());
        }
        let coverage = Mutex::new(Coverage::new(&predictor.signature().schema));
        Ok(Self { cfg, predictor, keep: &args.keep, score, columns, coverage, stop: None })
    }

    /// How much of all rows so far the model knows.
    pub fn coverage(&self) -> MutexGuard<'_, Coverage> {
        self.coverage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the predictions of all rows of `inputs` to `out`, which errors call `path`; gives it back with the number
    /// of rows.
    ///
    /// Memory does not depend on the size of the files: there are some blocks of input for each thread, [`BLOCKS`] more
    /// with their predictions, and, for Parquet, a row group of output.
    ///
    /// # Errors
    /// Whatever is wrong with the rows, and [`Stopped`].
    pub fn score<W: Write + Send + Sync>(
        &self,
        inputs: &[String],
        out: W,
        path: &Path,
        format: FileFormat,
        progress: &dyn Fn(Progress),
    ) -> Result<(W, u64)> {
        let signature = self.predictor.signature();
        let reader = source::reader(self.cfg, signature, Paths(inputs.to_vec()), Labels::Ignored)?;
        let mut reader = reader.keep(self.keep, format.keeps())?;
        let mut writer = RowWriter::new(out, path, format, &reader.kept_columns(), &self.columns)?;
        loop {
            let next = || reader.next_kept();
            let blocks: Vec<(Table, Kept)> =
                std::iter::from_fn(next).take(BLOCKS).collect::<Result<_, _>>()?;
            if blocks.is_empty() {
                self.coverage().add_joins(&reader.joins());
                return Ok((writer.finish()?, reader.progress().rows));
            }
            let mut rows = self.encode(&writer, &blocks)?.into_iter();
            for (table, kept) in blocks {
                self.coverage().add(table.fields());
                writer.write(kept, rows.by_ref().take(table.len().div_ceil(ROWS)))?;
            }
            progress(reader.progress());
            if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(Stopped.into());
            }
        }
    }

    /// The rows of consecutive tables, ready to be written, in order.
    fn encode<W: Write + Send + Sync>(
        &self,
        writer: &RowWriter<W>,
        blocks: &[(Table, Kept)],
    ) -> Result<Vec<EncodedRows>> {
        let starts = |block: &(Table, Kept)| (0..block.0.len()).step_by(ROWS);
        let chunks: Vec<_> =
            blocks.iter().flat_map(|block| starts(block).map(move |start| (block, start))).collect();
        let encode = |&((table, kept), start): &(&(Table, Kept), usize)| -> Result<EncodedRows> {
            let rows = start..(start + ROWS).min(table.len());
            let batch = table.slice(rows.clone());
            let mut predictions = self.predictor.predict(batch.numeric, batch.fields)?;
            if let Some(score) = &self.score {
                let width = self.predictor.width();
                let row = |(row, score): (&[f32], Option<f64>)| {
                    let score = score.map(|score| score as f32).filter(|score| score.is_finite());
                    let score = score.unwrap_or(f32::NAN);
                    row.iter().copied().chain([score]).collect::<Vec<f32>>()
                };
                let scores = score.eval_rows(&predictions, width);
                predictions = predictions.chunks_exact(width).zip(scores).flat_map(row).collect();
            }
            Ok(writer.encode(kept, rows, predictions))
        };
        chunks.par_iter().map(encode).collect()
    }
}

/// What a task's predictions are called: its name, of a multiclass task with the class behind it.
fn predictions(task: &Task) -> Vec<String> {
    match task.kind {
        TaskKind::Multiclass { classes } => (0..classes).map(|c| format!("{}.{c}", task.name)).collect(),
        _ => vec![task.name.clone()],
    }
}
