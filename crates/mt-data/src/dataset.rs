//! Everything a training run reads, from its configuration to normalised tables.

use mt_datasets::synth;
use mt_features::fields::Encoders;
use mt_features::{
    Coverage, Fit, Identity, JoinCoverage, Normalizer, NormalizerFit, Rounded, Schema, Table, TaskConfig,
    split,
};

use crate::cache::{self, Cached};
use crate::config::{CsvConfig, DataConfig, Paths};
use crate::covered::Covered;
use crate::error::{Error, Result};
use crate::fitting::Fitting;
use crate::generated;
use crate::mentioned::Mentioned;
use crate::progress::Progress;
use crate::reader::{Finished, LOOKED_AT as ROWS, Skipped, TableReader};
use crate::rows::Rows;

/// Rows to train, validate and test on, with all that is needed to read more of the same.
#[derive(Debug)]
pub struct Dataset {
    /// The columns.
    pub schema: Schema,
    /// What was done to the numeric columns; fitted on `train` alone.
    pub normalizer: Normalizer,
    /// How the values of fields become rows of embedding tables; fitted on `train` alone.
    pub encoders: Encoders,
    /// What the rows are, numbers before normalisation.
    pub identity: Identity,
    /// Rows to train on; with `data.cache` only the first of them: see [`rows`](Self::rows).
    pub train: Table,
    /// All rows to train on, where they are on disk (`data.cache`).
    pub cached: Option<Cached>,
    /// Rows to choose the best epoch on.
    pub valid: Option<Table>,
    /// Rows for the final numbers.
    pub test: Option<Table>,
    /// Inputs that expressions for labels, sample spaces or weights name too.
    pub mentioned: Vec<Mentioned>,
    /// Numeric columns whose numbers had to be rounded before they could be scaled.
    pub rounded: Vec<Rounded>,
    /// Bad records that were left out, in all files together.
    pub skipped: Skipped,
    /// How much of the rows their encoders know, and their side tables.
    pub coverage: Covered,
    /// Per task, the best expected AUC any model can have on `test` (on all rows without one); only known for
    /// synthetic data.
    pub bayes_auc: Option<Vec<Option<f64>>>,
}

impl Dataset {
    /// What is said of [`rounded`](Self::rounded) columns, in words.
    pub fn rounding(&self) -> impl Iterator<Item = String> {
        self.rounded.iter().map(|Rounded { column, step, sd, .. }| {
            let name = &self.schema.numeric[*column];
            format!(
                "numbers of column {name:?} are rounded to multiples of {step} before they are scaled, with a standard \
                 deviation of {sd:.4}: they are large, and none of the first {ROWS} rows says so; compute them less a number \
                 near them (data.numbers: - {{name: ..., value: {name} - ...}})"
            )
        })
    }

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
        Self::load_with(data, tasks, Fit::Anew, progress)
    }

    /// As [`load`](Self::load), with what stands of an earlier `fit`.
    ///
    /// # Errors
    /// As [`load`](Self::load), and where a column of the earlier fit is not there; [`Error::Setting`] where the configuration
    /// has `data.fitted` and there is no fit.
    pub fn load_with(
        data: &DataConfig,
        tasks: &[TaskConfig],
        fit: Fit<'_>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Self> {
        data.check()?;
        if let (Some(path), Fit::Anew) = (&data.fitted, fit) {
            let expected = "what was fitted there, as the fit to read with (mt_train::load reads it)";
            return Err(Error::Setting { key: "data.fitted", expected, found: path.display().to_string() });
        }
        if let Some(cache) = &data.cache {
            return cache::load(data, cache, tasks, fit, progress);
        }
        let tasks_checked = mt_features::tasks(tasks)?;
        let files = data.row_files();
        let (schema, mut parts, truth, mut skipped, mentioned) = match (&files, &data.synth) {
            (Some(csv), _) => {
                let (schema, parts, skipped, mentioned) = read_training(data, csv, tasks, fit, progress)?;
                (schema, parts, None, skipped, mentioned)
            }
            (None, Some(config)) => {
                let (table, truth) = generated::generate(config, tasks)?;
                progress(Progress { rows: table.len() as u64, ..Progress::default() });
                let numeric = synth::feature_names(config);
                let schema = Schema { numeric, tasks: tasks_checked, ..Schema::default() };
                (schema, Parts::by_fractions(table, data), Some(truth), Skipped::default(), Vec::new())
            }
            (None, None) => return Err(Error::Source { found: "none" }),
        };
        if parts.train.is_empty() {
            return Err(Error::NoRows { what: "train" });
        }
        let encoders = std::mem::take(&mut parts.encoders);
        let bases = std::mem::take(&mut parts.bases);
        if let Some(csv) = &files {
            let mut part =
                |paths: &Option<Paths>, what, joins: &mut Vec<JoinCoverage>| -> Result<Option<Table>> {
                    let Some(paths) = paths else { return Ok(None) };
                    let reader = TableReader::open_fitted(paths, data, &schema, tasks, &encoders, &bases)?;
                    let (table, finished) = read(reader, &schema, what, progress)?;
                    skipped.add(finished.skipped);
                    *joins = finished.joins;
                    Ok(Some(table))
                };
            parts.valid = part(&csv.valid, "valid", &mut parts.joins[1])?.or(parts.valid);
            parts.test = part(&csv.test, "test", &mut parts.joins[2])?.or(parts.test);
        }
        let coverage = parts.coverage(&schema);
        let Parts { mut train, mut valid, mut test, scored, .. } = parts;
        let fitting = Fitting { data, schema: &schema, fit };
        let columns = fitting.columns(|| Self::schema(data, tasks))?;
        let identity = Identity::of(&columns, &train, valid.as_ref(), test.as_ref()).with_bases(&bases);
        let (normalizer, rounded) = fitting.normalizer(&bases, || NormalizerFit::of(&train, data.normalize));
        for table in [Some(&mut train), valid.as_mut(), test.as_mut()].into_iter().flatten() {
            normalizer.apply(table)?;
        }
        let bayes_auc = truth.map(|truth| truth.auc(scored.as_deref()));
        Ok(Dataset {
            schema,
            normalizer,
            encoders,
            identity,
            train,
            cached: None,
            valid,
            test,
            mentioned,
            rounded,
            skipped,
            coverage,
            bayes_auc,
        })
    }

    /// The columns and tasks of the data, as the first lines of its first file tell.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration or that file's header.
    pub fn schema(data: &DataConfig, tasks: &[TaskConfig]) -> Result<Schema> {
        match data.row_files() {
            Some(files) => Ok(TableReader::open_data(&files.train, data, tasks)?.schema()),
            None => {
                let synth = data.synth.as_ref().ok_or(Error::Source { found: "none" })?;
                let (numeric, tasks) = (synth::feature_names(synth), mt_features::tasks(tasks)?);
                Ok(Schema { numeric, tasks, ..Schema::default() })
            }
        }
    }
}

impl Dataset {
    /// All rows to train on.
    pub fn rows(&self) -> Rows<'_> {
        self.cached.as_ref().map_or(Rows::Table(&self.train), Rows::Cached)
    }

    /// Checks that the parts belong together, as those of [`load`](Self::load) do: columns, fields and tasks of the tables
    /// are those of the schema, labels are of their tasks' kinds, and there are rows to train on.
    ///
    /// # Errors
    /// [`Error::NoRows`], and of [`mt_features::Error`] `Shape`, `Row` for a label that cannot be, `NoEncoder`.
    pub fn check(&self) -> Result<()> {
        let Dataset { schema, normalizer, encoders, train, valid, test, .. } = self;
        if train.is_empty() {
            return Err(Error::NoRows { what: "train" });
        }
        schema.check()?;
        encoders.check(schema)?;
        let fits = |what, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => Err(mt_features::Error::Shape { what, expected, found }),
        };
        fits("columns of the normaliser", schema.numeric.len(), normalizer.columns.len())?;
        for table in [Some(train), valid.as_ref(), test.as_ref()].into_iter().flatten() {
            fits("columns of a table", schema.numeric.len(), table.width())?;
            fits("fields of a table", schema.fields.len(), table.fields().len())?;
            fits("tasks of a table", schema.tasks.len(), table.tasks())?;
            table.check_labels(&schema.tasks)?;
        }
        Ok(())
    }
}

/// Rows of the training files, apart.
struct Parts {
    train: Table,
    valid: Option<Table>,
    test: Option<Table>,
    /// The rows that became the test, as they were numbered before.
    scored: Option<Vec<u32>>,
    encoders: Encoders,
    /// What has been taken off the numbers of each column; empty where nothing has.
    bases: Vec<f64>,
    /// How the rows of each part's files fared with the side tables.
    joins: [Vec<JoinCoverage>; 3],
}

impl Parts {
    /// Sets the shares aside that `data` asks for.
    fn by_fractions(table: Table, data: &DataConfig) -> Self {
        let fractions = data.set_aside();
        if fractions.iter().all(|&fraction| fraction == 0.0) {
            let encoders = Encoders::default();
            let joins = Default::default();
            return Parts {
                train: table,
                valid: None,
                test: None,
                scored: None,
                encoders,
                joins,
                bases: Vec::new(),
            };
        }
        let rows = split(table.len() as u32, &fractions, data.split_seed);
        Self::by_rows(table, &rows[0], &rows[1], &rows[2])
    }

    fn by_rows(mut table: Table, valid: &[u32], test: &[u32], train: &[u32]) -> Self {
        let aside = |rows: &[u32]| (!rows.is_empty()).then(|| table.take(rows));
        let (valid, scored, test) = (aside(valid), (!test.is_empty()).then(|| test.to_vec()), aside(test));
        table.retain(train);
        Parts {
            train: table,
            valid,
            test,
            scored,
            encoders: Encoders::default(),
            joins: Default::default(),
            bases: Vec::new(),
        }
    }

    fn coverage(&mut self, schema: &Schema) -> Covered {
        let [train, valid, test] = std::mem::take(&mut self.joins);
        let of = |table: &Table, joins| Coverage::of(table, schema).with_joins(joins);
        Covered {
            train: of(&self.train, train),
            valid: self.valid.as_ref().map(|table| of(table, valid)),
            test: self.test.as_ref().map(|table| of(table, test)),
        }
    }
}

/// The rows of the training files: split, then with fields encoded as the rows left for training say.
fn read_training(
    data: &DataConfig,
    csv: &CsvConfig,
    tasks: &[TaskConfig],
    fit: Fit<'_>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(Schema, Parts, Skipped, Vec<Mentioned>)> {
    let reader = TableReader::open_fit(&csv.train, data, tasks, fit)?;
    let (schema, mentioned) = (reader.schema(), reader.mentioned());
    let (table, Finished { skipped, interned, parts, joins, bases }) =
        read(reader, &schema, "train", progress)?;
    let mut parts = match data.split {
        None => Parts::by_fractions(table, data),
        Some(_) => {
            let rows = |part: u8| -> Vec<u32> {
                (0u32..).zip(&parts).filter(|&(_, &of)| of == part).map(|(row, _)| row).collect()
            };
            Parts::by_rows(table, &rows(1), &rows(2), &rows(0))
        }
    };
    let fitting = Fitting { data, schema: &schema, fit };
    let (encoders, recoding) = fitting.encoders(interned, || {
        let mut counts = fitting.counts()?;
        counts.add(&parts.train);
        Ok(counts)
    })?;
    for table in [Some(&mut parts.train), parts.valid.as_mut(), parts.test.as_mut()].into_iter().flatten() {
        recoding.apply(table);
    }
    parts.joins = [joins.clone(), joins.clone(), joins];
    Ok((schema, Parts { encoders, bases, ..parts }, skipped, mentioned))
}

/// Room beyond what the files will take: for entries that normalising adds to sparse rows, six to the 34 of the census
/// data. Memory that nothing was written to costs nothing, but moving a table costs as much as reading it.
const SLACK: f64 = 1.25;

/// All rows of one part, as in the files.
pub(crate) fn read(
    mut reader: TableReader,
    schema: &Schema,
    what: &'static str,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(Table, Finished)> {
    let mut table = Table::empty(schema.numeric.len(), schema.tasks.len());
    while let Some(block) = reader.next() {
        let first = table.is_empty();
        table.append(block?)?;
        if first {
            table.reserve(SLACK * reader.blocks_expected());
        }
        progress(reader.progress());
    }
    table.shrink();
    if table.is_empty() { Err(Error::NoRows { what }) } else { Ok((table, reader.finish())) }
}
