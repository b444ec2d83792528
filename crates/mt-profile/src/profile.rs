//! What files hold, without a configuration: types, values, ranges, what is missing. A part of them, or all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mt_data::error::Nearest;
use mt_data::scan::{Scan, Start};
use mt_data::{CsvConfig, Error, Paths, Progress, Result, Storage};

use crate::alone;
use crate::column::ColumnProfile;
use crate::dialect;
use crate::hints;
use crate::leaks::Evidence;
use crate::tally::Tally;

/// How much of the files is looked at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sample {
    /// Rows of each file, from its beginning. Default 10,000; `None` for all.
    pub rows: Option<usize>,
    /// Rows of all files together, of which each has its share. Default 100,000; without effect on all rows.
    pub most: usize,
    /// Values of a column that are told from each other and counted. Default 131,072.
    pub values: usize,
    /// Names that a file's first line holds if it is a header. Default none.
    pub known: Vec<String>,
    /// How text files are written. Default: as they seem to be.
    pub csv: Option<CsvConfig>,
}

impl Default for Sample {
    fn default() -> Self {
        Sample { rows: Some(10_000), most: 100_000, values: 1 << 17, known: Vec::new(), csv: None }
    }
}

impl Sample {
    /// All rows.
    pub fn all() -> Self {
        Sample { rows: None, values: 1 << 16, ..Sample::default() }
    }
}

/// What files hold.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Profile {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Those of them that hold typed columns.
    pub typed: usize,
    /// How the text files among them are written; its paths are no more than the first of these.
    pub csv: CsvConfig,
    /// Rows looked at.
    pub rows: u64,
    /// Whether these are all.
    pub whole: bool,
    /// The columns of the first file, and behind them those of the folders `key=value` that it is in.
    pub columns: Vec<ColumnProfile>,
    /// How many are of such folders.
    pub partitions: usize,
}

impl Profile {
    /// Looks at files on this machine.
    ///
    /// # Errors
    /// Files that cannot be found or read, text files without a delimiter that can be told, records of another width than the
    /// first, and files that lack columns of the first one.
    pub fn read(paths: &Paths, sample: &Sample, progress: &dyn Fn(Progress)) -> Result<Self> {
        Self::read_from(&Storage::default(), paths, sample, progress)
    }

    /// As [`read`](Self::read), wherever the files lie.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_from(
        storage: &Storage,
        paths: &Paths,
        sample: &Sample,
        progress: &dyn Fn(Progress),
    ) -> Result<Self> {
        let files = storage.expand(paths)?;
        let bytes_total = files.iter().map(|path| Ok(storage.bytes(path)?)).sum::<Result<u64>>()?;
        let bytes = Arc::new(AtomicU64::new(0));
        let share = (sample.most / files.len().max(1)).max(1);
        let most = sample.rows.map(|rows| rows.min(share));
        let mut csv = sample.csv.clone();
        let (mut first, mut tallies) = (Start::default(), Vec::new());
        let (mut rows, mut whole, mut typed) = (0, true, 0);
        for (number, path) in files.iter().enumerate() {
            if csv.is_none() && !storage.is_typed(path)? {
                csv = Some(dialect::of(storage, path, &sample.known)?);
            }
            let described = csv.clone().unwrap_or_else(|| CsvConfig::new(path.display().to_string()));
            let mut scan = Scan::open(storage, path, &described, bytes.clone())?;
            typed += usize::from(scan.start().typed);
            if number == 0 {
                first = scan.start().clone();
                let tally = || Tally::new(sample.values, sample.rows.is_some());
                tallies = first.names.iter().map(|_| tally()).collect();
            }
            let columns = matching(&first.names, scan.start(), path, &described)?;
            tallies.iter_mut().for_each(Tally::next_file);
            let mut left = most.unwrap_or(usize::MAX);
            while left > 0 {
                let read = scan.next(&columns, &mut tallies, left)?;
                if read == 0 {
                    break;
                }
                (left, rows) = (left - read, rows + read as u64);
                let bytes_done = bytes.load(Ordering::Relaxed);
                progress(Progress { bytes_done, bytes_total: Some(bytes_total), rows });
            }
            whole &= left > 0 || scan.is_over()?;
        }
        let found = |list: &[(usize, String)], column: usize| {
            list.iter().find(|(number, _)| *number == column).map(|(_, found)| found.clone())
        };
        let unit = |column: usize| first.times.iter().find(|(i, _)| *i == column).map(|(_, unit)| *unit);
        let columns = first.names.iter().zip(tallies).enumerate();
        let columns = columns.map(|(i, (name, tally))| {
            ColumnProfile::new(name.clone(), tally, unit(i), found(&first.refused, i))
        });
        let columns = columns.collect();
        let csv = csv.unwrap_or_else(|| CsvConfig::new(String::new()));
        Ok(Profile { files, typed, csv, rows, whole, columns, partitions: first.partitions })
    }

    /// The column called `name`, asked for by `key`; in files without names also by its number, from 0.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`], with the nearest name.
    pub fn find(&self, name: &str, key: &str) -> Result<usize> {
        let named = |column: &ColumnProfile| {
            column.name == name || (!self.has_names() && column.name == format!("column {name}"))
        };
        self.columns.iter().position(named).ok_or_else(|| {
            let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
            let path = self.files.first().cloned().unwrap_or_default();
            let nearest = Nearest::of(name, &names);
            Error::UnknownColumn { key: key.to_owned(), name: name.to_owned(), path, nearest }
        })
    }

    /// Whether columns have names of their own.
    pub fn has_names(&self) -> bool {
        self.typed > 0 || self.csv.header
    }

    /// Whether a column has a name of its own: in files without names only those of folders have.
    pub fn is_named(&self, column: usize) -> bool {
        self.has_names() || column + self.partitions >= self.columns.len()
    }

    /// The columns of `among` from which alone a label can be read off, each with what was found, as [`leaks`](crate::leaks())
    /// does for the inputs of a model. `label` gives the label of a value of the column `of`, `None` where it is missing;
    /// `binary` says whether each is 0 or 1. Of a profile of all rows nothing is known.
    pub fn leaks(
        &self,
        of: usize,
        label: impl Fn(&[u8]) -> Option<f32>,
        binary: bool,
        among: &[usize],
    ) -> Vec<(usize, Evidence)> {
        alone::leaks(&self.columns, of, label, binary, among)
    }

    /// How well the name of a column fits what rows are grouped by, the best 0; `None` where it does not.
    pub fn groups(&self, column: usize) -> Option<usize> {
        hints::group(&self.columns[column].name)
    }
}

/// Where the columns `names` are in a file.
fn matching(names: &[String], start: &Start, path: &Path, csv: &CsvConfig) -> Result<Vec<usize>> {
    if !csv.header && !start.typed {
        let (expected, found) = (names.len(), start.names.len());
        if expected != found {
            return Err(Error::FileWidth { path: path.to_owned(), expected, without_labels: None, found });
        }
        // Of folders with other keys, that which is missing is said below.
        if *names == start.names {
            return Ok((0..found).collect());
        }
    }
    let find = |name: &String| {
        start.names.iter().position(|other| other == name).ok_or_else(|| {
            let nearest = Nearest::of(name, &start.names);
            Error::MissingFeature { path: path.to_owned(), name: name.clone(), nearest }
        })
    };
    names.iter().map(find).collect()
}
