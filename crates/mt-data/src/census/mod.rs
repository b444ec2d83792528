//! UCI Census-Income (KDD) as the study's "video" data: one-hot encoded, with two labels, 0 or 1.
//!
//! `completion` is "never married", `like` is "income above 50,000". The files written have no header; their
//! columns are `completion`, `like`, 11 raw numeric columns in file order, then 29 columns one-hot encoded in file
//! order, each with the categories of the training file in sorted order: 499 features. `columns.txt` names all
//! columns, one a line. Or, on request, with a header and each category in the words of the raw file, in a column of
//! its own, for models that look them up in embedding tables.
//!
//! The UCI test file is split into two seeded halves: one validates, the other tests.
//!
//! Source: Census-Income (KDD), UCI Machine Learning Repository, doi 10.24432/C5N30T, CC BY 4.0.

mod encode;
mod raw;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::dataset::Progress;
use crate::error::{Error, Result};
use crate::split::split;
use crate::writer::Output;
use encode::Encoder;
use raw::Raw;

/// Which columns are features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Protocol {
    /// The study's 499 columns. The default.
    #[default]
    Study,
    /// As in the MMoE and PLE papers: without education, and without instance weight, which UCI says to ignore.
    /// (Marital status is in neither: it is the label.)
    Paper,
}

/// How categories are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A column of 0 and 1 for each, no header, `columns.txt` beside. The default.
    #[default]
    OneHot,
    /// As text, a column a field, with a header.
    Categories,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// `train.csv`, `valid.csv`, `test.csv`.
    pub files: Vec<FileSummary>,
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
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
/// `test.csv` and, one-hot, `columns.txt` in `out_dir`. `seed` decides which half of the test file validates.
///
/// # Errors
/// A raw file that is missing, damaged or not of this data set; an output that cannot be written.
pub fn convert(
    raw_dir: &Path,
    out_dir: &Path,
    protocol: Protocol,
    form: Form,
    seed: u64,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Summary> {
    let train = Raw::find(raw_dir, "census-income.data")?;
    let test = Raw::find(raw_dir, "census-income.test")?;
    // Each file is read twice, for its categories or its length and for its rows: the text of the training file
    // has 100 MB, what is kept of the first reading a few kB.
    let (train_bytes, test_bytes) = (train.bytes()?, test.bytes()?);
    let total = 2 * (train_bytes + test_bytes);
    let done = AtomicU64::new(0);
    let rows = AtomicU64::new(0);
    let report = |bytes: u64| {
        let bytes_done = done.load(Ordering::Relaxed) + bytes;
        progress(Progress { bytes_done, bytes_total: Some(total), rows: rows.load(Ordering::Relaxed) });
    };

    let mut encoder = Encoder::new(protocol, form);
    train.for_each(&report, |record| encoder.learn(record))?;
    encoder.finish_learning();
    done.fetch_add(train_bytes, Ordering::Relaxed);
    let mut test_rows = 0;
    test.for_each(&report, |_| {
        test_rows += 1;
        Ok(())
    })?;
    done.fetch_add(test_bytes, Ordering::Relaxed);

    let names = encoder.column_names();
    let columns = (form == Form::OneHot).then(|| Output::create(&out_dir.join("columns.txt"))).transpose()?;
    let create = |name: &str| {
        let mut writer = Writer::create(out_dir.join(name), names.len())?;
        if form == Form::Categories {
            writer.output.write(|file| file.write_all((names.join(",") + "\n").as_bytes()))?;
        }
        Ok(writer)
    };
    let (mut trains, mut valids, mut tests) =
        (create("train.csv")?, create("valid.csv")?, create("test.csv")?);
    train.for_each(&report, |record| {
        rows.fetch_add(1, Ordering::Relaxed);
        trains.write(&encoder, record)
    })?;
    done.fetch_add(train_bytes, Ordering::Relaxed);

    let valid_rows = split(test_rows, &[0.5], seed).swap_remove(0);
    let mut valid_rows = valid_rows.into_iter().peekable();
    let mut row = 0;
    test.for_each(&report, |record| {
        rows.fetch_add(1, Ordering::Relaxed);
        let validates = valid_rows.next_if_eq(&row).is_some();
        row += 1;
        if validates { valids.write(&encoder, record) } else { tests.write(&encoder, record) }
    })?;
    done.fetch_add(test_bytes, Ordering::Relaxed);

    if let Some(mut columns) = columns {
        columns.write(|file| file.write_all((names.join("\n") + "\n").as_bytes()))?;
        columns.finish()?;
    }
    let files = vec![trains.finish()?, valids.finish()?, tests.finish()?];
    report(0);
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

    fn write(&mut self, encoder: &Encoder, record: &raw::Record<'_>) -> Result<()> {
        let row = encoder.encode(record, &mut self.line)?;
        self.summary.rows += 1;
        self.summary.positives[0] += usize::from(row.completion);
        self.summary.positives[1] += usize::from(row.like);
        self.stored += row.non_zeros;
        let line = &self.line;
        self.output.write(|file| file.write_all(line))
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
