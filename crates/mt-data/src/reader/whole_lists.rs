//! Lists of whole numbers, of which the same ones come again and again: what was made of a number is remembered, without its
//! text.

use std::ops::Range;

use super::typed::{Lists, Typed};
use crate::fields::{FieldCoder, Ids, Numbering};
use crate::schema::Keep;
use crate::value::Value;

/// Numbers remembered, a power of two; with their codes they fit the second-level cache.
const SLOTS: usize = 1 << 14;

/// Numbers and their codes, each in the slot of its hash.
pub(super) struct Known {
    slots: Vec<(u64, Option<u32>)>,
}

impl Known {
    pub fn new() -> Self {
        Known { slots: vec![(0, None); SLOTS] }
    }

    /// Appends the codes of a row's list to `ids`; an error says what a number should have been, and is what it is.
    pub fn encode<'a>(
        &mut self,
        (lists, values): (&Lists, &'a Typed),
        row: usize,
        encoder: &FieldCoder<'_>,
        numbers: &mut impl Numbering,
        buffer: &mut Vec<u8>,
        ids: &mut Ids,
    ) -> Result<(), (&'static str, Value<'a>)> {
        let keep = encoder.list.and_then(|list| list.keep);
        for i in kept(lists.range(row).unwrap_or_default(), keep) {
            let value = values.value(i);
            let key = match value {
                Value::Integer(x) => x as u64,
                Value::Unsigned(x) => x,
                value => {
                    ids.rows
                        .push(encoder.code(value, numbers, buffer).map_err(|expected| (expected, value))?);
                    continue;
                }
            };
            let slot = &mut self.slots[(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50) as usize];
            let code = match *slot {
                (known, Some(code)) if known == key => code,
                _ => {
                    let code = encoder.code(value, numbers, buffer).map_err(|expected| (expected, value))?;
                    *slot = (key, Some(code));
                    code
                }
            };
            ids.rows.push(code);
        }
        ids.end_record();
        Ok(())
    }
}

/// The part of a list that counts.
fn kept(all: Range<usize>, keep: Option<Keep>) -> Range<usize> {
    match keep {
        None => all,
        Some(Keep::First(n)) => all.start..all.end.min(all.start.saturating_add(n)),
        Some(Keep::Last(n)) => all.start.max(all.end.saturating_sub(n))..all.end,
    }
}
