//! What a configuration makes of columns of given names, whatever they hold.

use std::path::Path;

use mt_features::{Schema, TaskConfig};

use super::columns::Columns;
use super::request::{Labels, Request};
use super::resolve;
use super::side;
use crate::config::DataConfig;
use crate::error::Result;

/// The schema that training files with the columns `own`, the last of which are those of their folders, give rise to; `named` says
/// whether these are names of their own.
///
/// # Errors
/// Whatever is wrong with the configuration.
pub fn schema(
    path: &Path,
    own: Vec<String>,
    named: bool,
    data: &DataConfig,
    tasks: &[TaskConfig],
) -> Result<Schema> {
    let request = Request::new(data, tasks, Labels::Required, true)?;
    let sides = side::open(data, request.csv.delimiter_byte()?)?;
    let (width, partitions) = (own.len(), &data.storage.partitions(path)[..]);
    let names = side::names(own, path, &sides)?;
    let fields = &data.fields[..];
    let columns =
        Columns { path, names: &names, named, typed: false, own: width, partitions, shifted: false, fields };
    resolve::schema(columns, &request)
}
