//! Everything that can be wrong with data, its files or their description. Errors about a cell begin with `path:line:column`.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

pub use crate::message::{BadLine, Place};
pub use mt_features::error::{Found, Nearest};

#[cfg(not(feature = "parquet"))]
use mt_storage::error::NoFeature;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The generator's settings cannot be.
    #[error(transparent)]
    Generator(#[from] mt_datasets::Error),
    /// A file cannot be read, or a path stands for none.
    #[error(transparent)]
    Storage(#[from] mt_storage::Error),
    /// A feature, a task or a row cannot be as it is described or handed over.
    #[error(transparent)]
    Features(#[from] mt_features::Error),
    /// A file could not be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A compressed file ends early or is damaged.
    #[error("{}: not a complete {format} file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// What the decoder said.
        source: io::Error,
    },
    /// A file is no Parquet file though its name says so, ends early, is damaged, or uses what is not supported.
    #[cfg(feature = "parquet")]
    #[error("{}: not a readable Parquet file", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file or stream of Arrow's batches ends early, is damaged, or uses what is not supported.
    #[cfg(feature = "parquet")]
    #[error("{}: not a readable Arrow file", path.display())]
    Arrow {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A column of a Parquet file has a type that it must not have for what is asked of it.
    #[error("{}: column \"{column}\": expected {expected}, found {found}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What would have been right.
        expected: &'static str,
        /// Its type, in words.
        found: String,
    },
    /// A file holds not a single line.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to train on.
    #[error("{what} has no rows")]
    NoRows {
        /// Which part: `train`, `valid` or `test`.
        what: &'static str,
    },
    /// A cell does not hold what its column must hold.
    #[error("{place}: field \"{field}\": expected {expected}, found {found}{}", place.record(*record))]
    Field {
        /// Where the cell begins.
        place: Place,
        /// The header's name of the column, or `column 17` (from 0, as in the configuration). Boxed, as an error of
        /// 128 bytes and more slows down every function that may fail.
        field: Box<str>,
        /// What would have been right.
        expected: Cow<'static, str>,
        /// What is there.
        found: Found,
        /// Data record within the file, from 1.
        record: u64,
    },
    /// A row has more or fewer fields than the first.
    #[error("{place}: expected {expected} fields, found {found} (record {record})")]
    Width {
        /// Where the row ends or its first surplus field begins.
        place: Place,
        /// Fields of the first row.
        expected: usize,
        /// Fields of this row.
        found: usize,
        /// Data record within the file, from 1.
        record: u64,
    },
    /// A line is too long to be a row.
    #[error("{}: a record of more than {limit} bytes; is this a text file, and do its quotes close?", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// The longest line accepted, in bytes.
        limit: usize,
    },
    /// The bad records outnumber what `on_bad_record` allows.
    #[error("more than {limit} bad records (`on_bad_record: {{skip: {limit}}}`); the first one follows")]
    TooManyBadRecords {
        /// The allowance.
        limit: u64,
        /// The first bad record.
        #[source]
        first: Box<Error>,
    },
    /// A header where none is declared.
    #[error("{}:1: the first line looks like a header; set `header: true`", path.display())]
    LooksLikeHeader {
        /// The file.
        path: PathBuf,
    },
    /// No header where one is declared.
    #[error("{}:1: the first line holds only numbers, not names; set `header: false`", path.display())]
    LooksLikeData {
        /// The file.
        path: PathBuf,
    },
    /// A header that is not UTF-8 or whose quotes do not close, or a line break `\r` alone.
    #[error("{0}")]
    Line(BadLine),
    /// Two columns have one name.
    #[error("{}:1: the header names \"{name}\" twice (columns {first} and {second})", path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// Its first column, from 0.
        first: usize,
        /// Its second column, from 0.
        second: usize,
    },
    /// A column asked for by name is not in the header.
    #[error("{key}: no column \"{name}\" in {}{nearest}", path.display())]
    UnknownColumn {
        /// The configuration key that asks, for example `tasks.like.label`.
        key: String,
        /// The name asked for.
        name: String,
        /// The file.
        path: PathBuf,
        /// The most similar column.
        nearest: Nearest,
    },
    /// A column asked for by name in a file without names.
    #[error("{key}: \"{name}\" needs names, but {} has no header (give an index, or set `names`)", path.display())]
    Unnamed {
        /// The configuration key that asks.
        key: String,
        /// The name asked for.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// A column index beyond the last column.
    #[error("{key}: no column {index} in {}, which has {width} columns, counted from 0", path.display())]
    ColumnOutOfRange {
        /// The configuration key that asks.
        key: String,
        /// The index asked for.
        index: usize,
        /// Columns of the file.
        width: usize,
        /// The file.
        path: PathBuf,
    },
    /// A label would also be an input: the model would read the answer.
    #[error("features: column \"{name}\" is the label of task \"{task}\"; it cannot be a feature")]
    LabelAmongFeatures {
        /// The column.
        name: String,
        /// The task.
        task: String,
    },
    /// A column is listed twice.
    #[error("features: column \"{name}\" is listed twice")]
    DuplicateFeature {
        /// The column.
        name: String,
    },
    /// Every column is a label or excluded.
    #[error("{}: no column is left as a feature", path.display())]
    NoFeatures {
        /// The file.
        path: PathBuf,
    },
    /// Two tasks have the same label column.
    #[error("tasks \"{first}\" and \"{second}\" have the same label column \"{column}\"")]
    SharedLabel {
        /// The first task.
        first: String,
        /// The second task.
        second: String,
        /// The column.
        column: String,
    },
    /// A file lacks a column that the model was trained on.
    #[error("{}: the feature column \"{name}\" is missing{nearest}", path.display())]
    MissingFeature {
        /// The file.
        path: PathBuf,
        /// The column.
        name: String,
        /// The most similar column.
        nearest: Nearest,
    },
    /// A file without header has not the columns that the model was trained on.
    #[error("{}: expected {expected} columns{}, found {found}", path.display(), crate::message::or_without(*without_labels))]
    FileWidth {
        /// The file.
        path: PathBuf,
        /// Columns with labels.
        expected: usize,
        /// Columns without, where that is allowed.
        without_labels: Option<usize>,
        /// Columns of the file.
        found: usize,
    },
    /// More than one of `csv`, `parquet` and `synth` is there, or none.
    #[error("data: exactly one of `csv`, `parquet` and `synth` is needed, found {found}")]
    Source {
        /// `several` or `none`.
        found: &'static str,
    },
    /// A feature of the synthetic data is asked for as a label.
    #[error("{key}: expected completion or like, found {found}")]
    NoLabel {
        /// The configuration key that asks.
        key: String,
        /// The column.
        found: String,
    },
    /// A setting is outside its range.
    #[error("{key}: expected {expected}, found {found}")]
    Setting {
        /// The configuration key.
        key: &'static str,
        /// The range.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// A side table has two rows of one key.
    #[error("{second}: key \"{key}\" is there twice, first at {first}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// Its first row.
        first: Place,
        /// Its second row.
        second: Place,
    },
    /// A column is in two of the files that are joined.
    #[error("column \"{name}\" is in both {} and {}", first.display(), second.display())]
    ColumnInBoth {
        /// The column.
        name: String,
        /// The first file.
        first: PathBuf,
        /// The second file.
        second: PathBuf,
    },
    /// A cache of parsed rows cannot be written or read.
    #[error("{}: {problem}", path.display())]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong, and what helps.
        problem: String,
    },
    /// A block of a cache is not what was written.
    #[error("{}: block {block} of the cache is damaged; begin again, and the cache is built anew", path.display())]
    DamagedCache {
        /// The file.
        path: PathBuf,
        /// The block, from 0.
        block: usize,
    },
    /// What was said when rows were parsed for a cache.
    #[error("{0}")]
    Earlier(String),
    /// A side table is beyond what 32-bit positions can address.
    #[error("{}: a side table of more than 4 GiB", path.display())]
    LargeSide {
        /// The side table.
        path: PathBuf,
    },
}

impl Error {
    /// That a file cannot be read.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        mt_storage::Error::Read { path: path.to_owned(), source }.into()
    }

    /// That this build reads and writes no Parquet and Arrow files.
    #[cfg(not(feature = "parquet"))]
    pub(crate) fn no_parquet(path: &Path) -> Self {
        let what = "a Parquet or Arrow file";
        mt_storage::Error::NoFeature(NoFeature { path: path.to_owned(), what, feature: "parquet" }).into()
    }
}
