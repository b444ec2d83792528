//! Files and configurations the tests share.

use std::path::PathBuf;

use mt_data::{CsvConfig, DataConfig, Dataset, Paths, Result, TableReader};
use mt_features::{ColumnRef, Table, TaskConfig};

pub use crate::parquet_writer::Files;

pub fn label(name: &str, column: &str) -> TaskConfig {
    TaskConfig::new(name, ColumnRef::Name(column.to_owned()))
}

pub fn label_at(name: &str, index: usize) -> TaskConfig {
    TaskConfig::new(name, ColumnRef::Index(index))
}

pub fn headerless(path: impl Into<Paths>) -> CsvConfig {
    CsvConfig { header: false, ..CsvConfig::new(path) }
}

/// All rows of training files, as one table.
pub fn read(csv: &CsvConfig, tasks: &[TaskConfig]) -> Result<Table> {
    join(TableReader::open_training(&csv.train, csv, tasks)?)
}

pub fn join(reader: TableReader) -> Result<Table> {
    let schema = reader.schema();
    let mut table = Table::empty(schema.numeric.len(), schema.tasks.len());
    for block in reader {
        table.append(block?)?;
    }
    Ok(table)
}

/// Features of a table, row-major.
pub fn values(table: &Table) -> Vec<f32> {
    table.numeric().to_dense().values
}

/// The folder of real data sets, or `None` after saying that the test skips.
pub fn real_data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MT_TEST_DATA").map(|f| PathBuf::from(f).join("datasets/census-income"));
    let folder = folder.filter(|f| f.join("census-income.data.gz").exists());
    #[expect(clippy::print_stdout, reason = "a test that skips must say so")]
    if folder.is_none() {
        println!("{test}: skipped, as MT_TEST_DATA names no folder with datasets/census-income");
    }
    folder
}

/// A column or an expression.
pub fn named(text: &str) -> ColumnRef {
    ColumnRef::Name(text.to_owned())
}

/// The data section in `text`, where `DIR` stands for the folder of `files`.
pub fn section(files: &Files, text: &str) -> DataConfig {
    let folder = files.0.path().to_str().unwrap();
    serde_yaml::from_str(&text.replace("DIR", folder)).unwrap()
}

/// All that a training run would read.
pub fn load(data: &DataConfig, tasks: &[TaskConfig]) -> Result<Dataset> {
    Dataset::load(data, tasks, &|_| ())
}
