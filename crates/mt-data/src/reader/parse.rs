//! From a block of text to rows: the hot loop of the crate.
//!
//! One-hot data is mostly the text `0,0,0,1,0,0,`. It is read 16 fields (32 bytes) at a time: if every second
//! byte is the delimiter and the others are digits, the fields' values are the digits, and of those only the
//! ones other than zero cost anything. Everything else goes field by field.

use mt_features::number;

use super::cell::{Cell, Content, count, line_breaks, position, record_end};
use super::encode::{At, BadValue, Encoded, encode};
use super::header;
use super::layout::Layout;
use super::plan::Plan;
use super::plan::Slot;
use super::record::blank;
use super::row::{Fault, FaultKind, Parsed, Row};

/// Reads `text`, whole records each ending in `\n`, and gives up after more than `allowance` bad records.
pub(super) fn parse(text: &[u8], layout: &Layout, allowance: u64) -> Parsed {
    let mut rows = Text { row: Row::new(layout), stamp: Stamp::new(layout.delimiter) };
    let (mut lines, mut records, mut faults) = (0, 0, Vec::new());
    // Where nothing is quoted, a record is a line.
    let quoted = text.contains(&b'"');
    let mut at = 0;
    while at < text.len() {
        let blank = blank(&text[at..]);
        if blank > 0 {
            (at, lines) = (at + blank, lines + 1);
            continue;
        }
        let next = match rows.read(text, at) {
            Some(next) => {
                rows.row.finish(at, records);
                next
            }
            None => {
                rows.row.drop_unfinished();
                let (offset, kind) = diagnose(text, at, layout);
                let (line, offset) = position(text, at + offset);
                let open = matches!(kind, FaultKind::Open { .. });
                faults.push(Fault { line, record: records, offset, kind });
                if open || faults.len() as u64 > allowance {
                    break;
                }
                record_end(text, at, layout.delimiter)
            }
        };
        lines += if quoted { line_breaks(&text[at..next]) } else { 1 };
        (at, records) = (next, records + 1);
    }
    let plan = &layout.plan;
    let Row { sparse, kept, .. } = rows.row;
    let Encoded { rows, extra, bad } =
        encode(plan, &kept.cells(text, &plan.kept, layout), sparse, kept.starts.len());
    for (row, bad) in bad {
        let (start, record) = kept.starts[row];
        faults.push(locate(bad, plan, layout, text, start as usize, record));
    }
    faults.sort_by_key(|fault| fault.record);
    Parsed { rows, extra, lines, records, faults }
}

/// The place of a bad value of the record that starts at `start`.
#[cold]
fn locate(bad: BadValue, plan: &Plan, layout: &Layout, text: &[u8], start: usize, record: u64) -> Fault {
    let kept = match bad.at {
        At::Kept(k) => Some(plan.kept[k as usize]),
        At::Record => None,
        At::Side { .. } => {
            let kind = FaultKind::of(bad, plan);
            return Fault { line: line_breaks(&text[..start]), record, offset: 0, kind };
        }
    };
    // The value of a folder is nowhere in the file.
    let column = kept.filter(|&column| layout.partition(column).is_none()).unwrap_or(0);
    let cell = kept.and_then(|_| Content::all(text, start, layout.delimiter).nth(column));
    let (line, offset) = position(text, cell.map_or(start, |cell| cell.start));
    Fault { line, record, offset, kind: FaultKind::of(bad, plan) }
}

/// The text `0,0,0,0,` and what to compare with it.
#[derive(Clone, Copy)]
struct Stamp(u64);

impl Stamp {
    /// Bits that are 0, after the stamp is taken off, where the fields are single digits.
    const NOT_DIGITS: u64 = 0xFFF0_FFF0_FFF0_FFF0;
    /// Added to a digit, this carries into bit 4 where the "digit" is one of `:;<=>?`.
    const CARRY: u64 = 0x0006_0006_0006_0006;
    const CARRIED: u64 = 0x0010_0010_0010_0010;

    fn new(delimiter: u8) -> Self {
        Stamp(u64::from_le_bytes([b'0', delimiter, b'0', delimiter, b'0', delimiter, b'0', delimiter]))
    }

    /// Four fields as 16-bit numbers, if they are single digits.
    #[inline(always)]
    fn off(self, bytes: &[u8; 8]) -> u64 {
        u64::from_le_bytes(*bytes) ^ self.0
    }

    /// Bits that are set in the fields that are no single digit.
    #[inline(always)]
    fn strange(fields: u64) -> u64 {
        (fields & Self::NOT_DIGITS) | (fields.wrapping_add(Self::CARRY) & Self::CARRIED)
    }
}

/// Rows that are read from text.
struct Text<'a> {
    row: Row<'a>,
    stamp: Stamp,
}

impl Text<'_> {
    /// Reads the row that starts at `at` and returns where the next one starts; `None` if anything is wrong.
    fn read(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let layout = self.row.layout;
        let last = layout.slots.len() - 1;
        let (mut at, mut column) = (at, 0);
        loop {
            (at, column) = self.read_digits(text, at, column);
            let slot = layout.slots[column];
            let next = if let Slot::Keep(k) = slot {
                self.row.keep(text, at, k)?
            } else {
                self.read_number(text, at, slot)?
            };
            match text.get(next) {
                Some(&b) if b == layout.delimiter && column < last => (at, column) = (next + 1, column + 1),
                Some(b'\n') if column == last => return Some(next + 1),
                Some(b'\r') if column == last && text.get(next + 1) == Some(&b'\n') => return Some(next + 2),
                _ => return None,
            }
        }
    }

    /// Reads a cell that is nothing but a number, and returns the position behind it.
    #[inline(always)]
    fn read_number(&mut self, text: &[u8], at: usize, slot: Slot) -> Option<usize> {
        match (slot, number::scan(text, at, self.row.layout.delimiter)) {
            (Slot::Feature(feature), Some((value, next))) => {
                self.row.push(feature, value);
                Some(next)
            }
            (Slot::Skip | Slot::Keep(_), Some((_, next))) => Some(next),
            (slot, None) => self.read_cell(text, at, slot),
        }
    }

    /// Reads single digits up to the next kept cell or the last column, and returns how far it came.
    #[inline(always)]
    fn read_digits(&mut self, text: &[u8], mut at: usize, mut column: usize) -> (usize, usize) {
        let stop = self.row.layout.stops[column] as usize;
        while column + 16 <= stop {
            let Some(chunk) = text[at..].first_chunk::<32>() else { break };
            let (words, _) = chunk.as_chunks::<8>();
            // Written out: `map` became a call per word, a quarter of all reading.
            let off = |i: usize| self.stamp.off(&words[i]);
            let fields = [off(0), off(1), off(2), off(3)];
            let any = fields[0] | fields[1] | fields[2] | fields[3];
            if any != 0 {
                // The carry check needs each word; the cheap one on their union only sends more words there.
                let strange = fields.iter().fold(0, |bits, &f| bits | Stamp::strange(f));
                if strange != 0 {
                    break;
                }
                for (i, &four) in fields.iter().enumerate() {
                    self.push_digits(four, column + 4 * i);
                }
            }
            (at, column) = (at + 32, column + 16);
        }
        while column + 4 <= stop {
            let Some(chunk) = text[at..].first_chunk::<8>() else { break };
            let fields = self.stamp.off(chunk);
            let strange = Stamp::strange(fields);
            if strange != 0 {
                let good = strange.trailing_zeros() / 16;
                self.push_digits(fields & !(u64::MAX << (16 * good)), column);
                return (at + 2 * good as usize, column + good as usize);
            }
            self.push_digits(fields, column);
            (at, column) = (at + 8, column + 4);
        }
        (at, column)
    }

    /// Stores the fields other than zero of four.
    #[inline(always)]
    fn push_digits(&mut self, mut fields: u64, column: usize) {
        while fields != 0 {
            let field = fields.trailing_zeros() / 16;
            let digit = fields >> (16 * field) & 0xF;
            fields &= !(0xFFFF << (16 * field));
            if let Slot::Feature(feature) = self.row.layout.slots[column + field as usize] {
                self.row.push(feature, digit as f32);
            }
        }
    }

    /// Reads a cell with quotes or blanks, or an empty one; returns the position behind it.
    #[cold]
    fn read_cell(&mut self, text: &[u8], at: usize, slot: Slot) -> Option<usize> {
        let cell = Cell::at(text, at, self.row.layout.delimiter);
        let content = text[cell.start..cell.end].trim_ascii();
        match slot {
            Slot::Skip if cell.is_open(text) => return None,
            Slot::Skip | Slot::Keep(_) => {}
            _ if cell.bad_quotes => return None,
            Slot::Feature(feature) if content.is_empty() => {
                self.row.push(feature, self.row.layout.plan.numeric_missing?)
            }
            Slot::Feature(feature) => self.row.push(feature, number::whole(content)?),
        }
        Some(cell.next)
    }
}

/// What is wrong with the row at `start`, and how many bytes behind. A quote that stays open comes first, as it takes in all that
/// follows, then the width: in a row with a field too many, every later cell is in the wrong column.
#[cold]
fn diagnose(text: &[u8], start: usize, layout: &Layout) -> (usize, FaultKind) {
    if let Some((offset, column)) = open_cell(text, start, layout) {
        return (offset, FaultKind::Open { column, found: lossy(text[start + offset..].trim_ascii_end()) });
    }
    let expected_width = layout.slots.len();
    let (found, place) = count(text, start, layout.delimiter, expected_width);
    if found != expected_width {
        let record = &text[start..record_end(text, start, layout.delimiter)];
        if let Some(at) = header::bare_return(record) {
            let (field, expected) = (Some("line end".to_owned()), r#""\n" or "\r\n""#.into());
            return (at, FaultKind::Cell { column: 0, field, expected, found: "\r".to_owned() });
        }
        return (place - start, FaultKind::Width { found });
    }
    let mut at = start;
    for (column, &slot) in layout.slots.iter().enumerate() {
        let cell = Cell::at(text, at, layout.delimiter);
        let content = text[cell.start..cell.end].trim_ascii();
        let value = number::whole(content);
        let expected = match (slot, value) {
            (Slot::Skip, _) => None,
            _ if cell.bad_quotes => Some("a closing quote right before the next field"),
            (Slot::Keep(_), _) => None,
            (Slot::Feature(_), None) if content.is_empty() && layout.plan.numeric_missing.is_some() => None,
            (Slot::Feature(_), Some(_)) => None,
            (Slot::Feature(_), None) => Some("a number"),
        };
        if let Some(expected) = expected {
            let shown = if cell.bad_quotes { &text[cell.start..cell.next] } else { content };
            let (expected, found) = (expected.into(), lossy(shown));
            return (cell.start - start, FaultKind::Cell { column, field: None, expected, found });
        }
        at = cell.next + 1;
    }
    // Not reached: a row that cannot be read has a cell that cannot be read.
    (0, FaultKind::Width { found })
}

/// The cell whose quote does not close: where it begins, behind `start`, and its column.
fn open_cell(text: &[u8], start: usize, layout: &Layout) -> Option<(usize, usize)> {
    let mut at = start;
    for column in 0.. {
        let cell = Cell::at(text, at, layout.delimiter);
        if cell.is_open(text) {
            return Some((cell.start - start, column));
        }
        if text.get(cell.next) != Some(&layout.delimiter) {
            break;
        }
        at = cell.next + 1;
    }
    None
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
