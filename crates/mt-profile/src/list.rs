//! Texts that hold several values, and what stands between these.

use std::collections::BTreeMap;

use crate::tally::{Lengths, Tally};

/// What is looked for, the surest first: what separates values is mostly no part of one.
const SEPARATORS: [u8; 7] = [b'\x02', b'|', b';', b'^', b'#', b',', b' '];
/// Values of a column that are looked at.
const LOOKED_AT: usize = 20_000;
/// So many cells of ten must hold several values.
const TENTH: u64 = 1;
/// Bytes of a value that is no sentence.
const LONGEST: usize = 40;

/// The texts of a column as lists.
pub(crate) struct Lists {
    pub separator: char,
    pub lengths: Lengths,
    /// The values in them, with their counts.
    pub values: Vec<(Vec<u8>, u64)>,
}

/// How the texts of a column are lists, if they are: every one splits into values that are there, they come again, and are
/// no words of a sentence and no digits of a number.
pub(crate) fn lists(tally: &Tally) -> Option<Lists> {
    SEPARATORS.into_iter().find_map(|separator| split(tally, separator))
}

fn split(tally: &Tally, separator: u8) -> Option<Lists> {
    let (mut lengths, mut several, mut values) = (Lengths::default(), 0, BTreeMap::new());
    let mut decimal = separator == b',';
    for (text, count) in tally.iter().take(LOOKED_AT) {
        let mut length = 0;
        for value in text.split(|&b| b == separator) {
            let trimmed = value.trim_ascii();
            let number = !trimmed.is_empty() && trimmed.iter().all(|b| b.is_ascii_digit());
            let sentence = match separator {
                b' ' => !number,
                // "Doe, Jane" is one value.
                b',' => length > 0 && value.first().is_some_and(u8::is_ascii_whitespace),
                _ => false,
            };
            if trimmed.is_empty() || trimmed.len() > LONGEST || sentence {
                return None;
            }
            *values.entry(trimmed).or_insert(0) += count;
            length += 1;
        }
        decimal &= is_decimal(text);
        several += if length > 1 { count } else { 0 };
        lengths.add(length, count);
    }
    let often = 10 * several >= TENTH * lengths.lists.max(1) && several > 0;
    // Where each value is there once or twice, there is nothing to learn of it, or it is a part of something.
    let again = values.len() as u64 * 2 <= lengths.values || values.len() <= 16;
    let separator = char::from(separator);
    let values = values.into_iter().map(|(value, count)| (value.to_vec(), count));
    (often && again && !decimal).then(|| Lists { separator, lengths, values: values.collect() })
}

/// Whether a text is a number whose decimals stand behind a comma, or a whole one.
fn is_decimal(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let parts: Vec<&[u8]> = text.split(|&b| b == b',').collect();
    parts.len() <= 2 && parts.iter().all(|part| part.iter().all(u8::is_ascii_digit))
}

/// Whether the numbers of a column have a comma where they should have a point.
pub(crate) fn decimal_commas(tally: &Tally) -> bool {
    !tally.values.is_empty() && tally.texts > 0 && tally.iter().all(|(text, _)| is_decimal(text))
}

/// Whether most texts of a column are lists in brackets, as a program prints them.
pub(crate) fn brackets(tally: &Tally) -> bool {
    let brackets = |text: &[u8]| {
        matches!((text.first(), text.last()), (Some(b'['), Some(b']')) | (Some(b'{'), Some(b'}')))
    };
    let count: u64 = tally.iter().filter(|(text, _)| brackets(text)).map(|(_, count)| count).sum();
    2 * count > tally.present()
}
