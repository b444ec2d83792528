//! Parquet and Arrow files, and rows of sources: the columns that are needed, some thousand rows at a time, as typed columns.

mod batches;
mod column;
mod file;
mod groups;
mod input;
mod ipc;
mod kept;
mod messages;
mod quiet;
mod rows;

pub(super) use file::{File, Refused, Stripe};
pub(super) use rows::parse;

use mt_features::Value;

use super::typed::Typed;

/// What a list must hold to be written as a text.
pub(super) const LISTED: &str = "values that are neither missing nor hold the field's separator";

/// Appends the text of a row's value, lists with `separator` between their values; whether it could be read back.
pub(super) fn write(column: &Typed, row: usize, separator: Option<u8>, text: &mut Vec<u8>) -> bool {
    let Typed::List { lists, values } = column else {
        column.value(row).write(text);
        return true;
    };
    let (mut good, start) = (true, text.len());
    for i in lists.range(row).unwrap_or_default() {
        if text.len() > start {
            text.extend(separator);
        }
        let from = text.len();
        let value: Value<'_> = values.value(i);
        value.write(text);
        let separated = |b: &u8| Some(*b) == separator;
        good &= text.len() > from && !text[from..].iter().any(separated);
    }
    good
}
