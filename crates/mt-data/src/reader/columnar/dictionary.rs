//! Columns whose values are numbers of a dictionary: each value is looked at once, and rows only say which it is.

use std::sync::Arc;

use ::parquet::basic::Encoding;
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::column::reader::get_column_reader;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};
use bytes::Bytes;

use super::hybrid::{Hybrid, Packed, Piece};
use super::values::Values;

/// The code of a row without a value.
pub(super) const NONE: u32 = u32::MAX;

/// The values of a column in one row group.
pub(super) struct Dictionary {
    pub values: Values,
    pub len: usize,
    /// Each value's number, as a feature has it.
    pub numbers: Vec<f32>,
    /// The code of 0, if it is there.
    zero: Option<u32>,
}

/// The column of a row group, all of whose pages hold codes of its dictionary.
pub(super) struct Coded {
    pages: Box<dyn PageReader>,
    dictionary: Arc<Dictionary>,
    /// Which rows of the page have a value, where a value may be missing.
    levels: Option<Hybrid>,
    codes: Hybrid,
    optional: bool,
    /// Rows of the page still to be read.
    left: usize,
}

/// Whether a column, which has one value a row, holds nothing but codes in this row group.
pub(super) fn is_coded(chunk: &ColumnChunkMetaData, leaf: &ColumnDescriptor) -> bool {
    let pages = chunk.page_encoding_stats_mask();
    let only = |encoding| pages.is_some_and(|pages| pages.is_only(encoding));
    (only(Encoding::PLAIN_DICTIONARY) || only(Encoding::RLE_DICTIONARY))
        && leaf.max_rep_level() == 0
        && leaf.max_def_level() <= 1
}

impl Coded {
    /// Reads the dictionary of the column `leaf`, which [`is_coded`].
    pub fn open(mut pages: Box<dyn PageReader>, leaf: &ColumnDescPtr) -> Result<Self> {
        let Some(Page::DictionaryPage { buf, num_values, .. }) = pages.get_next_page()? else {
            return Err(ParquetError::General("a column without its dictionary".to_owned()));
        };
        let dictionary = Arc::new(Dictionary::read(buf, num_values, leaf)?);
        let optional = leaf.max_def_level() > 0;
        let codes = Hybrid::new(Bytes::new(), 0)?;
        Ok(Coded { pages, dictionary, levels: None, codes, optional, left: 0 })
    }

    /// The next `rows` rows: all of them, or, if `sparse`, those that are not 0.
    pub fn read(&mut self, rows: usize, sparse: bool) -> Result<Values> {
        let dictionary = self.dictionary.clone();
        let mut codes =
            Codes { zero: dictionary.zero.filter(|_| sparse), at: 0, others: Vec::new(), codes: Vec::new() };
        if codes.zero.is_none() {
            codes.codes.reserve_exact(rows);
        }
        let mut left = rows;
        while left > 0 {
            while self.left == 0 {
                self.next_page(left)?;
            }
            let piece = left.min(self.left);
            self.read_piece(piece, &mut codes)?;
            (left, self.left) = (left - piece, self.left - piece);
        }
        let Codes { zero, others, codes, .. } = codes;
        let known = |code: u32| (code as usize) < dictionary.len || code == NONE;
        if !codes.iter().all(|&code| known(code)) || !others.iter().all(|&(_, code)| known(code)) {
            return Err(ParquetError::General("a value that is not in its dictionary".to_owned()));
        }
        Ok(match zero {
            None => Values::Coded { dictionary, codes },
            Some(zero) => Values::Sparse { dictionary, zero, others },
        })
    }

    /// Reads rows of the current page.
    fn read_piece(&mut self, rows: usize, codes: &mut Codes) -> Result<()> {
        let Some(levels) = &mut self.levels else { return codes.take(&mut self.codes, rows) };
        let mut left = rows;
        while left > 0 {
            match levels.next(left)? {
                Piece::Same { number, count } => {
                    codes.take_level(&mut self.codes, number, count)?;
                    left -= count;
                }
                Piece::Packed(packed) => {
                    for level in packed.numbers() {
                        codes.take_level(&mut self.codes, level, 1)?;
                    }
                    left -= packed.count;
                }
            }
        }
        Ok(())
    }

    /// Opens the next page; `missing` rows are still wanted.
    fn next_page(&mut self, missing: usize) -> Result<()> {
        let ended = || ParquetError::EOF(format!("a column ends {missing} rows early"));
        let damaged = || ParquetError::EOF("a page ends before its numbers do".to_owned());
        let cut = |bytes: &Bytes, start: usize, end: usize| {
            (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end)).ok_or_else(damaged)
        };
        let page = self.pages.get_next_page()?.ok_or_else(ended)?;
        let encoding = page.encoding();
        if !matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY) {
            return Err(ParquetError::General(format!("a page of encoding {encoding} among those of codes")));
        }
        self.left = page.num_values() as usize;
        let (levels, values) = match page {
            Page::DictionaryPage { .. } => {
                return Err(ParquetError::General("a column with two dictionaries".to_owned()));
            }
            Page::DataPageV2 { buf, rep_levels_byte_len, def_levels_byte_len, .. } => {
                let start = rep_levels_byte_len as usize;
                let end = start + def_levels_byte_len as usize;
                let levels = Hybrid::new(cut(&buf, start, end)?, 1)?;
                (levels, cut(&buf, end, buf.len())?)
            }
            Page::DataPage { buf, .. } if !self.optional => (Hybrid::new(Bytes::new(), 0)?, buf),
            Page::DataPage { buf, def_level_encoding: Encoding::RLE, .. } => {
                let length = buf.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
                let end = 4 + length.ok_or_else(damaged)?;
                (Hybrid::new(cut(&buf, 4, end)?, 1)?, cut(&buf, end, buf.len())?)
            }
            // What writers did before there were runs.
            Page::DataPage { buf, .. } => {
                let end = self.left.div_ceil(8);
                (Hybrid::bits(cut(&buf, 0, end)?), cut(&buf, end, buf.len())?)
            }
        };
        self.levels = self.optional.then_some(levels);
        // Pages without a value need not even say how wide it would be.
        let width = values.first().copied().unwrap_or(0);
        self.codes = Hybrid::new(cut(&values, values.len().min(1), values.len())?, width.into())?;
        Ok(())
    }
}

impl Dictionary {
    fn read(buf: Bytes, num_values: u32, leaf: &ColumnDescPtr) -> Result<Self> {
        let len = num_values as usize;
        // Before memory is taken for them: each takes a byte at least.
        if len > buf.len() {
            return Err(ParquetError::EOF(format!("a dictionary of {len} values in {} bytes", buf.len())));
        }
        // It is written as a page of values would be if none could be missing.
        let leaf = Arc::new(ColumnDescriptor::new(leaf.self_type_ptr(), 0, 0, leaf.path().clone()));
        let page = Page::DataPage {
            buf,
            num_values,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let mut reader = get_column_reader(leaf.clone(), Box::new(One(Some(page))));
        let values = Values::read(&mut reader, &leaf, len)?;
        let numbers = values.numbers(false);
        let zero = (0..).zip(&numbers).find(|&(_, &number)| number == 0.0).map(|(code, _)| code);
        Ok(Dictionary { values, len, numbers, zero })
    }

    /// The number of a code as a feature has it: NaN where there is no value.
    pub fn number(&self, code: u32) -> f32 {
        self.numbers.get(code as usize).copied().unwrap_or(f32::NAN)
    }
}

/// The codes of rows that have been read.
struct Codes {
    /// The code that is left out, if any.
    zero: Option<u32>,
    /// Rows so far.
    at: usize,
    /// Where one is left out, the rows of the others and their codes.
    others: Vec<(u32, u32)>,
    /// Else the codes of all rows.
    codes: Vec<u32>,
}

impl Codes {
    /// Adds `rows` rows of one level.
    fn take_level(&mut self, from: &mut Hybrid, level: u32, rows: usize) -> Result<()> {
        if level > 0 {
            return self.take(from, rows);
        }
        self.same(NONE, rows);
        Ok(())
    }

    /// Adds `rows` rows that have a value each.
    fn take(&mut self, from: &mut Hybrid, rows: usize) -> Result<()> {
        let mut left = rows;
        while left > 0 {
            left -= match from.next(left)? {
                Piece::Same { number, count } => {
                    self.same(number, count);
                    count
                }
                Piece::Packed(packed) => {
                    self.packed(packed);
                    packed.count
                }
            };
        }
        Ok(())
    }

    fn same(&mut self, code: u32, rows: usize) {
        let start = self.at;
        self.at += rows;
        match self.zero {
            None => self.codes.resize(self.at, code),
            Some(zero) if zero == code => {}
            Some(_) => self.others.extend((start as u32..self.at as u32).map(|row| (row, code))),
        }
    }

    fn packed(&mut self, packed: Packed<'_>) {
        let start = self.at;
        self.at += packed.count;
        match self.zero {
            None => self.codes.extend(packed.numbers()),
            Some(zero) => packed.others(zero, |at, code| self.others.push(((start + at) as u32, code))),
        }
    }
}

/// A column of one page.
struct One(Option<Page>);

impl Iterator for One {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.0.take().map(Ok)
    }
}

impl PageReader for One {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        Ok(self.0.take())
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        let of = |page: &Page| PageMetadata {
            num_rows: None,
            num_levels: Some(page.num_values() as usize),
            is_dict: false,
        };
        Ok(self.0.as_ref().map(of))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.0 = None;
        Ok(())
    }
}
