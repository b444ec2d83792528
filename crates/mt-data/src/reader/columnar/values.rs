//! The values of one column for the rows of a stripe, as they are stored: those that are there, and how they spread
//! over the rows.

use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::DataType;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::schema::types::ColumnDescriptor;

use super::leaf::take;
use super::types::unsigned;
use super::value::Value;

/// Where a cell's text is.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::reader) struct Span {
    pub start: u32,
    pub end: u32,
    /// Whether it is that of a list that no text can stand for.
    pub bad: bool,
}

/// The values of one column.
pub(super) struct Values {
    stored: Box<dyn Stored>,
    spread: Spread,
}

/// How stored values spread over rows.
struct Spread {
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

trait Stored: Send {
    fn numbers(&self, spread: &Spread, label: bool) -> Vec<f32>;
    fn texts(&self, spread: &Spread, text: &mut Vec<u8>) -> Vec<Span>;
    fn lists(&self, spread: &Spread, separator: u8, text: &mut Vec<u8>) -> Vec<Span>;
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
        Ok(Values { stored, spread })
    }

    /// A number a row: NaN where there is none, infinite where the value is no finite number. With `label`, a value
    /// that is NaN counts as none.
    pub fn numbers(&self, label: bool) -> Vec<f32> {
        self.stored.numbers(&self.spread, label)
    }

    /// Appends the text of each row to `text`: nothing where there is no value, lists with `separator` between their
    /// values.
    pub fn texts(&self, separator: Option<u8>, text: &mut Vec<u8>) -> Vec<Span> {
        match separator {
            None => self.stored.texts(&self.spread, text),
            Some(separator) => self.stored.lists(&self.spread, separator, text),
        }
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
