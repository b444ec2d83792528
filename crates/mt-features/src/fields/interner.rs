//! Numbers for texts, in order of first appearance.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::KNOWN;

/// Texts one after the other in one piece of memory, each found by its content: a text costs its bytes and about
/// 14 more, where a map of strings would take 60.
#[derive(Debug, Clone, Default)]
pub struct Interner {
    bytes: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
    numbers: HashTable<u32>,
}

impl Interner {
    /// Texts so far.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all texts.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The text of this number.
    pub fn text(&self, number: u32) -> &[u8] {
        text(&self.bytes, &self.ends, number)
    }

    /// The number of a text that is there.
    pub fn get(&self, wanted: &[u8]) -> Option<u32> {
        let found = |&number: &u32| self.text(number) == wanted;
        self.numbers.find(xxh3_64(wanted), found).copied()
    }

    /// The number of a text, which is added where it is new.
    pub fn intern(&mut self, wanted: &[u8]) -> u32 {
        let Interner { bytes, ends, numbers } = self;
        let found = |&number: &u32| text(bytes, ends, number) == wanted;
        let again = |&number: &u32| xxh3_64(text(bytes, ends, number));
        match numbers.entry(xxh3_64(wanted), found, again) {
            hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let number = ends.len() as u32;
                entry.insert(number);
                bytes.extend_from_slice(wanted);
                ends.push(bytes.len());
                number
            }
        }
    }

    /// Puts this interner's numbers in the place of those of `values` in `codes`, where `KNOWN` is added to both and
    /// smaller codes stand for no text.
    pub fn renumber(&mut self, values: &Interner, codes: &mut [u32]) {
        let numbers: Vec<u32> = values.iter().map(|value| self.intern(value)).collect();
        let known = codes.iter_mut().filter(|code| **code >= KNOWN);
        known.for_each(|code| *code = KNOWN + numbers[(*code - KNOWN) as usize]);
    }

    /// The texts in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len() as u32).map(|number| self.text(number))
    }
}

fn text<'a>(bytes: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let number = number as usize;
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[start..ends[number]]
}

impl PartialEq for Interner {
    fn eq(&self, other: &Self) -> bool {
        self.ends == other.ends && self.bytes == other.bytes
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Interner {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut interner = Interner::default();
        texts.into_iter().for_each(|text| {
            interner.intern(text.as_ref());
        });
        interner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbered_in_order_of_appearance() {
        let mut interner = Interner::default();
        let numbers: Vec<u32> =
            ["b", "", "a", "b", "\u{fffd}", "a"].map(|t| interner.intern(t.as_bytes())).to_vec();
        assert_eq!(numbers, [0, 1, 2, 0, 3, 2]);
        for i in 0..10_000u32 {
            interner.intern(&i.to_le_bytes());
        }
        assert_eq!(interner.len(), 10_004);
        assert_eq!((interner.get(b"a"), interner.get(b"x"), interner.text(1)), (Some(2), None, &b""[..]));
    }
}
