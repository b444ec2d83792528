//! Side tables: whole files in memory, found by key.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use mt_features::fields::FieldConfig;
use mt_features::fields::Interner;
#[cfg(feature = "parquet")]
use mt_features::fields::separator_of;
use mt_storage::Storage;
use rayon::prelude::*;

use super::blocks::{BLOCK, Blocks};
use super::cell::{Content, line_breaks, position, unescape};
use super::header;
#[cfg(feature = "parquet")]
use super::parquet;
use super::record::{self, Whereabouts};
use crate::config::{DataConfig, JoinConfig, JoinList};
use crate::error::{Error, Found, Nearest, Place, Result};

/// What a value of a list has to be that another file is asked about.
const UNLISTED: &str = "a value that the file of `lists` has a text without separators for, or a text for those without \
                        (the first of `missing`)";

/// A side table: its text, and where in it each cell is.
#[derive(Debug)]
pub(super) struct Side {
    pub path: PathBuf,
    pub names: Vec<String>,
    key: usize,
    text: Vec<u8>,
    /// Bytes of it that are the file's own.
    own: usize,
    /// Where each row of a text file starts.
    starts: Vec<u32>,
    /// `rows x columns` ranges of the text.
    cells: Vec<(u32, u32)>,
    /// The keys by row, close together: a look-up is a row's most expensive part.
    keys: Interner,
    /// Columns of a Parquet file that cannot be read, and why.
    #[cfg(feature = "parquet")]
    refused: Vec<(usize, parquet::Refused)>,
}

/// Reads all side tables.
pub(super) fn open(data: &DataConfig, delimiter: u8) -> Result<Vec<Side>> {
    let open = |(i, join): (usize, &JoinConfig)| {
        let at = format!("data.join[{i}]");
        let mut side = Side::open(&data.storage, (&join.file, &join.key), &at, delimiter, &data.fields)?;
        let missing = data.missing_policy().texts.into_iter().next();
        let mut opened: BTreeMap<(&Path, &str), Side> = BTreeMap::new();
        for (l, list) in join.lists.iter().enumerate() {
            let (at, source) = (format!("{at}.lists[{l}]"), (&*list.file, &*list.key));
            let values = match opened.entry(source) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Side::open(&data.storage, source, &at, delimiter, &[])?),
            };
            for (name, take) in &list.take {
                side.look_up(list, (name, take), &at, values, missing.as_deref())?;
            }
        }
        Ok(side)
    };
    let read: Vec<Result<Side>> = data.join.par_iter().enumerate().map(open).collect();
    read.into_iter().collect()
}

/// The columns of a file and of the side tables behind them, each name once.
pub(super) fn names(own: Vec<String>, path: &Path, sides: &[Side]) -> Result<Vec<String>> {
    let mut names = own;
    let mut from: Vec<&Path> = vec![path; names.len()];
    for side in sides {
        let before = names.len();
        for name in (0..side.width()).filter_map(|i| side.nth(i)).map(|column| &side.names[column]) {
            if let Some(other) = names[..before].iter().position(|n| n == name) {
                let (first, second) = (from[other].to_owned(), side.path.clone());
                return Err(Error::ColumnInBoth { name: name.clone(), first, second });
            }
            names.push(name.clone());
        }
        from.resize(names.len(), &side.path);
    }
    Ok(names)
}

/// The column called `name`, which the configuration's key `at` names.
fn column(path: &Path, names: &[String], name: &str, at: String) -> Result<usize> {
    names.iter().position(|own| own == name).ok_or_else(|| Error::UnknownColumn {
        key: at,
        name: name.to_owned(),
        path: path.to_owned(),
        nearest: Nearest::of(name, names),
    })
}

impl Side {
    /// Reads the file of `source`, and finds its rows by the column that it names behind; `at` is the key of a configuration that
    /// names both.
    #[cfg_attr(
        not(feature = "parquet"),
        expect(unused_variables, reason = "fields say how typed lists are written")
    )]
    fn open(
        storage: &Storage,
        source: (&Path, &str),
        at: &str,
        delimiter: u8,
        fields: &[FieldConfig],
    ) -> Result<Self> {
        match storage.is_typed(source.0)? {
            false => Self::open_text(storage, source, at, delimiter),
            #[cfg(feature = "parquet")]
            true => Self::open_columns(storage, source, at, fields),
            #[cfg(not(feature = "parquet"))]
            true => Err(Error::no_parquet(source.0)),
        }
    }

    fn open_text(storage: &Storage, (path, key): (&Path, &str), at: &str, delimiter: u8) -> Result<Self> {
        let path = path.to_owned();
        let key_at = at;
        let mut blocks = Blocks::open(storage, &path, delimiter, BLOCK, Arc::new(AtomicU64::new(0)))?;
        let (mut text, mut block) = (Vec::new(), Vec::new());
        loop {
            let length = blocks.next_into(&mut block)?;
            if length == 0 {
                break;
            }
            text.extend_from_slice(&block[..length]);
            if u32::try_from(text.len()).is_err() {
                return Err(Error::LargeSide { path });
            }
        }
        let mut at = header::bom(&text);
        at += text[at..].iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        if at == text.len() {
            return Err(Error::Empty { path });
        }
        let (names, length) = header::read(&text[at..], delimiter, &path)?;
        let mut side = Side::empty(path, names, key, key_at)?;
        (side.own, side.text) = (text.len(), text);
        side.read_rows(at + length, delimiter)?;
        Ok(side)
    }

    /// A side table without rows, of a file with the columns `names`.
    fn empty(path: PathBuf, names: Vec<String>, key: &str, at: &str) -> Result<Self> {
        let key = column(&path, &names, key, format!("{at}.key"))?;
        Ok(Side {
            path,
            names,
            key,
            text: Vec::new(),
            own: 0,
            starts: Vec::new(),
            cells: Vec::new(),
            keys: Interner::default(),
            #[cfg(feature = "parquet")]
            refused: Vec::new(),
        })
    }

    #[cfg(feature = "parquet")]
    fn open_columns(
        storage: &Storage,
        (path, key): (&Path, &str),
        at: &str,
        fields: &[FieldConfig],
    ) -> Result<Self> {
        let mut file = parquet::File::open(storage, path, BLOCK, Arc::default())?;
        let mut side = Side::empty(path.to_owned(), file.names()?, key, at)?;
        let width = side.names.len();
        let separator = |column: usize| separator_of(fields, &side.names[column]);
        let (chosen, refused) = file.choose_all(separator);
        let separators: Vec<Option<u8>> = chosen.iter().map(|&c| separator(c).map(|c| c as u8)).collect();
        side.refused = refused;
        side.check(side.key)?;
        while let Some(stripe) = file.next_stripe()? {
            let first = side.cells.len();
            side.cells.resize(first + stripe.rows * width, (0, 0));
            for ((values, &column), &separator) in stripe.columns.iter().zip(&chosen).zip(&separators) {
                for row in 0..stripe.rows {
                    let start = side.text.len();
                    let good = parquet::write(values, row, separator, &mut side.text);
                    let end = side.text.len();
                    if u32::try_from(end).is_err() {
                        return Err(Error::LargeSide { path: side.path });
                    }
                    side.cells[first + row * width + column] = (start as u32, end as u32);
                    if !good {
                        let row = first / width + row;
                        return Err(Error::Field {
                            place: side.place(row, column),
                            field: side.names[column].as_str().into(),
                            expected: parquet::LISTED.into(),
                            found: Found(String::from_utf8_lossy(side.cell(row, column)).into_owned()),
                            record: row as u64 + 1,
                        });
                    }
                }
            }
        }
        side.index()?;
        Ok(side)
    }

    /// Refuses a column that cannot be read.
    #[cfg(feature = "parquet")]
    pub fn check(&self, column: usize) -> Result<()> {
        let refused = self.refused.iter().find(|&&(number, _)| number == column);
        refused.map_or(Ok(()), |(_, refused)| Err(refused.error(&self.path, &self.names[column])))
    }

    fn read_rows(&mut self, start: usize, delimiter: u8) -> Result<()> {
        let (mut at, mut line) = (start, 1 + line_breaks(&self.text[..start]));
        let (mut contents, mut unescaped) = (Vec::with_capacity(self.names.len()), Vec::new());
        while at < self.text.len() {
            let blank = record::blank(&self.text[at..]);
            if blank > 0 {
                (at, line) = (at + blank, line + 1);
                continue;
            }
            let whereabouts = Whereabouts { path: &self.path, line, record: self.starts.len() as u64 + 1 };
            let next = record::split(&self.text, at, delimiter, &self.names, &mut contents, whereabouts)?;
            self.starts.push(at as u32);
            for Content { start, end, escaped, .. } in contents.drain(..) {
                let mut range = (start as u32, end as u32);
                if escaped {
                    // Texts with doubled quotes go behind the file's own text, less the doubles.
                    range.0 = (self.text.len() + unescaped.len()) as u32;
                    unescape(&self.text[start..end], &mut unescaped);
                    range.1 = (self.text.len() + unescaped.len()) as u32;
                }
                self.cells.push(range);
            }
            line += line_breaks(&self.text[at..next]);
            at = next;
        }
        self.text.extend_from_slice(&unescaped);
        if u32::try_from(self.text.len()).is_err() {
            return Err(Error::LargeSide { path: self.path.clone() });
        }
        self.index()
    }

    /// Adds the column `name` of lists: what the column `take` of `values` says of each value of another one's. `missing` stands
    /// where it says nothing.
    fn look_up(
        &mut self,
        list: &JoinList,
        (name, take): (&String, &str),
        at: &str,
        values: &Side,
        missing: Option<&str>,
    ) -> Result<()> {
        let separator = &list.separator;
        let own = column(&self.path, &self.names, &list.column, format!("{at}.column"))?;
        let take = column(&values.path, &values.names, take, format!("{at}.take.{name}"))?;
        #[cfg(feature = "parquet")]
        self.check(own).and_then(|()| values.check(take))?;
        if self.names.contains(name) {
            let (first, second) = (self.path.clone(), self.path.clone());
            return Err(Error::ColumnInBoth { name: name.clone(), first, second });
        }
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(self.rows()));
        for row in 0..self.rows() {
            let cell = self.cell(row, own);
            // Of an empty list nothing is asked.
            let parts = cell.split(|b| *b == *separator as u8).filter(|_| !cell.is_empty());
            for (i, value) in parts.enumerate() {
                let partner = values.find(value.trim_ascii());
                let found =
                    partner.map_or(&b""[..], |partner| values.cell(partner as usize, take).trim_ascii());
                let found = match (found, missing) {
                    ([], Some(missing)) => missing.as_bytes(),
                    (found, _) => found,
                };
                if found.is_empty() || found.contains(&(*separator as u8)) {
                    return Err(Error::Field {
                        place: self.place(row, own),
                        field: name.as_str().into(),
                        expected: UNLISTED.into(),
                        found: Found(
                            String::from_utf8_lossy(if found.is_empty() { value } else { found }).into(),
                        ),
                        record: row as u64 + 1,
                    });
                }
                text.extend((i > 0).then_some(*separator as u8));
                text.extend_from_slice(found);
            }
            ends.push(text.len());
        }
        self.add(name, &text, &ends)
    }

    /// Adds a column of texts that lie one behind the other and end at `ends`.
    fn add(&mut self, name: &str, text: &[u8], ends: &[usize]) -> Result<()> {
        let (width, start) = (self.names.len(), self.text.len());
        if u32::try_from(start + text.len()).is_err() {
            return Err(Error::LargeSide { path: self.path.clone() });
        }
        self.text.extend_from_slice(text);
        let mut cells = Vec::with_capacity(self.cells.len() + ends.len());
        let mut at = start as u32;
        for (row, end) in self.cells.chunks_exact(width).zip(ends) {
            cells.extend_from_slice(row);
            cells.push((at, (start + end) as u32));
            at = (start + end) as u32;
        }
        self.cells = cells;
        self.names.push(name.to_owned());
        Ok(())
    }

    fn index(&mut self) -> Result<()> {
        let mut keys = Interner::default();
        for row in 0..self.rows() {
            let key = self.cell(row, self.key);
            let first = keys.intern(key) as usize;
            if first != row {
                let key = String::from_utf8_lossy(key).into_owned();
                let (first, second) = (self.place(first, self.key), self.place(row, self.key));
                return Err(Error::DuplicateKey { key, first, second });
            }
        }
        self.keys = keys;
        Ok(())
    }

    /// Columns that stand beside a row: all but the key.
    pub fn width(&self) -> usize {
        self.names.len() - 1
    }

    /// The `n`-th of these, if there are so many.
    pub fn nth(&self, n: usize) -> Option<usize> {
        (n < self.width()).then(|| n + usize::from(n >= self.key))
    }

    pub fn rows(&self) -> usize {
        self.cells.len() / self.names.len()
    }

    /// The row of a key.
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        self.keys.get(key)
    }

    pub fn cell(&self, row: usize, column: usize) -> &[u8] {
        let (start, end) = self.cells[row * self.names.len() + column];
        &self.text[start as usize..end as usize]
    }

    /// Where a cell is. One with doubled quotes counts as at its row's start.
    pub fn place(&self, row: usize, column: usize) -> Place {
        let Some(&start) = self.starts.get(row) else {
            return Place::Row { path: self.path.clone(), row: row as u64 + 1 };
        };
        let (cell, _) = self.cells[row * self.names.len() + column];
        let ends = self.starts.get(row + 1).copied().unwrap_or(self.own as u32);
        self.text_place(if (start..ends).contains(&cell) { cell } else { start } as usize)
    }

    /// The place of a byte of the file.
    fn text_place(&self, at: usize) -> Place {
        let (line, column) = position(&self.text, at);
        Place::Text { path: self.path.clone(), line: line + 1, column: column as u64 + 1 }
    }
}
