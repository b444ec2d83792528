//! `data.fields`: which columns are looked up in embedding tables, as written.

use serde::{Deserialize, Serialize};

use super::Encoding;
use super::attention::{self, Seen};
use super::pooling::Pooling;
use crate::column::ColumnRef;
use crate::error::{Error, Result};

/// A categorical or multi-valued column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldConfig {
    /// Its column, which is then no numeric feature. Exactly one of `column` and `value` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<ColumnRef>,
    /// Unique name. Default: the column's, with `_` for what cannot be part of a parameter name; with `value` there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An expression in place of a column: what is encoded is the text of its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its embedding table; fields of one table share rows and encoding. Default: the field's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// How values become rows. Default `vocabulary`; of the fields that share a table, one is enough to say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<Encoding>,
    /// One character between the values of a cell that holds several. Default: a cell holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// How several rows become one. Default `mean`; only with `separator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Only so many values at the end of the cell count. Only with `separator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<usize>,
    /// Only so many values at the start of the cell count. Only with `separator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<usize>,
}

impl FieldConfig {
    /// One value a cell, everything else at its default.
    pub fn new(column: ColumnRef) -> Self {
        FieldConfig {
            column: Some(column),
            name: None,
            value: None,
            table: None,
            encode: None,
            separator: None,
            pooling: None,
            last: None,
            first: None,
        }
    }

    /// The value of an expression over columns, everything else at its default.
    pub fn computed(name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (Some(name.into()), Some(value.into()));
        FieldConfig { column: None, name, value, ..Self::new(ColumnRef::Index(0)) }
    }

    /// Checks what needs no file.
    pub fn check(&self, index: usize) -> Result<()> {
        let refuse = |part: &str, expected: &'static str, found: String| {
            Err(Error::Entry { key: format!("data.fields[{index}].{part}"), expected, found })
        };
        match (&self.column, &self.value, &self.name) {
            (Some(_), None, _) | (None, Some(_), Some(_)) => {}
            (None, Some(_), None) => return refuse("name", "a name, as there is `value`", "none".to_owned()),
            (Some(_), Some(value), _) => {
                return refuse("value", "nothing, as there is `column`", format!("{value:?}"));
            }
            (None, None, _) => {
                return refuse("column", "a column, or an expression in `value`", "none".to_owned());
            }
        }
        match self.separator {
            Some(c) if !separates(c) => return refuse("separator", SEPARATOR, format!("{c:?}")),
            Some(_) => {}
            None => {
                let written = [
                    ("pooling", self.pooling.as_ref().map(Pooling::to_string)),
                    ("last", self.last.map(|n| n.to_string())),
                    ("first", self.first.map(|n| n.to_string())),
                ];
                for (part, found) in written {
                    if let Some(found) = found {
                        return refuse(part, "nothing, as there is no `separator`", found);
                    }
                }
            }
        }
        if let (Some(last), Some(_)) = (self.last, self.first) {
            return refuse("last", "nothing, as there is `first`", last.to_string());
        }
        for (part, n) in [("last", self.last), ("first", self.first)] {
            if n == Some(0) {
                return refuse(part, "at least 1", "0".to_owned());
            }
        }
        if let Some((part, expected, found)) = self.encode.and_then(Encoding::problem) {
            return refuse(&format!("encode.{part}"), expected, found.to_string());
        }
        Ok(())
    }
}

/// What a separator is.
pub const SEPARATOR: &str = "one ASCII character that is no letter, digit or quote and ends no line";

/// Whether a character can stand between two values of a cell.
pub fn separates(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '"' | '\n' | '\r')
}

/// A field's name where none is written: its column's, less what has a meaning in parameter names.
pub fn default_name(column: &str) -> String {
    column.chars().map(|c| if reserved(c) { '_' } else { c }).collect()
}

fn reserved(c: char) -> bool {
    c == '.' || c == '/' || c.is_whitespace() || c.is_control()
}

/// The tables of the fields in order of first mention, each with its encoding. `names` are the fields' names.
pub fn tables(fields: &[FieldConfig], names: &[String]) -> Result<Vec<(String, Encoding)>> {
    let mut tables: Vec<(String, Option<Encoding>)> = Vec::new();
    for (i, (field, name)) in fields.iter().zip(names).enumerate() {
        let table = field.table.as_ref().unwrap_or(name);
        for (part, text) in [("name", name), ("table", table)] {
            if text.is_empty() || text.contains(reserved) {
                let (key, found) = (format!("data.fields[{i}].{part}"), format!("{text:?}"));
                return Err(Error::Entry { key, expected: "a name without dots, slashes and blanks", found });
            }
        }
        if names[..i].contains(name) {
            let (key, found) = (format!("data.fields[{i}].name"), format!("{name:?} again"));
            return Err(Error::Entry { key, expected: "another name for each field", found });
        }
        match tables.iter_mut().find(|(other, _)| other == table) {
            None => tables.push((table.clone(), field.encode)),
            Some((_, encode)) => match (*encode, field.encode) {
                (Some(a), Some(b)) if a != b => {
                    return Err(Error::TableEncodings {
                        key: format!("data.fields[{i}].encode"),
                        table: table.clone(),
                    });
                }
                (a, b) => *encode = a.or(b),
            },
        }
    }
    Ok(tables.into_iter().map(|(name, encode)| (name, encode.unwrap_or_default())).collect())
}

/// Checks what attention names; `names` are the fields' names.
pub fn check_attention(fields: &[FieldConfig], names: &[String]) -> Result<()> {
    let seen = fields.iter().zip(names).map(|(field, name)| Seen {
        name,
        list: field.separator.is_some(),
        most: field.last.or(field.first),
        pooling: field.pooling.as_ref().map_or("", Pooling::name),
        attention: field.pooling.as_ref().and_then(Pooling::attention),
    });
    let seen: Vec<Seen> = seen.collect();
    attention::check(&seen, |i, part| format!("data.fields[{i}].{part}"))
}

/// The separator that all of `separators` are.
pub fn agreed(mut separators: impl Iterator<Item = Option<char>>) -> Option<char> {
    let first = separators.next()?;
    first.filter(|_| separators.all(|separator| separator == first))
}

/// The separator that all of `fields` that read this column have.
pub fn separator_of(fields: &[FieldConfig], column: &str) -> Option<char> {
    let column = Some(ColumnRef::Name(column.to_owned()));
    agreed(fields.iter().filter(|field| field.column == column).map(|field| field.separator))
}
