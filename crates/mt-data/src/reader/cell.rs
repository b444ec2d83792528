//! Cells, and where records end: the one place that knows what quotes mean (RFC 4180). A quote opens where a cell begins, but for
//! blanks; up to its closing one, delimiters and line breaks are content, and a doubled quote stands for one. Anywhere else a quote
//! is a character like others.

/// One cell of a record.
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
    /// Whether its opening quote has no closing one: all that follows is in it.
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

    /// Those of the record that starts at `at`, one after the other.
    pub fn all(text: &[u8], at: usize, delimiter: u8) -> impl Iterator<Item = Self> {
        let mut at = Some(at);
        std::iter::from_fn(move || {
            let content = Content::at(text, at?, delimiter);
            at = (text.get(content.next) == Some(&delimiter)).then_some(content.next + 1);
            Some(content)
        })
    }

    /// Appends it, with one quote for each doubled one.
    pub fn write(self, text: &[u8], to: &mut Vec<u8>) {
        match &text[self.start..self.end] {
            content if self.escaped => unescape(content, to),
            content => to.extend_from_slice(content),
        }
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

/// Where the quote closes; a doubled quote stands for one and does not close.
fn closing_quote(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += find(text.get(at..)?, b'"')?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// Where `byte` is first. Looks at some at a time, as the standard library does to say whether it is there at all.
fn find(text: &[u8], byte: u8) -> Option<usize> {
    const AT_ONCE: usize = 32;
    let (chunks, rest) = text.as_chunks::<AT_ONCE>();
    let first = chunks.iter().position(|chunk| chunk.contains(&byte));
    let start = first.map_or(text.len() - rest.len(), |chunk| chunk * AT_ONCE);
    text[start..].iter().position(|&b| b == byte).map(|n| start + n)
}

/// Where the record that goes on at `at`, the beginning of a cell, ends: behind its line break.
pub(super) fn record_end(text: &[u8], at: usize, delimiter: u8) -> usize {
    let mut at = at;
    loop {
        let next = Cell::at(text, at, delimiter).next;
        at = match text.get(next) {
            Some(&b) if b == delimiter => next + 1,
            Some(b'\r') => return next + 2,
            Some(_) => return next + 1,
            None => return text.len(),
        };
    }
}

/// Where the last whole record of `text` ends, which begins with a record; `None` if there is none.
pub(super) fn last_record_end(text: &[u8], delimiter: u8) -> Option<usize> {
    let line_end = |text: &[u8]| text.iter().rposition(|&b| b == b'\n');
    let (mut outside, mut last, mut from) = (0, None, 0);
    while let Some(quote) = find(&text[from..], b'"').map(|n| from + n) {
        let blank = |b: u8| (b == b' ' || b == b'\t') && b != delimiter;
        let before = text[outside..quote].iter().rev().find(|&&b| !blank(b));
        if before.is_some_and(|&b| b != delimiter && b != b'\n') || (before.is_none() && outside > 0) {
            from = quote + 1;
            continue;
        }
        last = line_end(&text[outside..quote]).map(|n| outside + n + 1).or(last);
        match closing_quote(text, quote + 1) {
            None => return last,
            Some(close) => (outside, from) = (close + 1, close + 1),
        }
    }
    line_end(&text[outside..]).map(|n| outside + n + 1).or(last)
}

/// Line breaks in `text`.
pub(super) fn line_breaks(text: &[u8]) -> u64 {
    text.iter().filter(|&&b| b == b'\n').count() as u64
}

/// Lines before the byte at `at`, and bytes before it in its line.
pub(super) fn position(text: &[u8], at: usize) -> (u64, usize) {
    let before = &text[..at];
    let line = before.iter().rposition(|&b| b == b'\n').map_or(0, |n| n + 1);
    (line_breaks(before), at - line)
}

/// Leaves the `\r` of a `\r\n` out of the cell.
fn before_carriage_return(text: &[u8], start: usize, next: usize) -> usize {
    let line_ends = text.get(next).is_none_or(|&b| b == b'\n');
    if line_ends && next > start && text[next - 1] == b'\r' { next - 1 } else { next }
}

/// The number of cells in the record that starts at `at`, and where the cell number `wanted` begins, or where the
/// record ends if it has fewer.
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
    fn records_end_where_no_quote_is_open() {
        let whole = |text: &str| last_record_end(text.as_bytes(), b',').map(|end| text[..end].to_owned());
        for (text, expected) in [
            ("a,b\nc", Some("a,b\n")),
            ("a,\"b\nc\"\n", Some("a,\"b\nc\"\n")),
            ("a\n\"b\nc", Some("a\n")),
            ("\"b\nc", None),
            ("a\n \"b\"\"\n\"\"c\"\nd", Some("a\n \"b\"\"\n\"\"c\"\n")),
            // These open nothing.
            ("5\" pipe,x\ny\" z\n", Some("5\" pipe,x\ny\" z\n")),
            ("\"a\"b\"\nc\n", Some("\"a\"b\"\nc\n")),
            ("\"a\" \"b\nc\n", Some("\"a\" \"b\nc\n")),
        ] {
            assert_eq!(whole(text).as_deref(), expected, "{text:?}");
            // What a walk over the cells says.
            let (mut at, mut ends) = (0, Vec::new());
            while at < text.len() {
                at = record_end(text.as_bytes(), at, b',');
                ends.push(at);
            }
            assert!(expected.is_none_or(|expected| ends.contains(&expected.len())), "{text:?}: {ends:?}");
        }
        let long = format!("{}\"{}\n\"\n", "x,".repeat(100), "y".repeat(100));
        assert_eq!(whole(&long).as_deref(), Some(&*long));
        assert_eq!(position(b"ab\ncd\nef", 7), (2, 1));
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
