//! What a configuration makes of columns of given names, whatever they hold.

use std::path::Path;

use super::columns::Columns;
use super::layout::{self, Labels, Request};
use super::side;
use crate::config::{DataConfig, TaskConfig};
use crate::error::Result;
use crate::schema::Schema;

/// The schema that training files with the columns `own` give rise to; `named` says whether these are names of their own.
pub(crate) fn schema(
    path: &Path,
    own: Vec<String>,
    named: bool,
    data: &DataConfig,
    tasks: &[TaskConfig],
) -> Result<Schema> {
    let request = Request::new(data, tasks, Labels::Required, true)?;
    let sides = side::open(data, request.csv.delimiter_byte()?)?;
    let width = own.len();
    let names = side::names(own, path, &sides)?;
    let fields = &data.fields[..];
    let columns = Columns { path, names: &names, named, typed: false, own: width, shifted: false, fields };
    layout::schema(columns, &request)
}
