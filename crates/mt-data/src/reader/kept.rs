//! Columns of the files that are handed on beside what is read of them: keys, mostly.

use std::path::Path;
#[cfg(feature = "parquet")]
use std::sync::Arc;

#[cfg(feature = "parquet")]
use arrow_array::ArrayRef;
#[cfg(feature = "parquet")]
use arrow_schema::FieldRef;
use mt_storage::Partition;

use super::cell::{Cell, Content, record_end, unescape};
use super::partition;
use super::record::blank;
use super::records::Records;
use crate::error::{Error, Nearest, Result};

/// In what form columns are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptForm {
    /// As a text file has them: for text files.
    Text,
    /// As the file has them, of whatever type: for Parquet files.
    Stored,
}

/// Where a column that is kept comes from.
#[derive(Debug, Clone)]
pub(super) enum KeptColumn {
    /// The column of this number in the file.
    Cell(usize),
    /// A folder that the file is in.
    Folder(Partition),
}

/// What columns are kept of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptColumns {
    pub(crate) names: Vec<String>,
    /// What they are stored as, if they are not kept as texts.
    #[cfg(feature = "parquet")]
    pub(crate) types: Option<Vec<FieldRef>>,
}

impl KeptColumns {
    /// Their names, in the order in which they were asked for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Columns that are kept as texts.
    pub(super) fn texts(names: Vec<String>) -> Self {
        KeptColumns {
            names,
            #[cfg(feature = "parquet")]
            types: None,
        }
    }

    /// Checks that the columns of one more file are the same.
    #[cfg(feature = "parquet")]
    pub(super) fn check(&self, path: &Path, other: &KeptColumns) -> Result<()> {
        let show =
            |types: Option<&FieldRef>| types.map_or("text".to_owned(), |field| field.data_type().to_string());
        for (i, name) in self.names.iter().enumerate() {
            let of = |columns: &KeptColumns| {
                let types = columns.types.as_ref();
                types.map(|types| Arc::clone(&types[i]))
            };
            if of(self) != of(other) {
                let (path, column) = (path.to_owned(), name.clone());
                let expected = "the type that the first file has, as both go into one";
                return Err(Error::ColumnType { path, column, expected, found: show(of(other).as_ref()) });
            }
        }
        Ok(())
    }
}

/// The kept columns of some rows.
#[derive(Debug)]
pub struct Kept(pub(crate) KeptCells);

#[derive(Debug)]
pub(crate) enum KeptCells {
    /// Of each row a text a column; empty where there is none.
    Text(Records),
    /// What is stored, a column each.
    #[cfg(feature = "parquet")]
    Stored(Vec<ArrayRef>),
}

impl Default for Kept {
    /// Nothing.
    fn default() -> Self {
        Kept(KeptCells::Text(Records::empty(0)))
    }
}

impl Kept {
    /// The texts of a row, empty where a value is missing; none for columns that are kept as they are stored.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn texts(&self, row: usize) -> impl Iterator<Item = &[u8]> {
        let texts = match &self.0 {
            KeptCells::Text(records) => Some(records.record(row)),
            #[cfg(feature = "parquet")]
            KeptCells::Stored(_) => None,
        };
        texts.into_iter().flatten()
    }
}

/// The numbers of the columns `wanted` among those of a file. Where columns have no names, an index means one.
pub(super) fn find(wanted: &[String], names: &[String], path: &Path) -> Result<Vec<usize>> {
    let position = |name: &str| names.iter().position(|n| n == name);
    let find = |name: &String| {
        let index = || name.parse::<usize>().ok().and_then(|index| position(&format!("column {index}")));
        position(name).or_else(index).ok_or_else(|| {
            let (path, nearest) = (path.to_owned(), Nearest::of(name, names));
            Error::UnknownColumn { key: "keep".to_owned(), name: name.clone(), path, nearest }
        })
    };
    wanted.iter().map(find).collect()
}

/// The cells of `columns` in the records of `text`, all of which have as many cells as they should: what is between
/// delimiters, without blanks and quotes around it.
pub(super) fn cells(text: &[u8], delimiter: u8, columns: &[KeptColumn]) -> Kept {
    let mut records = Records::empty(columns.len());
    let numbers = columns.iter().map(|column| match column {
        KeptColumn::Cell(column) => *column,
        KeptColumn::Folder(_) => 0,
    });
    let Some(last) = numbers.max() else { return Kept(KeptCells::Text(records)) };
    let mut starts = vec![0; last + 1];
    let mut at = 0;
    while at < text.len() {
        let blank = blank(&text[at..]);
        if blank == 0 {
            starts[0] = at;
            for column in 1..=last {
                starts[column] = Content::at(text, starts[column - 1], delimiter).next + 1;
            }
            for column in columns {
                let column = match column {
                    KeptColumn::Cell(column) => *column,
                    KeptColumn::Folder(partition) => {
                        records.push(|to| partition::value(partition).write(to));
                        continue;
                    }
                };
                let Cell { start, end, .. } = Cell::at(text, starts[column], delimiter);
                let quoted = start > 0 && text[start - 1] == b'"';
                records.push(|to| match &text[start..end] {
                    content if quoted => unescape(content, to),
                    content => to.extend_from_slice(content),
                });
            }
            at = record_end(text, starts[last], delimiter);
        } else {
            at += blank;
        }
    }
    Kept(KeptCells::Text(records))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, columns: &[usize]) -> Vec<Vec<String>> {
        let columns: Vec<KeptColumn> = columns.iter().copied().map(KeptColumn::Cell).collect();
        let kept = cells(text.as_bytes(), b',', &columns);
        let KeptCells::Text(records) = &kept.0 else { return Vec::new() };
        let text = |cell: &[u8]| String::from_utf8(cell.to_vec()).unwrap();
        (0..records.len()).map(|row| kept.texts(row).map(text).collect()).collect()
    }

    #[test]
    fn cells_are_kept_as_they_were_written() {
        let text = "18446744073709551615,a,1e5\r\n\n  007 ,\"say \"\"x, y\"\" \",\n\r\n,\" \",3\n";
        let expected = [["1e5", "18446744073709551615"], ["", "007"], ["3", ""]];
        assert_eq!(rows(text, &[2, 0]), expected);
        assert_eq!(rows(text, &[1]), [["a"], ["say \"x, y\" "], [" "]]);
    }
}
