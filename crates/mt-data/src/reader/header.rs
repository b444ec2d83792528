//! The first line of a file: names, or already data.

use std::path::Path;

use mt_features::number;
use mt_storage::Storage;

use super::cell::{Content, record_end};
use crate::error::{BadLine, Error, Result};

/// The UTF-8 byte order mark that some spreadsheets write.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Length of the byte order mark at the start of `text`, 0 without one.
pub(super) fn bom(text: &[u8]) -> usize {
    if text.starts_with(BOM) { BOM.len() } else { 0 }
}

/// The column names in the first record of `text`, read as others are, and the length of that record.
pub(super) fn read(text: &[u8], delimiter: u8, path: &Path) -> Result<(Vec<String>, usize)> {
    let length = line(text, delimiter, path)?;
    let mut names = Vec::new();
    for content in Content::all(text, 0, delimiter) {
        let fail = |problem| {
            let column = content.start as u64 + 1;
            Err(Error::Line(BadLine { path: path.to_owned(), line: 1, column, problem }))
        };
        if content.bad_quotes {
            return fail("the header cannot be read: expected a closing quote right before the next name");
        }
        let mut name = Vec::new();
        content.write(text, &mut name);
        let Ok(name) = String::from_utf8(name) else {
            return fail("the header cannot be read: expected a name in UTF-8");
        };
        names.push(name);
    }
    // Numbers as names are data under a wrong `header` key, except `0,1,2,..`, which pandas writes for columns
    // without names. A row that counts its own columns is too unlikely to be in the way.
    let numbered = names.len() > 2 && names.iter().enumerate().all(|(i, name)| *name == i.to_string());
    if !numbered && names.iter().all(|name| number::whole(name.as_bytes()).is_some()) {
        return Err(Error::LooksLikeData { path: path.to_owned() });
    }
    unique(&names, path)?;
    Ok((names, length))
}

/// The length of the first record of `text`. Refuses one in which a `\r` ends no line: where that is all that ends them, the
/// whole file would be one.
fn line(text: &[u8], delimiter: u8, path: &Path) -> Result<usize> {
    let length = record_end(text, 0, delimiter);
    match bare_return(&text[..length]) {
        None => Ok(length),
        Some(at) => Err(alone(path, 1, at as u64 + 1)),
    }
}

/// A `\r` in the middle of a line: in some files it is all that ends them.
pub(super) fn alone(path: &Path, line: u64, column: u64) -> Error {
    let problem = r#"a line break "\r" alone; let lines end in "\n" or "\r\n""#;
    Error::Line(BadLine { path: path.to_owned(), line, column, problem })
}

/// Where a line has a `\r` before its end.
pub(super) fn bare_return(line: &[u8]) -> Option<usize> {
    let content = line.strip_suffix(b"\n").unwrap_or(line);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    content.iter().position(|&b| b == b'\r')
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
    line(text, delimiter, path)?;
    let (mut width, mut numbers) = (0, false);
    for Content { start, end, .. } in Content::all(text, 0, delimiter) {
        let content = text[start..end].trim_ascii();
        numbers |= content.is_empty() || number::whole(content).is_some();
        width += 1;
    }
    if !numbers && !texts {
        return Err(Error::LooksLikeHeader { path: path.to_owned() });
    }
    Ok((0..width).map(|i| format!("column {i}")).collect())
}

/// The names in a file of names.
pub(super) fn read_names(storage: &Storage, path: &Path) -> Result<Vec<String>> {
    let mut text = String::new();
    let read = storage.read(path)?.read_to_string(&mut text);
    read.map_err(|source| Error::read(path, source))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if let Some(line) = text.split_inclusive('\n').position(|line| bare_return(line.as_bytes()).is_some()) {
        return Err(alone(path, line as u64 + 1, 1));
    }
    let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    unique(&names, path)?;
    Ok(names)
}
