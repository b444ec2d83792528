//! From the text of one cell of a field to its codes.

use crate::fields::{Coder, Ids, Numbering};
use crate::schema::{Keep, List};

/// Texts that, like none at all, say that a value is missing.
#[derive(Debug)]
pub(crate) struct Missing(Vec<Vec<u8>>);

impl Missing {
    pub fn new(texts: &[String]) -> Self {
        Missing(texts.iter().map(|text| text.as_bytes().to_vec()).collect())
    }

    /// Whether no texts are listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `text` says that a value is missing.
    pub fn contains(&self, text: &[u8]) -> bool {
        // Most texts differ from a listed one in their first byte, which spares a call to compare them.
        let same = |listed: &Vec<u8>| listed.first() == text.first() && listed == text;
        text.is_empty() || self.0.iter().any(same)
    }
}

/// Appends the codes of one cell to `ids`; an error says what the cell should have held.
pub(crate) fn encode(
    cell: &[u8],
    list: Option<List>,
    coder: &Coder,
    missing: &impl Fn(&[u8]) -> bool,
    numbers: &mut impl Numbering,
    ids: &mut Ids,
) -> Result<(), &'static str> {
    let mut push = |value: &[u8], ids: &mut Ids| -> Result<(), &'static str> {
        let code = if missing(value) { coder.missing() } else { coder.code(value, numbers)? };
        ids.rows.push(code);
        Ok(())
    };
    let Some(list) = list else {
        push(cell, ids)?;
        ids.end_record();
        return Ok(());
    };
    if !missing(cell) {
        let separator = list.separator as u8;
        let (start, most) = match list.keep {
            None => (0, usize::MAX),
            Some(Keep::First(n)) => (0, n),
            Some(Keep::Last(n)) => {
                let separators = cell.iter().enumerate().rev().filter(|&(_, &b)| b == separator);
                (separators.map(|(at, _)| at + 1).nth(n - 1).unwrap_or(0), n)
            }
        };
        for value in cell[start..].split(|&b| b == separator).take(most) {
            let value = value.trim_ascii();
            if value.is_empty() {
                return Err("a value between any two separators");
            }
            push(value, ids)?;
        }
    }
    ids.end_record();
    Ok(())
}
