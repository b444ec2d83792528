//! From the columns of some rows to what a block of text would give.

use std::borrow::Cow;

use super::values::{Span, Values};
use crate::reader::layout::{Layout, Slot};
use crate::reader::row::{Fault, FaultKind, Parsed, Row};

/// Some rows of a file.
pub(in crate::reader) struct Stripe {
    pub(super) rows: usize,
    /// The columns that are needed, in the file's order.
    pub(super) columns: Vec<Needed>,
}

impl Stripe {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends all cells to `text`, and returns where they are: for each column its number and its rows.
    pub fn cells(&self, text: &mut Vec<u8>) -> Vec<(usize, Vec<Span>)> {
        let cells = |needed: &Needed| (needed.column, needed.values.texts(needed.separator, text));
        self.columns.iter().map(cells).collect()
    }
}

/// What a list must hold.
pub(in crate::reader) const LISTED: &str = "values that are neither missing nor hold the field's separator";

/// A column that is needed.
pub(super) struct Needed {
    /// Its number in the file.
    pub column: usize,
    /// What stands between the values of a list.
    pub separator: Option<u8>,
    pub values: Values,
}

/// A column by rows.
enum Cells {
    Feature(u32, Vec<f32>),
    Label(usize, Vec<f32>),
    Kept(u32, Vec<Span>),
}

/// Reads the rows of `stripe`, and gives up after more than `allowance` bad ones.
pub(in crate::reader) fn rows(stripe: &Stripe, layout: &Layout, allowance: u64) -> Parsed {
    let mut text = Vec::new();
    let cells = |needed: &Needed| match layout.slots[needed.column] {
        Slot::Feature(feature) => Some(Cells::Feature(feature, needed.values.numbers(false))),
        Slot::Label(task) => Some(Cells::Label(task as usize, needed.values.numbers(true))),
        Slot::Keep(k) => Some(Cells::Kept(k, needed.values.texts(needed.separator, &mut text))),
        Slot::Skip => None,
    };
    let cells: Vec<Cells> = stripe.columns.iter().filter_map(cells).collect();
    let mut row = Row::new(layout);
    let (mut records, mut faults) = (0, Vec::new());
    for at in 0..stripe.rows {
        let fault = match read(&mut row, &cells, &text, at) {
            Ok(()) => None,
            Err(Bad::Plan) => row.take_fault(0, 0, records),
            Err(Bad::Cell { number, expected }) => {
                let Needed { column, separator, values } = &stripe.columns[number];
                let found = show(values, *separator, at);
                let kind = FaultKind::Cell { column: *column, field: None, expected, found };
                Some(Fault { line: 0, record: records, offset: 0, kind })
            }
        };
        match fault {
            None => row.finish(),
            Some(fault) => {
                row.drop_unfinished();
                faults.push(fault);
                if faults.len() as u64 > allowance {
                    break;
                }
            }
        }
        records += 1;
    }
    row.into_parsed(records, records, faults)
}

/// Why a row cannot be used.
enum Bad {
    /// The cell of this number.
    Cell { number: usize, expected: Cow<'static, str> },
    /// What the plan says.
    Plan,
}

/// Reads one row; its labels and features stay unfinished.
#[inline]
fn read(row: &mut Row<'_>, cells: &[Cells], text: &[u8], at: usize) -> Result<(), Bad> {
    let labelled = row.begin();
    for (number, cells) in cells.iter().enumerate() {
        let bad = |expected: &'static str| Bad::Cell { number, expected: expected.into() };
        match cells {
            Cells::Feature(feature, values) => {
                let value = values[at];
                let missing = if value.is_nan() { row.layout.numeric_missing } else { None };
                let value = Some(value).filter(|value| value.is_finite()).or(missing);
                row.push(*feature, value.ok_or_else(|| bad("a number"))?);
            }
            Cells::Label(_, values) if values[at].is_nan() => {}
            Cells::Label(task, values) => {
                row.label(labelled + task, values[at]).ok_or_else(|| bad("0 or 1"))?;
            }
            Cells::Kept(k, spans) => {
                let Span { start, end, bad: unusable } = spans[at];
                if unusable {
                    return Err(bad(LISTED));
                }
                row.records.iter_mut().for_each(|records| records.place(*k, start, end));
            }
        }
    }
    row.complete(text, labelled, 0).map(|_| ()).ok_or(Bad::Plan)
}

/// The text of one row of a column, for a message.
#[cold]
fn show(values: &Values, separator: Option<u8>, at: usize) -> String {
    let mut text = Vec::new();
    let Span { start, end, .. } = values.texts(separator, &mut text)[at];
    String::from_utf8_lossy(&text[start as usize..end as usize]).into_owned()
}
