//! Everything a training run reads, from its configuration to normalised tables.

use crate::config::{CsvConfig, DataConfig, Paths, TaskConfig};
use crate::error::{Error, Result};
use crate::normalize::Normalizer;
use crate::reader::{Labels, Skipped, TableReader};
use crate::schema::{self, Schema};
use crate::split::split;
use crate::synth;
use crate::table::Table;

/// How far reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes read of the files being read, before decompression.
    pub bytes_done: u64,
    /// Bytes of those files; `None` where there are no files.
    pub bytes_total: Option<u64>,
    /// Rows so far.
    pub rows: u64,
}

/// Rows to train, validate and test on, with all that is needed to read more of the same.
#[derive(Debug)]
pub struct Dataset {
    /// The columns.
    pub schema: Schema,
    /// What was done to the numeric columns; fitted on `train` alone.
    pub normalizer: Normalizer,
    /// Rows to train on.
    pub train: Table,
    /// Rows to choose the best epoch on.
    pub valid: Option<Table>,
    /// Rows for the final numbers.
    pub test: Option<Table>,
    /// Bad records that were left out, in all files together.
    pub skipped: Skipped,
    /// Per task, the best expected AUC any model can have on `test` (on all rows without one); only known for
    /// synthetic data.
    pub bayes_auc: Option<Vec<Option<f64>>>,
}

impl Dataset {
    /// Reads, splits and normalises the data.
    ///
    /// The same configuration and files give the same tables, whatever the number of threads.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration, a file or a record in it.
    pub fn load(
        data: &DataConfig,
        tasks: &[TaskConfig],
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Self> {
        data.check()?;
        let tasks_checked = schema::tasks(tasks)?;
        let mut skipped = Skipped::default();
        let (schema, mut train, mut valid, mut test, truth) = match (&data.csv, &data.synth) {
            (Some(csv), _) => {
                let (schema, train) = read(&csv.train, csv, tasks, None, "train", &mut skipped, progress)?;
                let mut part = |paths: &Option<Paths>, what| -> Result<Option<Table>> {
                    let Some(paths) = paths else { return Ok(None) };
                    Ok(Some(read(paths, csv, tasks, Some(&schema), what, &mut skipped, progress)?.1))
                };
                let (valid, test) = (part(&csv.valid, "valid")?, part(&csv.test, "test")?);
                (schema, train, valid, test, None)
            }
            (None, Some(config)) => {
                let rows = synth::generate(config)?;
                let (table, truth) = rows.for_tasks(tasks)?;
                progress(Progress { rows: table.len() as u64, ..Progress::default() });
                let schema = Schema { numeric: synth::feature_names(), tasks: tasks_checked };
                (schema, table, None, None, Some(truth))
            }
            (None, None) => return Err(Error::Source { found: "none" }),
        };

        let fractions = data.set_aside();
        let mut scored = None;
        if fractions.iter().any(|&fraction| fraction > 0.0) {
            let parts = split(train.len() as u32, &fractions, data.split_seed);
            let aside = |rows: &[u32]| (!rows.is_empty()).then(|| Table::from_batch(train.gather(rows)));
            valid = valid.or_else(|| aside(&parts[0]));
            test = test.or_else(|| aside(&parts[1]));
            train.retain(&parts[2]);
            scored = (!parts[1].is_empty()).then(|| parts[1].clone());
        }
        if train.is_empty() {
            return Err(Error::NoRows { what: "train" });
        }
        let normalizer = Normalizer::fit(&train, data.normalize);
        for table in [Some(&mut train), valid.as_mut(), test.as_mut()].into_iter().flatten() {
            normalizer.apply(table)?;
        }
        let bayes_auc = truth.map(|truth| truth.auc(scored.as_deref()));
        Ok(Dataset { schema, normalizer, train, valid, test, skipped, bayes_auc })
    }
}

/// All rows of one part, as in the files.
fn read(
    paths: &Paths,
    csv: &CsvConfig,
    tasks: &[TaskConfig],
    schema: Option<&Schema>,
    what: &'static str,
    skipped: &mut Skipped,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(Schema, Table)> {
    let mut reader = match schema {
        None => TableReader::open_training(paths, csv, tasks)?,
        Some(schema) => TableReader::open_raw(paths, csv, schema, tasks, Labels::Required)?,
    };
    let schema = reader.schema();
    let mut table = Table::empty(schema.numeric.len(), tasks.len());
    while let Some(block) = reader.next() {
        let first = table.is_empty();
        table.append(block?)?;
        if first {
            table.reserve(reader.blocks_expected());
        }
        progress(reader.progress());
    }
    table.shrink();
    let Skipped { records, first } = reader.into_skipped();
    skipped.records += records;
    skipped.first.extend(first);
    if table.is_empty() { Err(Error::NoRows { what }) } else { Ok((schema, table)) }
}
