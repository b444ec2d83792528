//! UCI Census-Income (KDD) as the study's "video" data: one-hot encoded, with two labels, 0 or 1.
//!
//! `completion` is "never married", `like` is "income above 50,000". The files written have no header; their
//! columns are `completion`, `like`, 11 raw numeric columns in file order, then 29 columns one-hot encoded in file
//! order, each with the categories of the training file in sorted order: 499 features. `columns.txt` names all
//! columns, one a line.
//!
//! The UCI test file is split into two seeded halves: one validates, the other tests.
//!
//! Source: Census-Income (KDD), UCI Machine Learning Repository, doi 10.24432/C5N30T, CC BY 4.0.

mod encode;
mod raw;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dataset::Progress;
use crate::error::{Error, Result};
use crate::split::split;
use crate::write::Output;
use encode::Encoder;
use raw::Raw;

/// Which columns are features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The study's 499 columns. The default.
    #[default]
    Study,
    /// As in the MMoE and PLE papers: without education, and without instance weight, which UCI says to ignore.
    /// (Marital status is in neither: it is the label.)
    Paper,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// `train.csv`, `valid.csv`, `test.csv`.
    pub files: Vec<FileSummary>,
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileSummary {
    /// The file.
    pub path: PathBuf,
    /// Its rows.
    pub rows: usize,
    /// Its columns, labels included.
    pub columns: usize,
    /// Rows with `completion` 1 and with `like` 1.
    pub positives: [usize; 2],
    /// Mean number of features of a row that are not 0.
    pub non_zeros: f64,
}

/// Converts `census-income.data` and `census-income.test` (or `.gz`) in `raw_dir` into `train.csv`, `valid.csv`,
/// `test.csv` and `columns.txt` in `out_dir`. `seed` decides which half of the test file validates.
///
/// # Errors
/// A raw file that is missing, damaged or not of this data set; an output that cannot be written.
pub fn convert(
    raw_dir: &Path,
    out_dir: &Path,
    protocol: Protocol,
    seed: u64,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Summary> {
    let train = Raw::find(raw_dir, "census-income.data")?;
    let test = Raw::find(raw_dir, "census-income.test")?;
    // The training file is read twice, for its categories and for its rows: it has 100 MB, its categories 10 kB.
    let total = 2 * train.bytes()? + test.bytes()?;
    let (mut bytes_before, mut rows_before) = (0, 0);
    let report = |before: u64, bytes: u64, rows: u64| {
        progress(Progress { bytes_done: before + bytes, bytes_total: Some(total), rows });
    };

    let mut encoder = Encoder::new(protocol);
    train.for_each(&|bytes| report(0, bytes, 0), |record| encoder.learn(record))?;
    encoder.finish_learning();
    bytes_before += train.bytes()?;

    let names = encoder.column_names();
    let mut columns = Output::create(&out_dir.join("columns.txt"))?;
    columns.write(|file| std::io::Write::write_all(file, (names.join("\n") + "\n").as_bytes()))?;

    let mut writer = Writer::create(out_dir.join("train.csv"), names.len())?;
    train.for_each(&|bytes| report(bytes_before, bytes, 0), |record| {
        rows_before += 1;
        writer.write(&mut encoder, record)
    })?;
    bytes_before += train.bytes()?;

    let mut valid = Writer::create(out_dir.join("valid.csv"), names.len())?;
    let mut tests = Writer::create(out_dir.join("test.csv"), names.len())?;
    let mut rows = 0u32;
    test.for_each(&|bytes| report(bytes_before, bytes, rows_before), |_| {
        rows += 1;
        Ok(())
    })?;
    let mut half = vec![false; rows as usize];
    split(rows, &[0.5], seed)[0].iter().for_each(|&row| half[row as usize] = true);
    let mut validates = half.into_iter();
    test.for_each(&|bytes| report(bytes_before, bytes, rows_before), |record| {
        let to = if validates.next().unwrap_or(false) { &mut valid } else { &mut tests };
        to.write(&mut encoder, record)
    })?;

    columns.finish()?;
    let files = vec![writer.finish()?, valid.finish()?, tests.finish()?];
    let rows = files.iter().map(|file| file.rows as u64).sum();
    progress(Progress { bytes_done: total, bytes_total: Some(total), rows });
    Ok(Summary { files })
}

/// One output file and what is in it so far.
struct Writer {
    output: Output,
    line: Vec<u8>,
    summary: FileSummary,
    stored: u64,
}

impl Writer {
    fn create(path: PathBuf, columns: usize) -> Result<Self> {
        let output = Output::create(&path)?;
        let summary = FileSummary { path, rows: 0, columns, positives: [0; 2], non_zeros: 0.0 };
        Ok(Writer { output, line: Vec::new(), summary, stored: 0 })
    }

    fn write(&mut self, encoder: &mut Encoder, record: &raw::Record<'_>) -> Result<()> {
        let row = encoder.encode(record, &mut self.line)?;
        self.summary.rows += 1;
        self.summary.positives[0] += usize::from(row.completion);
        self.summary.positives[1] += usize::from(row.like);
        self.stored += row.non_zeros;
        let line = &self.line;
        self.output.write(|file| std::io::Write::write_all(file, line))
    }

    fn finish(mut self) -> Result<FileSummary> {
        if self.summary.rows == 0 {
            return Err(Error::Empty { path: self.summary.path.clone() });
        }
        self.output.finish()?;
        self.summary.non_zeros = self.stored as f64 / self.summary.rows as f64;
        Ok(self.summary)
    }
}
