//! Files and configurations the tests share.

use std::path::PathBuf;

use mt_data::{DataConfig, Dataset, Result};
use mt_features::{ColumnRef, TaskConfig};

pub use mt_data::testing::Files;

pub fn label(name: &str, column: &str) -> TaskConfig {
    TaskConfig::new(name, ColumnRef::Name(column.to_owned()))
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

/// The data section in `text`, where `DIR` stands for the folder of `files`.
pub fn section(files: &Files, text: &str) -> DataConfig {
    let folder = files.0.path().to_str().unwrap();
    serde_yaml::from_str(&text.replace("DIR", folder)).unwrap()
}

/// All that a training run would read.
pub fn load(data: &DataConfig, tasks: &[TaskConfig]) -> Result<Dataset> {
    Dataset::load(data, tasks, &|_| ())
}
