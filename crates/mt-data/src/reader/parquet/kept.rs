//! What is handed on of the rows of a stripe: as it is stored, or as texts.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_schema::{DataType, Field, FieldRef};
use mt_storage::Partition;

use super::column::Decoded;
use crate::reader::kept::{Kept, KeptCells};
use crate::reader::partition;
use crate::reader::records::Records;
use crate::reader::typed::Typed;

/// Where a column that is handed on comes from.
pub(super) enum Handed {
    /// The file, with what stands between the values of a list that becomes a text.
    Read(Option<u8>),
    /// A folder of the file, as a text.
    Text(Partition),
    /// The same as it would be stored.
    Stored(Partition),
}

/// A column of texts.
enum Text<'a> {
    Read(Typed, Option<u8>),
    Same(&'a Partition),
}

/// As what the value of a folder is stored.
pub(super) fn field(partition: &Partition) -> FieldRef {
    Arc::new(Field::new(&partition.key, DataType::Utf8, true))
}

/// Columns that are handed on; `read` are those of the file, in order.
pub(super) fn kept(read: Vec<Decoded>, columns: &[Handed], rows: usize) -> Kept {
    let (mut stored, mut texts): (Vec<ArrayRef>, Vec<Text<'_>>) = (Vec::new(), Vec::new());
    let mut read = read.into_iter();
    for column in columns {
        match column {
            Handed::Read(separator) => match read.next() {
                Some(Decoded::Stored(array)) => stored.push(array),
                Some(Decoded::Typed(typed)) => texts.push(Text::Read(typed, *separator)),
                None => {}
            },
            Handed::Text(partition) => texts.push(Text::Same(partition)),
            Handed::Stored(partition) => {
                let text = partition.text().map(String::from_utf8_lossy);
                stored.push(Arc::new(StringArray::from_iter(std::iter::repeat_n(text, rows))));
            }
        }
    }
    if texts.is_empty() {
        return Kept(KeptCells::Stored(stored));
    }
    let mut records = Records::empty(texts.len());
    for row in 0..rows {
        for column in &texts {
            records.push(|text| match column {
                Text::Read(typed, separator) => {
                    super::write(typed, row, *separator, text);
                }
                Text::Same(partition) => partition::value(partition).write(text),
            });
        }
    }
    Kept(KeptCells::Text(records))
}
