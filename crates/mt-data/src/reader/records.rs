//! Records as texts, side tables joined: what a caller of a predictor has in its hands.

use std::path::Path;
use std::sync::Arc;

use mt_storage::Partition;

use super::blocks::BLOCK;
use super::cell::line_breaks;
use super::header::read_names;
#[cfg(feature = "parquet")]
use super::parquet;
use super::partition;
use super::plan::Origin;
use super::record::{self, Whereabouts};
use super::side::{self, Side};
use super::text_start::TextStart;
#[cfg(feature = "parquet")]
use crate::config::separator_of;
use crate::config::{DataConfig, Paths};
use crate::error::{Error, Nearest, Result};

/// Some columns of the records of files, as they are written there.
#[derive(Debug)]
pub struct Records {
    width: usize,
    text: Vec<u8>,
    /// Where each text ends, `records x columns`.
    ends: Vec<usize>,
}

impl Records {
    /// Reads `columns` of the first `most` records of the files, which `data` describes. Columns of side tables count
    /// among the files' own; the value of a row without partner is empty.
    ///
    /// # Errors
    /// Whatever is wrong with a file, or a column that is not in it. Bad records are never skipped.
    pub fn read(paths: &Paths, data: &DataConfig, columns: &[String], most: usize) -> Result<Self> {
        let Some(csv) = data.row_files() else { return Err(Error::Source { found: "none" }) };
        let delimiter = csv.delimiter_byte()?;
        let storage = &data.storage;
        let given = csv.names.as_deref().map(|names| read_names(storage, names)).transpose()?;
        let sides = side::open(data, delimiter)?;
        let mut records = Records::empty(columns.len());
        for path in storage.expand(paths)? {
            if storage.is_typed(&path)? {
                records.add_columns(&path, columns, &sides, data, most)?;
                continue;
            }
            let start = TextStart::open(storage, &path, &csv, true, BLOCK, Arc::default())?;
            let given = given.as_ref().filter(|_| !csv.header);
            let TextStart { mut blocks, mut buffer, mut length, mut at, mut line, names } =
                start.named(given);
            let plan = Joined::new(names, columns, &path, &sides, data)?;
            while length > 0 {
                while at < length {
                    if records.len() == most {
                        return Ok(records);
                    }
                    let next = records.add(&buffer[..length], at, delimiter, line, &plan)?;
                    line += line_breaks(&buffer[at..next]);
                    at = next;
                }
                (length, at) = (blocks.next_into(&mut buffer)?, 0);
            }
        }
        Ok(records)
    }

    /// No records yet, of `width` columns each.
    pub(super) fn empty(width: usize) -> Self {
        Records { width, text: Vec::new(), ends: Vec::new() }
    }

    /// Adds the next text of a record, as `write` writes it.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.text);
        self.ends.push(self.text.len());
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.ends.len() / self.width.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The texts of a record, in the order of the columns.
    ///
    /// # Panics
    /// Where `record` is not below [`len`](Self::len).
    pub fn record(&self, record: usize) -> impl Iterator<Item = &[u8]> {
        let first = record * self.width;
        let start = |i: usize| i.checked_sub(1).map_or(0, |before| self.ends[before]);
        (first..first + self.width).map(move |i| &self.text[start(i)..self.ends[i]])
    }

    /// Adds the record at `at`, unless its line is blank; returns where the next one starts.
    fn add(&mut self, text: &[u8], at: usize, delimiter: u8, line: u64, plan: &Joined<'_>) -> Result<usize> {
        let blank = record::blank(&text[at..]);
        if blank > 0 {
            return Ok(at + blank);
        }
        let mut cells = Vec::with_capacity(plan.own.len());
        let whereabouts = Whereabouts { path: plan.path, line, record: self.len() as u64 + 1 };
        let next = record::split(text, at, delimiter, &plan.own, &mut cells, whereabouts)?;
        let own = |column: usize, to: &mut Vec<u8>| cells[column].write(text, to);
        self.join(plan, own);
        Ok(next)
    }

    /// Adds rows of a Parquet file, up to `most` in all.
    #[cfg(feature = "parquet")]
    fn add_columns(
        &mut self,
        path: &Path,
        columns: &[String],
        sides: &[Side],
        data: &DataConfig,
        most: usize,
    ) -> Result<()> {
        let mut file = parquet::File::open(&data.storage, path, BLOCK, Arc::default())?;
        let names = file.names()?;
        let plan = Joined::new(names.clone(), columns, path, sides, data)?;
        let needed = |column: usize| plan.keys.contains(&column) || plan.reads(column);
        let separators: Vec<Option<char>> =
            names.iter().map(|name| separator_of(&data.fields, &data.numbers, name)).collect();
        let separator = |column: usize| separators[column];
        let (chosen, refused) = file.choose_all(separator);
        if let Some((column, refused)) = refused.into_iter().find(|(column, _)| needed(*column)) {
            return Err(refused.error(path, &names[column]));
        }
        while self.len() < most
            && let Some(stripe) = file.next_stripe()?
        {
            for row in 0..stripe.rows.min(most - self.len()) {
                let own = |column: usize, to: &mut Vec<u8>| {
                    if let Ok(at) = chosen.binary_search(&column) {
                        let separator = separator(column).map(|separator| separator as u8);
                        parquet::write(&stripe.columns[at], row, separator, to);
                    }
                };
                self.join(&plan, own);
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "parquet"))]
    fn add_columns(&mut self, path: &Path, _: &[String], _: &[Side], _: &DataConfig, _: usize) -> Result<()> {
        Err(Error::no_parquet(path))
    }

    /// Adds a record; `cell` writes the columns of the file itself.
    fn join(&mut self, plan: &Joined<'_>, cell: impl Fn(usize, &mut Vec<u8>)) {
        let own = |column: usize, to: &mut Vec<u8>| match column.checked_sub(plan.own.len()) {
            None => cell(column, to),
            Some(behind) => partition::value(&plan.partitions[behind]).write(to),
        };
        let mut key = Vec::new();
        let partner = |(column, side): (&usize, &Side)| {
            key.clear();
            own(*column, &mut key);
            side.find(&key)
        };
        let partners: Vec<Option<u32>> = plan.keys.iter().zip(plan.sides).map(partner).collect();
        for origin in &plan.origins {
            self.push(|text| match *origin {
                Origin::Kept(column) => own(column as usize, text),
                Origin::Side { join, column } => {
                    if let Some(row) = partners[join as usize] {
                        let side = &plan.sides[join as usize];
                        text.extend_from_slice(side.cell(row as usize, column as usize));
                    }
                }
                // Columns of files are asked for.
                Origin::Computed(_) => {}
            });
        }
    }
}

/// Where the columns of a file's records come from; [`Origin::Kept`] counts the file's own columns and those of its folders.
struct Joined<'a> {
    path: &'a Path,
    /// Columns of the file itself.
    own: Vec<String>,
    partitions: Vec<Partition>,
    sides: &'a [Side],
    keys: Vec<usize>,
    origins: Vec<Origin>,
}

impl<'a> Joined<'a> {
    fn new(
        names: Vec<String>,
        columns: &[String],
        path: &'a Path,
        sides: &'a [Side],
        data: &DataConfig,
    ) -> Result<Self> {
        let (of_file, mut names, partitions) = (names.clone(), names, data.storage.partitions(path));
        partition::append(&mut names, path, &partitions)?;
        let own = names.len();
        let names = side::names(names, path, sides)?;
        let find = |name: &String, among: &[String]| {
            let found = among.iter().position(|n| n == name);
            let nearest = || Nearest::of(name, among);
            let missing =
                || Error::MissingFeature { path: path.to_owned(), name: name.clone(), nearest: nearest() };
            found.ok_or_else(missing)
        };
        let origin = |name: &String| {
            let column = find(name, &names)?;
            Ok(match column.checked_sub(own) {
                None => Origin::Kept(column as u32),
                Some(behind) => Origin::behind(sides, behind),
            })
        };
        Ok(Self {
            path,
            own: of_file,
            partitions,
            sides,
            keys: data.join.iter().map(|join| find(&join.key, &names[..own])).collect::<Result<_>>()?,
            origins: columns.iter().map(origin).collect::<Result<_>>()?,
        })
    }

    /// Whether a column of the file itself is wanted.
    #[cfg(feature = "parquet")]
    fn reads(&self, column: usize) -> bool {
        self.origins.iter().any(|origin| matches!(origin, Origin::Kept(kept) if *kept as usize == column))
    }
}
