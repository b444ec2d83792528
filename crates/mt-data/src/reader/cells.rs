//! One column of some rows, cell by cell: texts of a block, typed values, or the one value of a folder.

use mt_features::{Missing, Value, expression::Column};

use super::cell::Content;
#[cfg(feature = "parquet")]
use super::typed::Typed;

/// Where the content of a cell is: in the block, or, with doubled quotes, among those less the doubles.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
    pub unescaped: bool,
}

impl Span {
    /// Of a cell's content; those with doubled quotes are put behind `unescaped`.
    #[inline]
    pub fn of(content: Content, text: &[u8], unescaped: &mut Vec<u8>) -> Self {
        let Content { start, end, escaped, .. } = content;
        if !escaped {
            return Span { start: start as u32, end: end as u32, unescaped: false };
        }
        let start = unescaped.len() as u32;
        content.write(text, unescaped);
        Span { start, end: unescaped.len() as u32, unescaped: true }
    }
}

/// The cells of one column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cells<'a> {
    /// Those of a block of text.
    Text { text: &'a [u8], unescaped: &'a [u8], spans: &'a [Span] },
    /// Typed values.
    #[cfg(feature = "parquet")]
    Typed(&'a Typed),
    /// One value in all rows.
    Same(Value<'a>),
    /// What is computed.
    Computed(&'a Column<'a>),
}

impl<'a> Cells<'a> {
    /// The value of a row. Those of a list are put into `list`.
    #[inline]
    #[cfg_attr(
        not(feature = "parquet"),
        expect(unused_variables, clippy::ptr_arg, reason = "texts are no lists")
    )]
    pub fn at<'l>(self, row: usize, list: &'l mut Vec<Value<'a>>) -> Value<'l>
    where
        'a: 'l,
    {
        match self {
            #[cfg(feature = "parquet")]
            Cells::Typed(Typed::List { lists, values }) => {
                list.clear();
                match lists.range(row) {
                    None => return Value::Missing,
                    Some(range) => list.extend(range.map(|i| values.value(i))),
                }
                Value::List(list)
            }
            cells => cells.value(row),
        }
    }

    /// The value of a row that has one at the most.
    #[inline]
    pub fn value(self, row: usize) -> Value<'a> {
        match self {
            Cells::Text { text, unescaped, spans } => {
                let Span { start, end, unescaped: escaped } = spans[row];
                let text = if escaped { unescaped } else { text };
                Value::Text(&text[start as usize..end as usize])
            }
            #[cfg(feature = "parquet")]
            Cells::Typed(typed) => typed.value(row),
            Cells::Same(value) => value,
            Cells::Computed(column) => column.value(row),
        }
    }

    /// The number of each of `rows` rows, NaN where it is missing. What is none is handed to `bad`.
    pub fn numbers(
        self,
        rows: usize,
        missing: &Missing,
        mut bad: impl FnMut(usize, &'static str, Value<'a>),
    ) -> Vec<f32> {
        #[cfg(feature = "parquet")]
        if let Cells::Typed(typed) = self
            && missing.is_empty()
            && let Some(numbers) = typed.plain_numbers()
        {
            return numbers;
        }
        if let Cells::Same(value) = self
            && let Ok(number) = value.number(missing)
        {
            return vec![number; rows];
        }
        let number = |row: usize| {
            let value = self.value(row);
            value.number(missing).unwrap_or_else(|expected| {
                bad(row, expected, value);
                0.0
            })
        };
        (0..rows).map(number).collect()
    }
}

/// Finds for a row an earlier one with the same value, so that what has been made of that one need not be made again. Logs repeat
/// what a session, a user or a day has in common.
pub(super) struct Repeats<'a> {
    cells: Cells<'a>,
    seen: Seen,
}

/// The rows that are remembered, each counted from 1; 0 is none.
enum Seen {
    /// The last one.
    Last(u32),
    /// One for each code of a dictionary.
    #[cfg(feature = "parquet")]
    Codes(Vec<u32>),
    /// One for each slot of a whole number's hash.
    #[cfg(feature = "parquet")]
    Whole(Box<[u32; SLOTS]>),
}

#[cfg(feature = "parquet")]
const SLOTS: usize = 1024;

impl<'a> Repeats<'a> {
    pub fn new(cells: Cells<'a>) -> Self {
        let seen = match cells {
            Cells::Text { .. } | Cells::Same(_) | Cells::Computed(_) => Seen::Last(0),
            #[cfg(feature = "parquet")]
            Cells::Typed(Typed::Coded { values, .. }) => Seen::Codes(vec![0; values.len() + 1]),
            #[cfg(feature = "parquet")]
            Cells::Typed(Typed::Signed(_) | Typed::Unsigned(_)) => Seen::Whole(Box::new([0; SLOTS])),
            #[cfg(feature = "parquet")]
            Cells::Typed(_) => Seen::Last(0),
        };
        Repeats { cells, seen }
    }

    /// An earlier row with the value of this one, if one is remembered. Unless there is one, this is the one that will be.
    #[inline]
    pub fn earlier(&mut self, row: usize) -> Option<usize> {
        let cells = self.cells;
        let slot = self.slot(row)?;
        let earlier = slot.checked_sub(1).map(|row| row as usize);
        let all = matches!(cells, Cells::Same(_));
        let same = earlier.filter(|&earlier| all || same(cells.value(earlier), cells.value(row)));
        if same.is_none() {
            *slot = row as u32 + 1;
        }
        same
    }

    /// Takes it back that a row is remembered.
    pub fn forget(&mut self, row: usize) {
        self.slot(row).into_iter().for_each(|slot| *slot = 0);
    }

    /// Where rows with the value of this one are remembered.
    #[inline]
    #[cfg_attr(
        not(feature = "parquet"),
        expect(unused_variables, reason = "of texts the last one is remembered")
    )]
    fn slot(&mut self, row: usize) -> Option<&mut u32> {
        let cells = self.cells;
        Some(match &mut self.seen {
            Seen::Last(last) => last,
            #[cfg(feature = "parquet")]
            Seen::Codes(rows) => {
                let Cells::Typed(Typed::Coded { codes, .. }) = cells else { return None };
                let none = rows.len() - 1;
                &mut rows[codes.code(row).unwrap_or(none)]
            }
            #[cfg(feature = "parquet")]
            Seen::Whole(rows) => {
                let key = match cells.value(row) {
                    Value::Integer(x) => x as u64,
                    Value::Unsigned(x) => x,
                    _ => return None,
                };
                &mut rows[(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize]
            }
        })
    }
}

/// Whether both are there and have the same text. Lists have no value here.
#[inline]
fn same(one: Value<'_>, other: Value<'_>) -> bool {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => one == other,
        (Value::Integer(one), Value::Integer(other)) => one == other,
        (Value::Unsigned(one), Value::Unsigned(other)) => one == other,
        (Value::Number(one), Value::Number(other)) => one.to_bits() == other.to_bits(),
        (Value::Single(one), Value::Single(other)) => one.to_bits() == other.to_bits(),
        _ => false,
    }
}
