//! Parts of error messages: positions, what was found, and what was probably meant.

use std::fmt;
use std::path::PathBuf;

/// A file that only a program with another feature of `mt-data` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoFeature {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub what: &'static str,
    /// What has been left out.
    pub feature: &'static str,
}

impl fmt::Display for NoFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, what, feature } = self;
        write!(f, "{}: {what}, which needs the feature `{feature}` of mt-data", path.display())
    }
}

impl crate::Error {
    /// That this build reads and writes no Parquet files.
    #[cfg(not(feature = "parquet"))]
    pub(crate) fn no_parquet(path: &std::path::Path) -> Self {
        crate::Error::NoFeature(NoFeature {
            path: path.to_owned(),
            what: "a Parquet file",
            feature: "parquet",
        })
    }
}

/// A position in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a text file; prints as `path:line:column`.
    Text {
        /// The file.
        path: PathBuf,
        /// Line, from 1; a header is line 1.
        line: u64,
        /// Byte column within the line, from 1.
        column: u64,
    },
    /// In a Parquet file; prints as `path: row 7`.
    Row {
        /// The file.
        path: PathBuf,
        /// Row, from 1.
        row: u64,
    },
}

impl Place {
    /// The record `record` in brackets, for a message, where a position does not name it already.
    pub(crate) fn record(&self, record: u64) -> String {
        match self {
            Place::Text { .. } => format!(" (record {record})"),
            Place::Row { .. } => String::new(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Text { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Place::Row { path, row } => write!(f, "{}: row {row}", path.display()),
        }
    }
}

/// The text found in a cell; prints quoted, or as `an empty field`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found(pub String);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Enough to recognise a cell, short enough for one line of a terminal.
        const SHOWN: usize = 40;
        if self.0.is_empty() {
            return f.write_str("an empty field");
        }
        match self.0.char_indices().nth(SHOWN) {
            Some((cut, _)) => write!(f, "{:?}…", &self.0[..cut]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// A proposal in an error message; prints as `; did you mean "x"?`, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest(pub Option<String>);

/// Letters of the longest name that is compared with others.
const LONGEST: usize = 200;

impl Nearest {
    /// The candidate that a typo most likely meant, if any is near enough.
    pub fn of<'a>(name: &str, candidates: impl IntoIterator<Item = &'a String>) -> Self {
        let near = |c: &&String| strsim::damerau_levenshtein(name, c);
        // More than a third of the letters wrong is a different word, not a typo.
        let letters = name.chars().count();
        // No typo of a column, but a request that would keep a server busy.
        if letters > LONGEST {
            return Nearest(None);
        }
        let limit = (letters / 3).max(1).min(letters.saturating_sub(1));
        let best = candidates.into_iter().min_by_key(near);
        Nearest(best.filter(|c| near(c) <= limit).cloned())
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean \"{name}\"?"))
    }
}

/// The other width that a record may have.
pub(crate) fn or_without(labels: Option<usize>) -> String {
    labels.map_or(String::new(), |width| format!(", or {width} without labels"))
}

/// The text of an expression, of a long one what is about its character `at`, from 1.
pub(crate) fn around(text: &str, at: usize) -> String {
    /// Characters shown before and behind.
    const SHOWN: usize = 60;
    let (start, length) = (at.saturating_sub(SHOWN + 1), text.chars().count());
    if length <= 4 * SHOWN {
        return format!("{text:?}");
    }
    let shown: String = text.chars().skip(start).take(2 * SHOWN).collect();
    let [before, behind] = [start > 0, start + 2 * SHOWN < length].map(|cut| if cut { "…" } else { "" });
    format!("{before}{shown:?}{behind}")
}

/// A text, of a long one its beginning.
pub(crate) fn short(text: &str) -> String {
    /// Characters shown.
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// A line that cannot be split; prints as `path:line:column: problem`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadLine {
    /// The file.
    pub path: PathBuf,
    /// The line, as `\n` ends them, from 1.
    pub line: u64,
    /// Byte of the line, from 1.
    pub column: u64,
    /// What is wrong there.
    pub problem: &'static str,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadLine { path, line, column, problem } = self;
        write!(f, "{}:{line}:{column}: {problem}", path.display())
    }
}

/// A row handed to a constructor that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRow {
    /// The row, counted from 0.
    pub row: usize,
    /// What would have been right.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadRow { row, expected, found } = self;
        write!(f, "row {row}: expected {expected}, found {found}")
    }
}

/// What a folder or a pattern leads to beside files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoFile {
    /// The folder in a folder, or the link.
    pub path: PathBuf,
    /// What it is.
    pub found: &'static str,
}

impl fmt::Display for NoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoFile { path, found } = self;
        let what = "where files are to be read; name the files, or a pattern that only they match";
        write!(f, "{}: {found}, {what}", path.display())
    }
}
