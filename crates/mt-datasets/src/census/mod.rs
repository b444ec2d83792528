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
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use mt_features::split;
use serde::Serialize;

use crate::error::{Error, Result};
pub use encode::{Form, Protocol};

use encode::Encoder;
use raw::Raw;

/// How far a conversion has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes read, of files that are read twice.
    pub bytes_done: u64,
    /// Bytes that will be read.
    pub bytes_total: u64,
    /// Rows written.
    pub rows: u64,
}

/// What was written.
#[derive(Debug)]
#[non_exhaustive]
pub struct Converted<W> {
    /// `train.csv`, `valid.csv`, `test.csv`.
    pub files: Vec<FileSummary>,
    /// They and, one-hot, `columns.txt`: whatever was opened, written to its end.
    pub outputs: Vec<W>,
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FileSummary {
    /// Its name.
    pub name: &'static str,
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
/// `test.csv` and, one-hot, `columns.txt`, each written to what `create` opens for its name. `seed` decides which half of the
/// test file validates.
///
/// # Errors
/// A raw file that is missing, damaged or not of this data set; an output that cannot be opened or written.
pub fn convert<W: Write, E: From<Error>>(
    raw_dir: &Path,
    protocol: Protocol,
    form: Form,
    seed: u64,
    create: impl Fn(&str) -> Result<W, E>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Converted<W>, E> {
    let train = Raw::find(raw_dir, "census-income.data")?;
    let test = Raw::find(raw_dir, "census-income.test")?;
    // Each file is read twice, for its categories or its length and for its rows: the text of the training file
    // has 100 MB, what is kept of the first reading a few kB.
    let (train_bytes, test_bytes) = (train.bytes()?, test.bytes()?);
    let bytes_total = 2 * (train_bytes + test_bytes);
    let done = AtomicU64::new(0);
    let rows = AtomicU64::new(0);
    let report = |bytes: u64| {
        let bytes_done = done.load(Ordering::Relaxed) + bytes;
        progress(Progress { bytes_done, bytes_total, rows: rows.load(Ordering::Relaxed) });
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
    let columns = (form == Form::OneHot).then(|| create("columns.txt")).transpose()?;
    let start = |name: &'static str| {
        let mut writer = Writer::new(name, create(name)?, names.len());
        if form == Form::Categories {
            let header = names.join(",") + "\n";
            writer.output.write_all(header.as_bytes()).map_err(unwritten(name))?;
        }
        Ok::<_, E>(writer)
    };
    let (mut trains, mut valids, mut tests) = (start("train.csv")?, start("valid.csv")?, start("test.csv")?);
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

    let mut converted = Converted { files: Vec::new(), outputs: Vec::new() };
    for writer in [trains, valids, tests] {
        let (summary, output) = writer.finish()?;
        converted.files.push(summary);
        converted.outputs.push(output);
    }
    if let Some(mut columns) = columns {
        let text = names.join("\n") + "\n";
        columns.write_all(text.as_bytes()).map_err(unwritten("columns.txt"))?;
        converted.outputs.push(columns);
    }
    report(0);
    Ok(converted)
}

/// That a file could not be written.
fn unwritten(what: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Write { what, source }
}

/// One output and what is in it so far.
struct Writer<W> {
    output: W,
    line: Vec<u8>,
    summary: FileSummary,
    stored: u64,
}

impl<W: Write> Writer<W> {
    fn new(name: &'static str, output: W, columns: usize) -> Self {
        let summary = FileSummary { name, rows: 0, columns, positives: [0; 2], non_zeros: 0.0 };
        Writer { output, line: Vec::new(), summary, stored: 0 }
    }

    fn write(&mut self, encoder: &Encoder, record: &raw::Record<'_>) -> Result<()> {
        let row = encoder.encode(record, &mut self.line)?;
        self.summary.rows += 1;
        self.summary.positives[0] += usize::from(row.completion);
        self.summary.positives[1] += usize::from(row.like);
        self.stored += row.non_zeros;
        self.output.write_all(&self.line).map_err(unwritten(self.summary.name))
    }

    fn finish(mut self) -> Result<(FileSummary, W)> {
        if self.summary.rows == 0 {
            return Err(Error::Empty { name: self.summary.name.to_owned() });
        }
        self.summary.non_zeros = self.stored as f64 / self.summary.rows as f64;
        Ok((self.summary, self.output))
    }
}
