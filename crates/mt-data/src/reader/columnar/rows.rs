//! From the columns of some rows to what a block of text would give.

use super::dictionary::Dictionary;
use super::leaf::Leaf;
use super::values::{Cells as Texts, Span, Values};
use crate::reader::kept::{Cells, Kept};
use crate::reader::layout::{Layout, Slot};
use crate::reader::records::Records;
use crate::reader::row::{Fault, FaultKind, Parsed, Row};

/// Some rows of a file.
pub(in crate::reader) struct Stripe {
    pub(super) rows: usize,
    /// The columns that are needed, in the file's order.
    pub(super) columns: Vec<Needed>,
    /// What is handed on as it is.
    pub(super) kept: KeptStripe,
}

/// Columns that are handed on as they are.
pub(super) enum KeptStripe {
    Texts(Vec<Needed>),
    Stored(Vec<Leaf>),
}

impl Stripe {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Takes out the columns that are handed on.
    pub fn take_kept(&mut self) -> Kept {
        match std::mem::replace(&mut self.kept, KeptStripe::Stored(Vec::new())) {
            KeptStripe::Stored(leaves) => Kept(Cells::Stored(leaves)),
            KeptStripe::Texts(columns) => {
                let (mut text, mut records) = (Vec::new(), Records::empty(columns.len()));
                let cells = |needed: &Needed| needed.values.cells(needed.separator, &mut text);
                let columns: Vec<Texts> = columns.iter().map(cells).collect();
                for row in 0..self.rows {
                    for cells in &columns {
                        let (Span { start, end, .. }, _) = cells.at(row);
                        records.push(|to| to.extend_from_slice(&text[start as usize..end as usize]));
                    }
                }
                Kept(Cells::Text(records))
            }
        }
    }

    /// Appends all cells to `text`, and returns where they are: for each column its number and its rows.
    pub fn cells(&self, text: &mut Vec<u8>) -> Vec<(usize, Texts)> {
        let cells = |needed: &Needed| (needed.column, needed.values.cells(needed.separator, text));
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

/// A column by rows that is no numeric feature.
enum Column {
    Label(usize, Vec<f32>),
    Kept(u32, Texts),
}

/// Reads the rows of `stripe`, and gives up after more than `allowance` bad ones.
pub(in crate::reader) fn rows(stripe: &Stripe, layout: &Layout, allowance: u64) -> Parsed {
    let (mut text, mut features, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    let mut row = Row::new(layout);
    for (number, Needed { column, separator, values }) in stripe.columns.iter().enumerate() {
        match layout.slots[*column] {
            Slot::Feature(feature) => features.push((number, feature, Numbers::of(values))),
            Slot::Label(task) => cells.push((number, Column::Label(task as usize, values.numbers(true)))),
            Slot::Keep(k) => {
                let texts = values.cells(*separator, &mut text);
                row.records.iter_mut().for_each(|records| records.repeat(k, texts.repeated()));
                cells.push((number, Column::Kept(k, texts)));
            }
            Slot::Skip => {}
        }
    }
    let features = Features::by_row(&features, stripe.rows, layout.numeric_missing);
    let (mut records, mut faults) = (0, Vec::new());
    for at in 0..stripe.rows {
        let fault = match read(&mut row, &features, &cells, &text, at) {
            Ok(()) => None,
            Err(Bad::Plan) => row.take_fault(0, 0, records),
            Err(Bad::Cell { number, expected }) => {
                let Needed { column, separator, values } = &stripe.columns[number];
                let (expected, found) = (expected.into(), values.show(*separator, at));
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
    Cell { number: usize, expected: &'static str },
    /// What the plan says.
    Plan,
}

/// Reads one row; its labels and features stay unfinished.
fn read(
    row: &mut Row<'_>,
    features: &Features,
    cells: &[(usize, Column)],
    text: &[u8],
    at: usize,
) -> Result<(), Bad> {
    let labelled = row.begin();
    // Of several bad cells the first one counts, and features come apart from the others.
    let bad_feature = features.bad[at];
    for (number, cells) in cells.iter().take_while(|&&(number, _)| number < bad_feature) {
        let bad = |expected| Bad::Cell { number: *number, expected };
        match cells {
            Column::Label(_, values) if values[at].is_nan() => {}
            Column::Label(task, values) => {
                row.label(labelled + task, values[at]).ok_or_else(|| bad("0 or 1"))?;
            }
            Column::Kept(k, texts) => {
                let (Span { start, end, bad: unusable }, which) = texts.at(at);
                if unusable {
                    return Err(bad(LISTED));
                }
                row.records.iter_mut().for_each(|records| records.place(*k, start, end, which));
            }
        }
    }
    if bad_feature < usize::MAX {
        return Err(Bad::Cell { number: bad_feature, expected: "a number" });
    }
    let stored = features.starts[at] as usize..features.starts[at + 1] as usize;
    row.extend(&features.columns[stored.clone()], &features.values[stored]);
    row.complete(text, labelled, 0).map(|_| ()).ok_or(Bad::Plan)
}

/// Numeric features by row, as [`SparseRows`](crate::rows::SparseRows) has them.
struct Features {
    starts: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
    /// The number of each row's first column without a number, or the largest there is.
    bad: Vec<usize>,
}

/// The numbers of one column.
enum Numbers<'a> {
    /// One a row.
    All(Vec<f32>),
    /// Rows and their codes; those of the rest are 0.
    Some(&'a Dictionary, &'a [(u32, u32)]),
}

impl<'a> Numbers<'a> {
    fn of(values: &'a Values) -> Self {
        match values {
            Values::Sparse { dictionary, others, .. } => Numbers::Some(dictionary, others),
            _ => Numbers::All(values.numbers(false)),
        }
    }

    /// Calls `found` with the row and the value of each number that is not 0, in order.
    #[inline(always)]
    fn others(&self, mut found: impl FnMut(usize, f32)) {
        let mut found = |row: usize, value: f32| {
            if value != 0.0 {
                found(row, value);
            }
        };
        match self {
            Numbers::All(values) => values.iter().enumerate().for_each(|(row, &value)| found(row, value)),
            Numbers::Some(dictionary, others) => {
                others.iter().for_each(|&(row, code)| found(row as usize, dictionary.number(code)));
            }
        }
    }
}

impl Features {
    /// Turns columns, each with its number and feature, into rows. A column at a time: with one cell of each of many
    /// columns a row, most of the time would go into finding them, and most are 0.
    fn by_row(features: &[(usize, u32, Numbers<'_>)], rows: usize, missing: Option<f32>) -> Self {
        // What is stored of a number that is not 0, if it is one or missing ones may be.
        let stored = |value: f32| match value {
            _ if value.is_finite() => Some(value),
            _ if value.is_nan() => missing,
            _ => None,
        };
        let (mut starts, mut bad) = (vec![0u32; rows + 1], vec![usize::MAX; rows]);
        for (number, _, values) in features {
            values.others(|row, value| match stored(value) {
                Some(value) => starts[row + 1] += u32::from(value != 0.0),
                None => bad[row] = bad[row].min(*number),
            });
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let all = starts[rows] as usize;
        let (mut columns, mut stored_values) = (vec![0; all], vec![0.0; all]);
        let mut ends = starts.clone();
        for (_, feature, values) in features {
            values.others(|row, value| {
                if let Some(value) = stored(value).filter(|value| *value != 0.0) {
                    let at = ends[row] as usize;
                    (columns[at], stored_values[at]) = (*feature, value);
                    ends[row] += 1;
                }
            });
        }
        Features { starts, columns, values: stored_values, bad }
    }
}
