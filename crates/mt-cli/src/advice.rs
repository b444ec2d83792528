//! What to write where a column is not the number that it is read as: of all such columns at once.

use std::fmt::{self, Write};

use mt_data::DataConfig;
use mt_features::NumericMissing;
use mt_profile::{ColumnProfile, Kind, NoNumbers};
use mt_train::Config;

use crate::report::thousands;
use crate::yaml::{list, scalar};

/// Values of a column that are shown.
const SHOWN: usize = 3;

/// An error about one cell, and what to write about its column and others.
#[derive(Debug)]
struct WithAdvice {
    error: mt_train::Error,
    advice: String,
}

impl fmt::Display for WithAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.error, self.advice)
    }
}

impl std::error::Error for WithAdvice {}

/// The error of a loading that failed. Where a cell is no number, the beginning of the files is read again, to name all
/// columns that hold something else.
pub fn explain(error: mt_train::Error, cfg: &Config) -> anyhow::Error {
    use mt_data::Error::{ColumnType, Field};
    let about_a_number = match &error {
        mt_train::Error::Data(Field { expected, .. }) => expected == "a number",
        mt_train::Error::Data(ColumnType { .. }) => true,
        _ => false,
    };
    // What else is wrong with the files is not what was asked.
    let found = if about_a_number { NoNumbers::find(&cfg.data, &cfg.tasks).ok().flatten() } else { None };
    match found.and_then(|found| advice(&found, &cfg.data)) {
        Some(advice) => WithAdvice { error, advice }.into(),
        None => error.into(),
    }
}

/// What to write; `None` where one stray cell is all that there is.
fn advice(found: &NoNumbers, data: &DataConfig) -> Option<String> {
    let NoNumbers { rows, columns, nothing, empty, .. } = found;
    let typed = |column: &ColumnProfile| matches!(column.kind, Kind::List(None) | Kind::Unreadable(_));
    if !columns.iter().any(typed) && columns.iter().map(|column| column.texts).sum::<u64>() + empty < 2 {
        return None;
    }
    let section = if data.parquet.is_some() { "parquet" } else { "csv" };
    let mut text = String::new();
    if !columns.is_empty() {
        let (rows, n) = (thousands(*rows as usize), columns.len());
        let hold = if n == 1 { "column holds" } else { "columns hold" };
        let _ = writeln!(
            text,
            "{n} {hold} something else than the numbers that `features: all` makes of them, by the first {rows} rows:"
        );
        let width = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or_default();
        for column in columns {
            let such: Vec<String> =
                column.top.iter().take(SHOWN).map(|(text, _)| format!("{text:?}")).collect();
            let such = if such.is_empty() { String::new() } else { format!(", such as {}", such.join(", ")) };
            let _ = writeln!(text, "  {:<width$}  {}{such}", column.name, column.kind);
        }
    }
    let (fields, out): (Vec<_>, Vec<_>) = columns.iter().partition(|column| field(column).is_some());
    let mut own = String::new();
    if !out.is_empty() {
        let _ = writeln!(own, "    exclude: {}", list(out.iter().map(|column| column.name.as_str())));
    }
    if !nothing.is_empty() {
        let _ = writeln!(own, "    missing: {}", list(nothing.iter().copied()));
    }
    if !own.is_empty() {
        let _ = write!(text, "To read these rows, write under data.{section}:\n{own}");
    }
    let mut beside = String::new();
    if *empty > 0 && data.numeric_missing == NumericMissing::Fail {
        beside += "  numeric_missing: mean\n";
    }
    if !fields.is_empty() {
        let fields = fields.into_iter().filter_map(field);
        let _ = writeln!(beside, "  fields:\n{}", fields.collect::<Vec<_>>().join("\n"));
    }
    if !beside.is_empty() {
        let start = if own.is_empty() { "To read these rows, write" } else { "and" };
        let _ = write!(text, "{start} under data:\n{beside}");
    }
    Some(text.trim_end().to_owned())
}

/// A column as a line of `data.fields`, if it can be one.
fn field(column: &ColumnProfile) -> Option<String> {
    let separator = match &column.kind {
        Kind::Unreadable(_)
        | Kind::Unique
        | Kind::Text
        | Kind::Brackets
        | Kind::IsoTime
        | Kind::DecimalComma => {
            return None;
        }
        Kind::List(separator) => {
            format!(", separator: {}", serde_json::Value::from(separator.unwrap_or('|').to_string()))
        }
        _ => String::new(),
    };
    Some(format!("  - {{column: {}{separator}}}", scalar(&column.name)))
}
