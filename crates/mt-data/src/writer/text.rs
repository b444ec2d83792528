//! Rows as lines of text.

use std::io::Write;
use std::ops::Range;

use crate::reader::Kept;

/// About what a number takes: `0.12345678,` and a little more for the smallest.
const NUMBER: usize = 14;

/// A line of cells.
pub(super) fn line<'a>(cells: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut text = Vec::new();
    cells.for_each(|cell| push(cell, &mut text));
    end(&mut text);
    text
}

/// The lines of the rows `rows` of `kept`, each with `width` of `numbers` behind it.
pub(super) fn lines(kept: &Kept, rows: Range<usize>, numbers: &[f32], width: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(numbers.len() * NUMBER);
    for (row, numbers) in rows.zip(numbers.chunks_exact(width.max(1))) {
        kept.texts(row).for_each(|cell| push(cell, &mut text));
        for number in numbers {
            if !number.is_nan() {
                // Writing to memory does not fail.
                let _ = write!(text, "{number}");
            }
            text.push(b',');
        }
        end(&mut text);
    }
    text
}

/// Adds a cell, in quotes where a reader would take its text for something else.
fn push(cell: &[u8], text: &mut Vec<u8>) {
    let blank = |b: Option<&u8>| b.is_some_and(u8::is_ascii_whitespace);
    let special = |b: &u8| matches!(b, b',' | b'"' | b'\n' | b'\r');
    if blank(cell.first()) || blank(cell.last()) || cell.iter().any(special) {
        text.push(b'"');
        for &b in cell {
            text.extend_from_slice(if b == b'"' { b"\"\"" } else { std::slice::from_ref(&b) });
        }
        text.push(b'"');
    } else {
        text.extend_from_slice(cell);
    }
    text.push(b',');
}

/// Turns the last comma into the end of the line.
fn end(text: &mut [u8]) {
    if let Some(last) = text.last_mut() {
        *last = b'\n';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_read_back_as_they_are() {
        let cells = ["plain", "", "a,b", "say \"x\"", " blank", "two\nlines", "é"];
        let text = line(cells.iter().map(|cell| cell.as_bytes()));
        assert_eq!(text, "plain,,\"a,b\",\"say \"\"x\"\"\",\" blank\",\"two\nlines\",é\n".as_bytes());
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&text[..]);
        let record = reader.records().next().unwrap().unwrap();
        assert_eq!(record.iter().collect::<Vec<_>>(), cells);
    }
}
