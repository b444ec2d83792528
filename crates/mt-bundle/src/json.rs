//! Raw rows as JSON objects: `{"user_id": 17, "tags": ["a", "b"], "age": null}`.

use mt_features::{RawRows, Value};
use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};

/// Adds a row of named values; columns without a value are missing, and so is `null`.
///
/// # Errors
/// [`Error::Json`] for a value that no column can have, and as [`RawRows::push`]. The rows are then as before.
pub fn push_json(rows: &mut RawRows, row: &Map<String, Json>) -> Result<()> {
    let mut lists = Vec::new();
    for (column, value) in row {
        if let Json::Array(values) = value {
            let values: Result<Vec<Value<'_>>> = values.iter().map(|value| scalar(column, value)).collect();
            lists.push(values?);
        }
    }
    let mut lists = lists.iter();
    let mut values = Vec::with_capacity(row.len());
    for (column, value) in row {
        let value = match value {
            Json::Array(_) => Value::List(lists.next().map_or(&[], |list| list)),
            value => scalar(column, value)?,
        };
        check_digits(rows, column, value)?;
        values.push((column.as_str(), value));
    }
    Ok(rows.push(values)?)
}

/// Refuses a number that may have been a whole one of more than 64 bits: a [`Json`] has lost its digits, by which a field
/// tells values apart.
fn check_digits(rows: &RawRows, column: &str, value: Value<'_>) -> Result<()> {
    /// 2^63.
    const WIDE: f64 = 9_223_372_036_854_775_808.0;
    let wide = |value: &Value<'_>| matches!(value, Value::Number(x) if x.abs() >= WIDE);
    let wide = match value {
        Value::List(values) => values.iter().any(wide),
        value => wide(&value),
    };
    let encoder = rows.encoder();
    // An unknown column is refused with the row.
    if wide && encoder.column(column).is_ok_and(|column| !encoder.is_number(column)) {
        let found = "a number beyond 64 bits, to be given as a text".to_owned();
        return Err(Error::Json { column: column.to_owned(), found });
    }
    Ok(())
}

fn scalar<'a>(column: &str, value: &'a Json) -> Result<Value<'a>> {
    let found = match value {
        Json::Null => return Ok(Value::Missing),
        Json::String(text) => return Ok(text.as_str().into()),
        Json::Number(number) => {
            let whole = number.as_u64().map(Value::from).or_else(|| number.as_i64().map(Value::from));
            // Any other number is an `f64`.
            return Ok(whole.unwrap_or_else(|| number.as_f64().into()));
        }
        Json::Bool(value) => value.to_string(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    };
    Err(Error::Json { column: column.to_owned(), found })
}
