//! Keys of tables that grow: 64 bits a value, whatever its length.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::interner::Interner;
use super::{Ids, KNOWN};

/// How a table takes in values that it has not seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growing {
    /// Most values that have a row at a time, 1 to 2³¹ - 2. Where there is no room for one, those not seen for longest
    /// give theirs back.
    pub capacity: u32,
    /// Sightings in training until a value gets a row. Default 1.
    #[serde(default = "one")]
    pub admit: u32,
    /// At the end of an epoch, values not seen for so many steps are forgotten. Default: only when rows are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

fn one() -> u32 {
    1
}

impl Growing {
    /// What is wrong with a number: its key, what would be right, and what is there.
    pub(super) fn problem(self) -> Option<(&'static str, &'static str, u64)> {
        let ttl = self.ttl.unwrap_or(1);
        [
            ("growing.capacity", "1 to 2147483646", u64::from(self.capacity), (1 << 31) - 2),
            ("growing.admit", "at least 1", self.admit.into(), u64::MAX),
            ("growing.ttl", "at least 1", ttl, u64::MAX),
        ]
        .into_iter()
        .find(|(_, _, found, most)| !(1..=*most).contains(found))
        .map(|(key, expected, found, _)| (key, expected, found))
    }
}

/// The seed of a table's hashes.
pub(super) fn seed(table: &str) -> u64 {
    // Two tables of one size must not share their collisions.
    xxh3_64(table.as_bytes())
}

/// The key of a value: itself if it is a whole number of 64 bits as one writes it, else the hash of its bytes. The same on
/// every machine and in every version. Of 10 million texts, two share a key with a chance of 1 in 400,000.
pub(super) fn key(value: &[u8], seed: u64) -> u64 {
    let number = match value {
        [b'0'] => Some(0),
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok())
        }
        _ => None,
    };
    number.unwrap_or_else(|| xxh3_64_with_seed(value, seed))
}

/// Where values get their numbers.
pub trait Numbering {
    /// The number of a value.
    fn number(&mut self, value: &[u8]) -> u32;
}

impl Numbering for Interner {
    fn number(&mut self, value: &[u8]) -> u32 {
        self.intern(value)
    }
}

/// A list of keys, each added without looking whether it is there: for a few rows, that is quicker.
impl Numbering for Vec<u64> {
    fn number(&mut self, value: &[u8]) -> u32 {
        self.extend(value.as_array().map(|key| u64::from_le_bytes(*key)));
        (self.len() as u32).saturating_sub(1)
    }
}

impl Interner {
    /// The keys that are numbered here.
    pub fn keys(&self) -> Vec<u64> {
        self.iter().filter_map(|key| key.as_array().map(|key| u64::from_le_bytes(*key))).collect()
    }
}

impl Ids {
    /// Puts the keys of `other` behind these, and gives its rows as they count there.
    pub(super) fn join_keys(&mut self, other: &Ids) -> Vec<u32> {
        match (&mut self.keys, &other.keys) {
            (Some(to), Some(from)) if !std::sync::Arc::ptr_eq(to, from) => {
                let base = to.len() as u32;
                std::sync::Arc::make_mut(to).extend_from_slice(from);
                other.rows.iter().map(|&row| if row < KNOWN { row } else { row + base }).collect()
            }
            (to, from) => {
                if to.is_none() {
                    *to = from.clone();
                }
                other.rows.clone()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_their_own_keys_and_texts_are_hashed() {
        let key = |value: &str| key(value.as_bytes(), seed("user"));
        for number in [0, 7, (1 << 24) + 1, (1 << 53) + 1, u64::MAX] {
            assert_eq!(key(&number.to_string()), number);
        }
        // Ours, computed once: a model that is stored relies on them.
        assert_eq!(key("ann"), 6_798_141_962_548_268_224);
        let different = ["007", "7.0", "-7", "18446744073709551616", "", "7"].map(key);
        assert!(different.iter().enumerate().all(|(i, one)| !different[..i].contains(one)), "{different:?}");
    }
}
