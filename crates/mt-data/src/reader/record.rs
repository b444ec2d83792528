//! One record of a text file, split into its cells.

use std::path::Path;

use super::cell::{Content, count, position};
use crate::error::{Error, Found, Place, Result};

/// Where a record is, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whereabouts<'a> {
    pub path: &'a Path,
    /// Its line, from 1.
    pub line: u64,
    /// Its number, from 1.
    pub record: u64,
}

/// The length of a line break at the start of `text`: that of a blank line.
pub(super) fn blank(text: &[u8]) -> usize {
    match text {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}

/// Splits the record at `at`, which must have a cell for each of the columns `names`, and returns where the next one starts.
pub(super) fn split(
    text: &[u8],
    at: usize,
    delimiter: u8,
    names: &[String],
    cells: &mut Vec<Content>,
    whereabouts: Whereabouts<'_>,
) -> Result<usize> {
    let Whereabouts { path, line, record } = whereabouts;
    let place = |at_cell: usize| {
        let (lines, column) = position(&text[at..], at_cell - at);
        Place::Text { path: path.to_owned(), line: line + lines, column: column as u64 + 1 }
    };
    cells.clear();
    let mut next = at;
    loop {
        let content = Content::at(text, next, delimiter);
        cells.push(content);
        if content.bad_quotes {
            let found = Found(String::from_utf8_lossy(&text[content.start..content.next]).into_owned());
            let column = cells.len() - 1;
            let field = names.get(column).map_or_else(|| format!("column {column}"), String::clone).into();
            let expected = "a closing quote right before the next field".into();
            return Err(Error::Field { place: place(content.start), field, expected, found, record });
        }
        next = content.next + 1;
        match text.get(content.next) {
            Some(&b) if b == delimiter => {}
            Some(b'\r') => {
                next += 1;
                break;
            }
            _ => break,
        }
    }
    let expected = names.len();
    if cells.len() != expected {
        let (found, end) = count(text, at, delimiter, expected);
        return Err(Error::Width { place: place(end), expected, found, record });
    }
    Ok(next)
}
