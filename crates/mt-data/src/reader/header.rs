//! The first line of a file: names, or already data.

use std::path::Path;

use super::cell::Cell;
use super::number;
use crate::error::{Error, Result};

/// The UTF-8 byte order mark that some spreadsheets write.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Length of the byte order mark at the start of `text`, 0 without one.
pub(super) fn bom(text: &[u8]) -> usize {
    if text.starts_with(BOM) { BOM.len() } else { 0 }
}

/// The column names in the first line of `text`, and the length of that line.
pub(super) fn read(text: &[u8], delimiter: u8, path: &Path) -> Result<(Vec<String>, usize)> {
    let length = text.iter().position(|&b| b == b'\n').map_or(text.len(), |n| n + 1);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(&text[..length]);
    let header = |source| Error::Header { path: path.to_owned(), source };
    let mut record = csv::StringRecord::new();
    if !reader.read_record(&mut record).map_err(header)? {
        // A blank first line.
        return Err(Error::Empty { path: path.to_owned() });
    }
    let names: Vec<String> = record.iter().map(str::to_owned).collect();
    // Numbers as names are data under a wrong `header` key, except `0,1,2,..`, which pandas writes for columns
    // without names. A row that counts its own columns is too unlikely to be in the way.
    let numbered = names.len() > 2 && names.iter().enumerate().all(|(i, name)| *name == i.to_string());
    if !numbered && names.iter().all(|name| number::whole(name.as_bytes()).is_some()) {
        return Err(Error::LooksLikeData { path: path.to_owned() });
    }
    unique(&names, path)?;
    Ok((names, length))
}

/// Refuses a name that two columns have.
pub(super) fn unique(names: &[String], path: &Path) -> Result<()> {
    let mut seen = std::collections::BTreeMap::new();
    for (second, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, second) {
            return Err(Error::DuplicateColumn { path: path.to_owned(), name: name.clone(), first, second });
        }
    }
    Ok(())
}

/// The names of columns without names: `column 0`, `column 1`, …, counted as the configuration counts them.
/// Refuses a line without a single number, which can only be a header, unless columns may hold `texts`.
pub(super) fn count(text: &[u8], delimiter: u8, texts: bool, path: &Path) -> Result<Vec<String>> {
    let (mut at, mut width, mut numbers) = (0, 0, false);
    loop {
        let cell = Cell::at(text, at, delimiter);
        let content = text[cell.start..cell.end].trim_ascii();
        numbers |= content.is_empty() || number::whole(content).is_some();
        width += 1;
        if text.get(cell.next) != Some(&delimiter) {
            break;
        }
        at = cell.next + 1;
    }
    if !numbers && !texts {
        return Err(Error::LooksLikeHeader { path: path.to_owned() });
    }
    Ok((0..width).map(|i| format!("column {i}")).collect())
}
