//! From values to rows, fitted and frozen.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::keys::{Growing, Numbering, key, seed};
use super::vocabulary::Vocabulary;
use super::{KNOWN, UNKNOWN};
use crate::error::{Error, Result};
use crate::missing::Missing;
use crate::number;
use crate::schema::Schema;
use crate::value::Value;

/// How one table's values become rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoder {
    /// Known values have rows of their own.
    Vocabulary(Vocabulary),
    /// Row `2 + h % n` for a hash of the value.
    Hash(u32),
    /// Row `2 +` the value, which is a whole number below `n`.
    Identity(u32),
    /// Row `2 +` the number of these edges, ascending, that are not above the value.
    Buckets(Vec<f64>),
    /// Rows belong to keys, as training gives them.
    Growing(Growing),
}

/// A table's name and its encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableEncoder {
    /// The table.
    pub name: String,
    /// From values to its rows.
    pub encoder: Encoder,
}

/// The encoders of all tables, in order of first mention; fitted on training rows only and stored with the model,
/// as [`Normalizer`](crate::Normalizer) is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Encoders {
    /// One a table.
    pub tables: Vec<TableEncoder>,
}

impl Encoder {
    /// Rows of the table, the first two included.
    pub fn rows(&self) -> usize {
        KNOWN as usize
            + match self {
                Encoder::Vocabulary(vocabulary) => vocabulary.len(),
                Encoder::Hash(n) | Encoder::Identity(n) => *n as usize,
                Encoder::Buckets(edges) => edges.len() + 1,
                Encoder::Growing(growing) => growing.capacity as usize,
            }
    }
}

impl Encoder {
    /// The rows here of what `other`'s rows `ids` stand for; `None` for a value that is not known here. No answer for
    /// encoders whose rows do not mean values that can be compared, or that only the tables themselves know. Hashes are compared by size, so their tables must
    /// have one name.
    pub fn rows_of(&self, other: &Encoder, ids: &[u32]) -> Option<Vec<Option<u32>>> {
        let same = |count: usize| ids.iter().map(|&id| ((id as usize) < count).then_some(id)).collect();
        match (self, other) {
            (Encoder::Vocabulary(here), Encoder::Vocabulary(there)) => {
                let values: Vec<&[u8]> = there.values().collect();
                let row = |&id: &u32| match id.checked_sub(KNOWN) {
                    None => Some(id),
                    Some(number) => {
                        Some(here.row(values.get(number as usize)?)).filter(|row| *row != UNKNOWN)
                    }
                };
                Some(ids.iter().map(row).collect())
            }
            (Encoder::Hash(here), Encoder::Hash(there)) if here == there => Some(same(self.rows())),
            (Encoder::Identity(_), Encoder::Identity(_)) => Some(same(self.rows())),
            (Encoder::Buckets(here), Encoder::Buckets(there)) if here == there => Some(same(self.rows())),
            _ => None,
        }
    }

    /// Whether rows follow from the table's name too.
    pub fn is_hash(&self) -> bool {
        matches!(self, Encoder::Hash(_))
    }
}

impl Encoders {
    /// The encoder of a table.
    pub fn encoder(&self, table: &str) -> Option<&Encoder> {
        self.tables.iter().find(|t| t.name == table).map(|t| &t.encoder)
    }

    /// Rows of a table.
    pub fn rows(&self, table: &str) -> Option<usize> {
        self.encoder(table).map(Encoder::rows)
    }

    /// Checks that every field of `schema` has its table, and that tables have a size that they can have.
    ///
    /// # Errors
    /// [`Error::NoEncoder`], [`Error::Entry`].
    pub fn check(&self, schema: &Schema) -> Result<()> {
        for TableEncoder { name, encoder } in &self.tables {
            let expected = match encoder {
                Encoder::Hash(0) => "at least 1 value",
                _ if u32::try_from(encoder.rows()).is_err() => "at most 4,294,967,295 rows",
                _ => continue,
            };
            let found = format!("{} rows", encoder.rows());
            return Err(Error::Entry { key: format!("the encoder of table {name:?}"), expected, found });
        }
        match schema.fields.iter().find(|field| self.encoder(&field.table).is_none()) {
            None => Ok(()),
            Some(field) => Err(Error::NoEncoder { field: field.name.clone(), table: field.table.clone() }),
        }
    }

    /// A hash of names, kinds and values: two sets of encoders with the same one give the same rows. The same on
    /// every machine and in every version of this crate.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Xxh3::new();
        // Lengths go before what they count, so that no two lists of texts run into one.
        let mut text = |text: &[u8]| {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        for TableEncoder { name, encoder } in &self.tables {
            text(name.as_bytes());
            match encoder {
                Encoder::Vocabulary(vocabulary) => {
                    text(b"vocabulary");
                    text(&(vocabulary.len() as u64).to_le_bytes());
                    vocabulary.values().for_each(&mut text);
                }
                Encoder::Hash(n) => [&b"hash"[..], &n.to_le_bytes()].into_iter().for_each(&mut text),
                Encoder::Identity(n) => [&b"identity"[..], &n.to_le_bytes()].into_iter().for_each(&mut text),
                Encoder::Buckets(edges) => {
                    text(b"buckets");
                    let edges: Vec<u8> = edges.iter().flat_map(|&edge| edge_bytes(edge)).collect();
                    text(&edges);
                }
                Encoder::Growing(Growing { capacity, admit, ttl }) => {
                    text(b"growing");
                    let settings = [u64::from(*capacity), u64::from(*admit), ttl.unwrap_or(0)];
                    settings.iter().for_each(|number| text(&number.to_le_bytes()));
                }
            }
        }
        hash.digest()
    }
}

/// What the reader does with a table's values: encodes them, or, before there is an encoder, only numbers them.
#[derive(Debug, Clone)]
pub enum Coder {
    /// Numbers values in order of appearance, to be fitted later.
    Intern,
    /// As [`Intern`](Self::Intern), of the bits of a number in double precision, to be cut into buckets later.
    Number,
    /// As [`Encoder::Vocabulary`].
    Vocabulary(Vocabulary),
    /// As [`Encoder::Hash`].
    Hash {
        /// Rows that values are hashed to.
        n: u32,
        /// The table's own.
        seed: u64,
    },
    /// As [`Encoder::Identity`].
    Identity(u32),
    /// As [`Encoder::Buckets`].
    Buckets(Vec<f64>),
    /// Numbers keys.
    Key {
        /// The table's own.
        seed: u64,
        /// Whether it is of a model that exists: each block of rows has a list of its own.
        fitted: bool,
    },
}

impl Coder {
    /// The coder of a table of `n` rows that values are hashed to.
    pub fn hash(table: &str, n: u32) -> Self {
        Coder::Hash { n, seed: seed(table) }
    }

    /// The coder of a table that grows.
    pub fn key(table: &str, fitted: bool) -> Self {
        Coder::Key { seed: seed(table), fitted }
    }

    /// Whether codes count in an interner, and go on doing so from block to block.
    pub fn numbers(&self) -> bool {
        matches!(self, Coder::Intern | Coder::Number | Coder::Key { fitted: false, .. })
    }

    /// Whether codes count in a list of keys that goes with them.
    pub fn lists_keys(&self) -> bool {
        matches!(self, Coder::Key { fitted: true, .. })
    }

    /// The coder of a table that has been fitted.
    pub fn frozen(table: &TableEncoder) -> Self {
        match &table.encoder {
            Encoder::Vocabulary(vocabulary) => Coder::Vocabulary(vocabulary.clone()),
            Encoder::Hash(n) => Coder::hash(&table.name, *n),
            Encoder::Identity(n) => Coder::Identity(*n),
            Encoder::Buckets(edges) => Coder::Buckets(edges.clone()),
            Encoder::Growing(_) => Coder::key(&table.name, true),
        }
    }

    /// The code of a value; an error says what the value should have been. `buffer` is for the text of a number.
    #[inline]
    pub fn code(
        &self,
        value: Value<'_>,
        numbers: &mut impl Numbering,
        buffer: &mut Vec<u8>,
    ) -> Result<u32, &'static str> {
        match self {
            Coder::Intern => Ok(KNOWN + numbers.number(value.text(buffer))),
            Coder::Key { seed, .. } => {
                let key = match value {
                    // As `key` has it, without its text.
                    Value::Unsigned(x) => x,
                    Value::Integer(x @ 0..) => x as u64,
                    value => key(value.text(buffer), *seed),
                };
                Ok(KNOWN + numbers.number(&key.to_le_bytes()))
            }
            // Of -0 what 0 has.
            Coder::Number => Ok(KNOWN + numbers.number(&(precise(value)? + 0.0).to_le_bytes())),
            Coder::Vocabulary(vocabulary) => Ok(vocabulary.row(value.text(buffer))),
            Coder::Hash { n, seed } => {
                let hash = xxh3_64_with_seed(value.text(buffer), *seed);
                Ok(KNOWN + (hash % u64::from(*n)) as u32)
            }
            Coder::Identity(n) => identity(value.text(buffer), *n).ok_or("a whole number from 0"),
            Coder::Buckets(edges) => precise(value).map(|x| bucket(edges, x)),
        }
    }
}

/// What stands for an edge of buckets in a fingerprint: in single precision where its text is the same, as edges once were.
fn edge_bytes(edge: f64) -> Vec<u8> {
    let single = edge as f32;
    match number::widen(single) == edge {
        true => single.to_bits().to_le_bytes().to_vec(),
        false => edge.to_bits().to_le_bytes().to_vec(),
    }
}

/// A number to be put into a bucket.
fn precise(value: Value<'_>) -> Result<f64, &'static str> {
    value.precise(&Missing::none()).ok().filter(|x| x.is_finite()).ok_or("a number")
}

/// The row of a value below or above `n`, `None` for what is no whole number.
fn identity(value: &[u8], n: u32) -> Option<u32> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: Option<u32> = std::str::from_utf8(value).ok()?.parse().ok();
    Some(number.filter(|&number| number < n).map_or(UNKNOWN, |number| KNOWN + number))
}

pub(super) fn bucket(edges: &[f64], x: f64) -> u32 {
    KNOWN + edges.partition_point(|&edge| edge <= x) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Interner;

    #[test]
    fn values_get_the_rows_their_encoding_promises() {
        let code =
            |coder: &Coder, value: &str| coder.code(value.into(), &mut Interner::default(), &mut Vec::new());
        let vocabulary = Coder::Vocabulary(["b", "a"].into_iter().collect());
        assert_eq!(["a", "b", "c"].map(|v| code(&vocabulary, v)), [Ok(3), Ok(2), Ok(UNKNOWN)]);
        let identity = Coder::Identity(10);
        assert_eq!(
            ["0", "9", "10", "18446744073709551616"].map(|v| code(&identity, v)),
            [Ok(2), Ok(11), Ok(0), Ok(0)]
        );
        assert_eq!(code(&identity, "-1"), Err("a whole number from 0"));
        let buckets = Coder::Buckets(vec![1.0, 2.5]);
        assert_eq!(["-7", "1", "2.4", "1e9"].map(|v| code(&buckets, v)), [Ok(2), Ok(3), Ok(3), Ok(4)]);
        assert_eq!(code(&buckets, "x"), Err("a number"));
    }

    #[test]
    fn a_hash_depends_on_the_table_and_never_changes() {
        let code = |table: &str, value: &str| {
            Coder::hash(table, 1000).code(value.into(), &mut Interner::default(), &mut Vec::new())
        };
        // Ours, computed once: a model that is stored relies on them.
        let user =
            ["7", "16777217", "9007199254740993", "18446744073709551615"].map(|v| code("user", v).unwrap());
        assert_eq!(user, [358, 943, 598, 102]);
        assert_ne!(code("user", "7"), code("video", "7"));
    }

    #[test]
    fn rows_of_a_grown_vocabulary_are_found_by_their_values() {
        let vocabulary = |values: &[&str]| Encoder::Vocabulary(values.iter().collect());
        let (old, new) = (vocabulary(&["a", "b", "c"]), vocabulary(&["c", "x", "a"]));
        let expected = vec![Some(0), Some(1), Some(4), None, Some(2)];
        assert_eq!(new.rows_of(&old, &[0, 1, 2, 3, 4]), Some(expected));
        assert_eq!(Encoder::Identity(2).rows_of(&Encoder::Identity(9), &[3, 4]), Some(vec![Some(3), None]));
        assert_eq!(Encoder::Hash(4).rows_of(&Encoder::Hash(4), &[5]), Some(vec![Some(5)]));
        assert_eq!(Encoder::Hash(4).rows_of(&Encoder::Hash(5), &[5]), None);
        assert_eq!(new.rows_of(&Encoder::Identity(9), &[2]), None);
    }

    #[test]
    fn the_fingerprint_tells_different_encoders_apart() {
        let of = |name: &str, encoder: Encoder| {
            Encoders { tables: vec![TableEncoder { name: name.to_owned(), encoder }] }.fingerprint()
        };
        let vocabulary = |values: &[&str]| Encoder::Vocabulary(values.iter().collect());
        let different = [
            of("a", vocabulary(&["x", "y"])),
            of("a", vocabulary(&["y", "x"])),
            of("a", vocabulary(&["xy"])),
            of("b", vocabulary(&["x", "y"])),
            of("a", Encoder::Hash(2)),
            of("a", Encoder::Identity(2)),
            of("a", Encoder::Buckets(vec![2.0])),
            of("a", Encoder::Growing(Growing { capacity: 2, admit: 1, ttl: None })),
            of("a", Encoder::Growing(Growing { capacity: 2, admit: 1, ttl: Some(2) })),
            Encoders::default().fingerprint(),
        ];
        for (i, one) in different.iter().enumerate() {
            assert!(!different[..i].contains(one), "{i}");
        }
        assert_eq!(different[0], of("a", vocabulary(&["x", "y"])));
    }
}
