//! The values of one column for the rows of a stripe, as they are stored: those that are there, and how they spread
//! over the rows.

use std::sync::Arc;

use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::DataType;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::schema::types::ColumnDescriptor;

use super::dictionary::Dictionary;
use super::leaf::take;
use super::types::unsigned;
use super::value::Value;

/// A dictionary of more values than so many times the rows is not looked through for those that occur.
const MOST_UNUSED: usize = 16;

/// Where a cell's text is.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::reader) struct Span {
    pub start: u32,
    pub end: u32,
    /// Whether it is that of a list that no text can stand for.
    pub bad: bool,
}

/// The values of one column.
pub(super) enum Values {
    /// One after the other.
    Stored { stored: Box<dyn Stored>, spread: Spread },
    /// A code a row.
    Coded { dictionary: Arc<Dictionary>, codes: Vec<u32> },
    /// Some rows, ascending, and their codes; the rest have the code `zero`.
    Sparse { dictionary: Arc<Dictionary>, zero: u32, others: Vec<(u32, u32)> },
}

/// The texts of the rows of one column.
pub(in crate::reader) struct Cells {
    spans: Vec<Span>,
    /// Where texts repeat, each row's number in `spans`.
    which: Option<Vec<u32>>,
}

/// How stored values spread over rows.
pub(super) struct Spread {
    rows: usize,
    /// For each value or what stands for none, how much of its path is there; empty where every row has a value.
    definitions: Vec<i16>,
    /// 0 where a row begins; empty where rows have no lists.
    repetitions: Vec<i16>,
    /// The definition of a value that is there.
    whole: i16,
    /// The least definition of something in a list.
    listed: i16,
}

pub(super) trait Stored: Send + Sync {
    fn numbers(&self, spread: &Spread, label: bool) -> Vec<f32>;
    fn texts(&self, spread: &Spread, text: &mut Vec<u8>) -> Vec<Span>;
    fn lists(&self, spread: &Spread, separator: u8, text: &mut Vec<u8>) -> Vec<Span>;
    /// Appends the text of one of the values that are there.
    fn write(&self, value: usize, text: &mut Vec<u8>);
}

impl Values {
    /// The next `rows` values of a column.
    pub fn read(reader: &mut ColumnReader, leaf: &ColumnDescriptor, rows: usize) -> Result<Self> {
        let mut spread = Spread {
            rows,
            definitions: Vec::new(),
            repetitions: Vec::new(),
            whole: leaf.max_def_level(),
            listed: leaf.repeated_ancestor_def_level(),
        };
        let into = &mut spread;
        let stored: Box<dyn Stored> = match (reader, unsigned(leaf)) {
            (ColumnReader::BoolColumnReader(reader), _) => {
                Box::new(into.take(reader)?.into_iter().map(u8::from).collect::<Vec<_>>())
            }
            (ColumnReader::Int32ColumnReader(reader), true) => {
                Box::new(into.take(reader)?.into_iter().map(|x| x as u32).collect::<Vec<_>>())
            }
            (ColumnReader::Int64ColumnReader(reader), true) => {
                Box::new(into.take(reader)?.into_iter().map(|x| x as u64).collect::<Vec<_>>())
            }
            (ColumnReader::Int32ColumnReader(reader), false) => Box::new(into.take(reader)?),
            (ColumnReader::Int64ColumnReader(reader), false) => Box::new(into.take(reader)?),
            (ColumnReader::FloatColumnReader(reader), _) => Box::new(into.take(reader)?),
            (ColumnReader::DoubleColumnReader(reader), _) => Box::new(into.take(reader)?),
            (ColumnReader::ByteArrayColumnReader(reader), _) => Box::new(into.take(reader)?),
            (ColumnReader::Int96ColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_), _) => {
                return Err(ParquetError::NYI(leaf.physical_type().to_string()));
            }
        };
        Ok(Values::Stored { stored, spread })
    }

    /// A number a row: NaN where there is none, infinite where the value is no finite number. With `label`, a value
    /// that is NaN counts as none.
    pub fn numbers(&self, label: bool) -> Vec<f32> {
        match self {
            Values::Stored { stored, spread } => stored.numbers(spread, label),
            Values::Coded { dictionary, codes } => {
                let labels = label.then(|| dictionary.values.numbers(true));
                let numbers = labels.as_ref().unwrap_or(&dictionary.numbers);
                codes.iter().map(|&code| numbers.get(code as usize).copied().unwrap_or(f32::NAN)).collect()
            }
            Values::Sparse { .. } => unreachable!("only features are read without their zeros"),
        }
    }

    /// The text of each row: nothing where there is no value, lists with `separator` between their values. Texts are
    /// appended to `text`, those of a dictionary once.
    pub fn cells(&self, separator: Option<u8>, text: &mut Vec<u8>) -> Cells {
        let (dictionary, codes) = match (self, separator) {
            (Values::Stored { stored, spread }, None) => return stored.texts(spread, text).into(),
            (Values::Stored { stored, spread }, Some(separator)) => {
                return stored.lists(spread, separator, text).into();
            }
            (Values::Coded { dictionary, codes }, _) => (dictionary, codes),
            (Values::Sparse { .. }, _) => unreachable!("only features are read without their zeros"),
        };
        if dictionary.len > MOST_UNUSED * codes.len() {
            return codes.iter().map(|&code| dictionary.text(code, text)).collect::<Vec<_>>().into();
        }
        // One more for rows without a value; 0 stands for a code that has not occurred.
        let (mut numbers, mut spans) = (vec![0u32; dictionary.len + 1], Vec::new());
        let number = |&code: &u32| {
            let number = &mut numbers[dictionary.len.min(code as usize)];
            if *number == 0 {
                spans.push(dictionary.text(code, text));
                *number = spans.len() as u32;
            }
            *number - 1
        };
        let which = Some(codes.iter().map(number).collect());
        Cells { spans, which }
    }

    /// The text of one row, for a message.
    #[cold]
    pub fn show(&self, separator: Option<u8>, row: usize) -> String {
        let mut text = Vec::new();
        let Span { start, end, .. } = match self {
            Values::Sparse { dictionary, zero, others } => {
                let found = others.binary_search_by_key(&(row as u32), |&(row, _)| row);
                let code = found.map_or(*zero, |i| others[i].1);
                dictionary.text(code, &mut text)
            }
            _ => self.cells(separator, &mut text).at(row).0,
        };
        String::from_utf8_lossy(&text[start as usize..end as usize]).into_owned()
    }
}

impl Dictionary {
    /// Appends the text of a code, nothing where there is no value.
    fn text(&self, code: u32, text: &mut Vec<u8>) -> Span {
        let start = text.len();
        if let Values::Stored { stored, .. } = &self.values
            && (code as usize) < self.len
        {
            stored.write(code as usize, text);
        }
        Span::of(start, text.len())
    }
}

impl Cells {
    /// Where the text of a row is, and the number of that text if it may stand for several rows.
    #[inline(always)]
    pub fn at(&self, row: usize) -> (Span, Option<u32>) {
        match &self.which {
            None => (self.spans[row], None),
            Some(which) => (self.spans[which[row] as usize], Some(which[row])),
        }
    }

    /// How many texts there are that may stand for several rows.
    pub fn repeated(&self) -> usize {
        if self.which.is_some() { self.spans.len() } else { 0 }
    }
}

impl From<Vec<Span>> for Cells {
    fn from(spans: Vec<Span>) -> Self {
        Cells { spans, which: None }
    }
}

impl Spread {
    fn take<T: DataType>(&mut self, reader: &mut ColumnReaderImpl<T>) -> Result<Vec<T::T>> {
        let values = take(reader, self.rows, &mut self.definitions, &mut self.repetitions)?;
        // Nothing is missing in most columns, and levels then say nothing.
        if self.repetitions.is_empty() && self.definitions.len() == values.len() {
            self.definitions.clear();
        }
        Ok(values)
    }

    /// One result a row, `none` where there is no value.
    fn map<'v, T, U: Copy>(&self, values: &'v [T], none: U, mut of: impl FnMut(&'v T) -> U) -> Vec<U> {
        if self.definitions.is_empty() {
            return values.iter().map(of).collect();
        }
        let mut values = values.iter();
        let there = |&definition: &i16| if definition == self.whole { values.next() } else { None };
        self.definitions.iter().map(there).map(|value| value.map_or(none, &mut of)).collect()
    }
}

impl<T: Value> Stored for Vec<T> {
    fn numbers(&self, spread: &Spread, label: bool) -> Vec<f32> {
        spread.map(self, f32::NAN, |value| value.number(label))
    }

    fn texts(&self, spread: &Spread, text: &mut Vec<u8>) -> Vec<Span> {
        // Logs repeat what a session, a user or a day has in common: one text serves all of a run.
        let mut before: Option<(&T, Span)> = None;
        spread.map(self, Span::default(), |value| {
            if let Some((same, span)) = before
                && same.same(value)
            {
                return span;
            }
            let start = text.len();
            value.write(text);
            let span = Span::of(start, text.len());
            before = Some((value, span));
            span
        })
    }

    fn write(&self, value: usize, text: &mut Vec<u8>) {
        self[value].write(text);
    }

    fn lists(&self, spread: &Spread, separator: u8, text: &mut Vec<u8>) -> Vec<Span> {
        let mut values = self.iter();
        let mut spans = Vec::with_capacity(spread.rows);
        for row in (Rows { spread, at: 0 }) {
            let start = text.len();
            let mut good = true;
            for &definition in row.iter().filter(|&&definition| definition >= spread.listed) {
                if text.len() > start {
                    text.push(separator);
                }
                let from = text.len();
                if definition == spread.whole
                    && let Some(value) = values.next()
                {
                    value.write(text);
                }
                // A null, or what would be read as another number of values.
                good &= text.len() > from && !text[from..].contains(&separator);
            }
            let span = Span::of(start, text.len());
            spans.push(Span { bad: span.bad || !good, ..span });
        }
        spans
    }
}

/// The definitions of each row.
struct Rows<'a> {
    spread: &'a Spread,
    at: usize,
}

impl<'a> Iterator for Rows<'a> {
    type Item = &'a [i16];

    fn next(&mut self) -> Option<&'a [i16]> {
        let Spread { definitions, repetitions, .. } = self.spread;
        let start = self.at;
        let more = repetitions.get(start + 1..)?;
        self.at = start + 1 + more.iter().take_while(|&&repetition| repetition > 0).count();
        definitions.get(start..self.at).filter(|row| !row.is_empty())
    }
}

impl Span {
    /// Beyond what 32 bits address, nothing can be used.
    fn of(start: usize, end: usize) -> Self {
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => Span { start, end, bad: false },
            _ => Span { bad: true, ..Span::default() },
        }
    }
}
