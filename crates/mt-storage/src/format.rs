//! How the rows of a file are written, by its name or its first bytes.

use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// As lines of text, compressed or not: what is nothing else.
    Text,
    /// As Parquet's row groups.
    Parquet,
    /// As Arrow's batches, with a footer: Feather, too.
    ArrowFile,
    /// The same from the beginning to the end, without one.
    ArrowStream,
}

/// What files begin with. A stream begins with the mark before its first message.
const BEGINNINGS: [(&[u8], Format); 4] = [
    (b"PAR1", Format::Parquet),
    (b"ARROW1", Format::ArrowFile),
    (b"FEA1", Format::ArrowFile),
    (&[0xFF; 4], Format::ArrowStream),
];
const LONGEST: usize = 6;

/// What the name of a file says; `None` where that is not all.
pub(crate) fn of_name(path: &Path) -> Option<Format> {
    let is = |extension: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
    is("parquet").then_some(Format::Parquet)
}

/// What a file is that begins with `start`. One whose name says that it is Arrow's is a stream where nothing else is known: the
/// oldest ones have no mark.
pub(crate) fn of_content(path: &Path, start: impl Read) -> Result<Format> {
    let mut first = Vec::with_capacity(LONGEST);
    let read = start.take(LONGEST as u64).read_to_end(&mut first);
    read.map_err(|source: io::Error| Error::Read { path: path.to_owned(), source })?;
    let found = BEGINNINGS.iter().find(|(beginning, _)| first.starts_with(beginning));
    Ok(match found {
        Some((_, format)) => *format,
        None if is_arrow(path) => Format::ArrowStream,
        None => Format::Text,
    })
}

fn is_arrow(path: &Path) -> bool {
    let names = ["arrow", "arrows", "feather", "ipc"];
    let extension = path.extension();
    names.iter().any(|name| extension.is_some_and(|extension| extension.eq_ignore_ascii_case(name)))
}
