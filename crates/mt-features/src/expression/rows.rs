//! What an expression reads: some rows of columns.

use crate::epoch::Unit;
use crate::missing::Missing;
use crate::number::whole_f64;
use crate::value::Value;

/// The columns of an expression, in its order, and some rows of them.
pub trait Rows<'a> {
    /// How many rows.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a column in a row, without blanks around it; none of a list and of a column that is not there.
    fn value(&self, column: usize, row: usize) -> Value<'a>;

    /// The same where a list is read, whose values are put into `list`.
    fn list<'l>(&self, column: usize, row: usize, list: &'l mut Vec<Value<'a>>) -> Value<'l>
    where
        'a: 'l;

    /// In what the numbers of a column count time, where the column itself says it.
    fn unit(&self, column: usize) -> Option<Unit>;

    /// What says that a value is missing.
    fn missing(&self) -> &Missing;
}

/// What an expression finds in a cell.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Text(&'a [u8]),
    Number(f64),
    Whole(i128),
}

impl<'a> Cell<'a> {
    /// What a value is in an expression, if it is not missing.
    #[inline]
    pub fn of(value: Value<'a>, missing: &Missing) -> Option<Self> {
        if value.is_missing(missing) {
            return None;
        }
        match value {
            Value::Missing | Value::List(_) => None,
            Value::Text(text) => (!is_missing(text)).then_some(Cell::Text(text)),
            Value::Unsigned(x) => Some(Cell::Whole(x.into())),
            Value::Integer(x) => Some(Cell::Whole(x.into())),
            Value::Number(x) => Some(Cell::Number(x)),
            // What its text says.
            Value::Single(x) => Some(Cell::Number(x.to_string().parse().unwrap_or(x.into()))),
        }
    }

    /// Its number; `None` for a text that is none.
    #[inline]
    pub fn number(self) -> Option<f64> {
        match self {
            Cell::Number(x) => Some(x),
            Cell::Whole(x) => Some(x as f64),
            Cell::Text(text) => whole_f64(text),
        }
    }

    /// Its number, if that is a whole one, exactly.
    pub fn whole(self) -> Option<i128> {
        match self {
            Cell::Number(_) => None,
            Cell::Whole(x) => Some(x),
            Cell::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        }
    }
}

/// Whether a label's or an expression's cell holds nothing: empty, `null` or `NaN`.
pub fn is_missing(cell: &[u8]) -> bool {
    match cell.len() {
        0 => true,
        3 => cell.eq_ignore_ascii_case(b"nan"),
        4 => cell.eq_ignore_ascii_case(b"null"),
        _ => false,
    }
}
