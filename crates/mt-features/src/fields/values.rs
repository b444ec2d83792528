//! From the value of a field to codes: the same for the cells of files and for what callers hand over.

use super::{Coder, Ids, MISSING, Numbering};
use crate::missing::Missing;
use crate::schema::{Keep, List};
use crate::value::Value;

/// How the values of one field are encoded.
#[derive(Debug)]
pub struct FieldCoder<'a> {
    /// That of its table.
    pub coder: &'a Coder,
    /// Set where a value may be a list.
    pub list: Option<&'a List>,
    /// What says that a value is missing.
    pub missing: &'a Missing,
    /// What has been made of whole numbers in lists.
    pub memo: Memo,
}

/// Whole numbers and their codes, each in the slot of its hash: in lists the same ones come again and again, and nothing of
/// their text is needed then. For as long as codes count in the same list of values.
#[derive(Debug, Default)]
pub struct Memo(Vec<(u64, Option<u32>)>);

impl Memo {
    /// With their codes the numbers fit the second-level cache.
    const BITS: u32 = 14;

    /// One that remembers; the default does not.
    pub fn new() -> Self {
        Memo(vec![(0, None); 1 << Self::BITS])
    }

    #[inline]
    fn slot(&mut self, value: Value<'_>) -> Option<(u64, &mut (u64, Option<u32>))> {
        let key = match value {
            Value::Integer(x) => x as u64,
            Value::Unsigned(x) => x,
            _ => return None,
        };
        let slot = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - Self::BITS);
        Some((key, self.0.get_mut(slot as usize)?))
    }
}

impl FieldCoder<'_> {
    /// Appends the codes of one record's value to `ids`; an error says what the value should have been. `buffer` is for
    /// the texts of numbers.
    #[inline]
    pub fn encode(
        &mut self,
        value: Value<'_>,
        numbers: &mut impl Numbering,
        buffer: &mut Vec<u8>,
        ids: &mut Ids,
    ) -> Result<(), &'static str> {
        match (value, self.list) {
            (Value::List(_), None) => return Err("one value"),
            (value, None) => ids.rows.push(self.code(value, numbers, buffer)?),
            (Value::List(values), Some(list)) => {
                let kept = match list.keep {
                    None => values,
                    Some(Keep::First(n)) => &values[..n.min(values.len())],
                    Some(Keep::Last(n)) => &values[values.len().saturating_sub(n)..],
                };
                for &value in kept {
                    match value.trimmed() {
                        Value::Text([]) => return Err("no empty text in a list"),
                        Value::List(_) => return Err("no list in a list"),
                        value => ids.rows.push(self.code_in_list(value, numbers, buffer)?),
                    }
                }
            }
            (value, Some(list)) if value.is_missing(self.missing) => {
                // Of lists in parallel each place counts, so a text that says so is one value that is missing.
                let none = matches!(value.trimmed(), Value::Missing | Value::Text([]));
                ids.rows.extend((!none && list.pooling.attention().is_some()).then_some(MISSING));
            }
            (Value::Text(text), Some(list)) => self.split(text, list, numbers, buffer, ids)?,
            (value, Some(_)) => ids.rows.push(self.code(value, numbers, buffer)?),
        }
        ids.end_record();
        Ok(())
    }

    /// Appends the codes of the values in a cell's text.
    fn split(
        &self,
        cell: &[u8],
        list: &List,
        numbers: &mut impl Numbering,
        buffer: &mut Vec<u8>,
        ids: &mut Ids,
    ) -> Result<(), &'static str> {
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
            ids.rows.push(self.code(Value::Text(value), numbers, buffer)?);
        }
        Ok(())
    }

    #[inline]
    fn code_in_list(
        &mut self,
        value: Value<'_>,
        numbers: &mut impl Numbering,
        buffer: &mut Vec<u8>,
    ) -> Result<u32, &'static str> {
        if let Some((key, &mut (known, Some(code)))) = self.memo.slot(value)
            && known == key
        {
            return Ok(code);
        }
        let code = self.code(value, numbers, buffer)?;
        if let Some((key, slot)) = self.memo.slot(value) {
            *slot = (key, Some(code));
        }
        Ok(code)
    }

    /// The code of one value.
    #[inline]
    fn code(
        &self,
        value: Value<'_>,
        numbers: &mut impl Numbering,
        buffer: &mut Vec<u8>,
    ) -> Result<u32, &'static str> {
        match value.is_missing(self.missing) {
            true => Ok(MISSING),
            false => self.coder.code(value, numbers, buffer),
        }
    }
}
