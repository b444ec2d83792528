//! Cells with blanks or quotes, and everything that is needed to say what is wrong with one.

/// One cell of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// Where its content begins: behind blanks and the opening quote.
    pub start: usize,
    /// Where its content ends.
    pub end: usize,
    /// Position of the delimiter, `\r\n` or `\n` behind it.
    pub next: usize,
    /// Whether an opening quote has no closing one, or text follows the closing one.
    pub bad_quotes: bool,
}

impl Cell {
    /// Whether its opening quote has no closing one on the line: what it holds may go on in the next.
    pub fn is_open(&self, text: &[u8]) -> bool {
        let before = self.start.checked_sub(1).map(|before| text[before]);
        self.bad_quotes && text[self.start] == b'"' && before != Some(b'"')
    }

    /// The cell that starts at `at` in `text`, which has a line end somewhere behind `at`.
    pub fn at(text: &[u8], at: usize, delimiter: u8) -> Self {
        let ends = |b: u8| b == delimiter || b == b'\n';
        let blank = |b: u8| (b == b' ' || b == b'\t') && b != delimiter;
        let skip = |from: usize, what: &dyn Fn(u8) -> bool| {
            text[from..].iter().position(|&b| !what(b)).map_or(text.len(), |n| from + n)
        };
        let start = skip(at, &blank);
        let quoted = text.get(start) == Some(&b'"');
        if let Some(close) = quoted.then(|| closing_quote(text, start + 1)).flatten() {
            let after = skip(close + 1, &blank);
            let next = skip(after, &|b| !ends(b));
            let next = before_carriage_return(text, after, next);
            return Cell { start: start + 1, end: close, next, bad_quotes: next != after };
        }
        let next = skip(start, &|b| !ends(b));
        let next = before_carriage_return(text, start, next);
        let content = text[start..next].iter().rposition(|&b| !blank(b)).map_or(0, |n| n + 1);
        Cell { start, end: start + content, next, bad_quotes: quoted }
    }
}

/// The content of a cell that is kept as text: without blanks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    pub start: usize,
    pub end: usize,
    /// As in [`Cell`].
    pub next: usize,
    /// As in [`Cell`].
    pub bad_quotes: bool,
    /// Whether doubled quotes stand for single ones.
    pub escaped: bool,
}

impl Content {
    /// As [`Cell::at`], and quick where there are neither blanks nor quotes.
    #[inline]
    pub fn at(text: &[u8], at: usize, delimiter: u8) -> Self {
        let ends = |b: &u8| *b == delimiter || *b == b'\n';
        let next = text[at..].iter().position(ends).map_or(text.len(), |n| at + n);
        let plain = |b: &u8| !matches!(b, b' ' | b'\t' | b'\r' | b'"');
        let inside = &text[at..next];
        if inside.first().is_none_or(plain) && inside.last().is_none_or(plain) {
            return Content { start: at, end: next, next, bad_quotes: false, escaped: false };
        }
        let Cell { start, end, next, bad_quotes } = Cell::at(text, at, delimiter);
        let content = &text[start..end];
        let escaped = start > 0 && text[start - 1] == b'"' && content.windows(2).any(|pair| pair == b"\"\"");
        let leading = content.len() - content.trim_ascii_start().len();
        let end = start + content.trim_ascii_end().len().max(leading);
        Content { start: start + leading, end, next, bad_quotes, escaped }
    }
}

/// Appends the content of a quoted cell with one quote for each doubled one.
pub(super) fn unescape(content: &[u8], to: &mut Vec<u8>) {
    let mut rest = content;
    while let Some(quote) = rest.windows(2).position(|pair| pair == b"\"\"") {
        to.extend_from_slice(&rest[..=quote]);
        rest = &rest[quote + 2..];
    }
    to.extend_from_slice(rest);
}

/// Where the quote closes, on the same line; a doubled quote stands for one and does not close.
fn closing_quote(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match text.get(at)? {
            b'"' if text.get(at + 1) == Some(&b'"') => at += 2,
            b'"' => return Some(at),
            b'\n' => return None,
            _ => at += 1,
        }
    }
}

/// Leaves the `\r` of a `\r\n` out of the cell.
fn before_carriage_return(text: &[u8], start: usize, next: usize) -> usize {
    let line_ends = text.get(next).is_none_or(|&b| b == b'\n');
    if line_ends && next > start && text[next - 1] == b'\r' { next - 1 } else { next }
}

/// The number of cells in the line that starts at `at`, and where the cell number `wanted` begins, or where the
/// line ends if it has fewer.
pub(super) fn count(text: &[u8], at: usize, delimiter: u8, wanted: usize) -> (usize, usize) {
    let (mut cells, mut start, mut place) = (0, at, at);
    loop {
        let cell = Cell::at(text, start, delimiter);
        if cells <= wanted {
            place = start;
        }
        cells += 1;
        if text.get(cell.next) != Some(&delimiter) {
            let place = if cells <= wanted { cell.next } else { place };
            return (cells, place);
        }
        start = cell.next + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(line: &str) -> Vec<(String, bool)> {
        let text = line.as_bytes();
        let mut cells = Vec::new();
        let mut at = 0;
        loop {
            let cell = Cell::at(text, at, b',');
            cells.push((String::from_utf8_lossy(&text[cell.start..cell.end]).into_owned(), cell.bad_quotes));
            if text[cell.next] != b',' {
                return cells;
            }
            at = cell.next + 1;
        }
    }

    #[test]
    fn blanks_and_quotes_around_a_value_are_no_part_of_it() {
        let plain = |text: &str| (text.to_owned(), false);
        assert_eq!(
            contents("1, 2 ,\"3\", \"4,5\" ,,\" 6\"\r\n"),
            ["1", "2", "3", "4,5", "", " 6"].map(plain)
        );
        assert_eq!(contents("\n"), [plain("")]);
        assert_eq!(contents("a\"\"b,\"say \"\"x\"\"\"\n"), ["a\"\"b", "say \"\"x\"\""].map(plain));
    }

    #[test]
    fn quotes_that_do_not_close_are_noticed() {
        assert_eq!(contents("\"1,2\n"), [("\"1".to_owned(), true), ("2".to_owned(), false)]);
        assert!(contents("\"1\"2,3\n")[0].1);
    }

    #[test]
    fn a_surplus_cell_is_found_where_it_begins() {
        assert_eq!(count(b"1,2,3\n", 0, b',', 2), (3, 4));
        assert_eq!(count(b"1,2,3\r\n", 0, b',', 5), (3, 5));
    }
}
