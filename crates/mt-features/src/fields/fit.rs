//! Fitting encoders on training rows, whose fields hold codes in order of appearance until then.

use super::encoder::bucket;
use super::{
    Coder, Encoder, Encoders, Encoding, Interner, KNOWN, MISSING, TableEncoder, UNKNOWN, Vocabulary,
};
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::table::Table;

/// The coders of tables that have not been fitted yet.
pub fn coders(tables: &[(String, Encoding)]) -> Vec<Coder> {
    let coder = |(name, encoding): &(String, Encoding)| match *encoding {
        Encoding::Vocabulary { .. } => Coder::Intern,
        Encoding::Hash(n) => Coder::hash(name, n),
        Encoding::Identity(n) => Coder::Identity(n),
        Encoding::Buckets(_) => Coder::Number,
        Encoding::Growing(_) => Coder::key(name, false),
    };
    tables.iter().map(coder).collect()
}

/// From codes to rows of the fitted tables, one a field.
pub struct Recoding(Vec<FieldRecoding>);

#[derive(Clone)]
enum FieldRecoding {
    /// Codes are rows already.
    Same,
    /// The row of each code.
    Rows(std::sync::Arc<Vec<u32>>),
    /// Edges of the buckets of numbers.
    Buckets(Vec<f32>),
    /// The keys that codes count in.
    Keys(std::sync::Arc<Vec<u64>>),
}

/// Fits the encoders of `tables` on `train`; `interned` holds the values of each table by their codes. Edges of buckets that
/// are `known` stay as they are.
pub fn fit(
    tables: &[(String, Encoding)],
    interned: Vec<Interner>,
    schema: &Schema,
    train: &Table,
    known: Option<&Encoders>,
) -> (Encoders, Recoding) {
    let mut encoders = Encoders::default();
    let mut recodings = vec![FieldRecoding::Same; schema.fields.len()];
    for ((name, encoding), values) in tables.iter().zip(interned) {
        let of_table = |field: &usize| schema.fields[*field].table == *name;
        let fields: Vec<usize> = (0..schema.fields.len()).filter(of_table).collect();
        let codes = || fields.iter().flat_map(|&field| train.fields()[field].rows.iter().copied());
        let (encoder, recoding) = match *encoding {
            Encoding::Hash(n) => (Encoder::Hash(n), FieldRecoding::Same),
            Encoding::Identity(n) => (Encoder::Identity(n), FieldRecoding::Same),
            Encoding::Vocabulary { min_count } => {
                let (vocabulary, rows) = vocabulary(&values, codes(), min_count);
                (Encoder::Vocabulary(vocabulary), FieldRecoding::Rows(std::sync::Arc::new(rows)))
            }
            Encoding::Buckets(n) => {
                let kept = match known.and_then(|known| known.encoder(name)) {
                    Some(Encoder::Buckets(edges)) if edges.len() < n as usize => Some(edges.clone()),
                    _ => None,
                };
                let edges = kept.unwrap_or_else(|| edges(codes().map(f32::from_bits), n));
                (Encoder::Buckets(edges.clone()), FieldRecoding::Buckets(edges))
            }
            Encoding::Growing(growing) => {
                (Encoder::Growing(growing), FieldRecoding::Keys(std::sync::Arc::new(values.keys())))
            }
        };
        fields.iter().for_each(|&field| recodings[field] = recoding.clone());
        encoders.tables.push(TableEncoder { name: name.clone(), encoder });
    }
    (encoders, Recoding(recodings))
}

/// From the codes of `tables`, in which `interned` holds the values, to rows of `encoders` that are fitted already.
///
/// # Errors
/// [`Error::NoEncoder`] where a table has none of its kind.
pub fn recoding(
    tables: &[(String, Encoding)],
    interned: Vec<Interner>,
    schema: &Schema,
    encoders: &Encoders,
) -> Result<Recoding> {
    let mut recodings = vec![FieldRecoding::Same; schema.fields.len()];
    for ((name, encoding), values) in tables.iter().zip(interned) {
        let fields = || schema.fields.iter().enumerate().filter(|(_, field)| field.table == *name);
        let recoding = match (*encoding, encoders.encoder(name)) {
            (Encoding::Hash(a), Some(Encoder::Hash(b))) if a == *b => FieldRecoding::Same,
            (Encoding::Identity(a), Some(Encoder::Identity(b))) if a == *b => FieldRecoding::Same,
            (Encoding::Vocabulary { .. }, Some(Encoder::Vocabulary(known))) => {
                let rows = values.iter().map(|value| known.row(value));
                FieldRecoding::Rows(std::sync::Arc::new([UNKNOWN, MISSING].into_iter().chain(rows).collect()))
            }
            (Encoding::Buckets(_), Some(Encoder::Buckets(edges))) => FieldRecoding::Buckets(edges.clone()),
            (Encoding::Growing(_), Some(Encoder::Growing(_))) => {
                FieldRecoding::Keys(std::sync::Arc::new(values.keys()))
            }
            _ => {
                let field = fields().next().map(|(_, field)| field.name.clone()).unwrap_or_default();
                return Err(Error::NoEncoder { field, table: name.clone() });
            }
        };
        fields().for_each(|(field, _)| recodings[field] = recoding.clone());
    }
    Ok(Recoding(recodings))
}

impl Recoding {
    /// Puts rows in the place of codes.
    pub fn apply(&self, table: &mut Table) {
        for (ids, recoding) in table.fields_mut().iter_mut().zip(&self.0) {
            match recoding {
                FieldRecoding::Same => {}
                FieldRecoding::Rows(rows) => {
                    ids.rows.iter_mut().for_each(|code| *code = rows[*code as usize])
                }
                FieldRecoding::Keys(keys) => ids.keys = Some(keys.clone()),
                FieldRecoding::Buckets(edges) => ids.rows.iter_mut().for_each(|code| {
                    let x = f32::from_bits(*code);
                    *code = if x.is_nan() { MISSING } else { bucket(edges, x) };
                }),
            }
        }
    }
}

/// The values that occur often enough, and the row of each code.
fn vocabulary(values: &Interner, codes: impl Iterator<Item = u32>, min_count: u64) -> (Vocabulary, Vec<u32>) {
    let mut counts = vec![0u64; KNOWN as usize + values.len()];
    codes.for_each(|code| counts[code as usize] += 1);
    // A value may have come from rows that are not for training, or from a side table: count 0.
    let often = |&code: &u32| counts[code as usize] >= min_count.max(1);
    let mut known: Vec<u32> = (KNOWN..counts.len() as u32).filter(often).collect();
    let text = |code: u32| values.text(code - KNOWN);
    known.sort_unstable_by(|&a, &b| {
        counts[b as usize].cmp(&counts[a as usize]).then_with(|| text(a).cmp(text(b)))
    });
    let mut rows = vec![UNKNOWN; counts.len()];
    rows[MISSING as usize] = MISSING;
    (KNOWN..).zip(&known).for_each(|(row, &code)| rows[code as usize] = row);
    (known.iter().map(|&code| text(code)).collect(), rows)
}

/// Where up to `n` buckets end: a value that fills a bucket alone has one of its own, the others share the rest so that
/// each holds about equally many. Amounts are zero most of the time, and plain quantiles would leave one bucket for all
/// of the rest.
fn edges(values: impl Iterator<Item = f32>, n: u32) -> Vec<f32> {
    let mut sorted: Vec<f32> = values.filter(|x| !x.is_nan()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    // -0 and 0 are one value.
    let runs: Vec<(f32, usize)> = sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    let n = n as usize;
    if runs.len() <= n {
        return runs.iter().skip(1).map(|&(value, _)| value).collect();
    }
    let heavy = |count: usize| count * n >= sorted.len();
    let (alone, taken) =
        runs.iter().filter(|(_, count)| heavy(*count)).fold((0, 0), |(a, t), (_, c)| (a + 1, t + c));
    let target = (sorted.len() - taken).div_ceil((n - alone).max(1));
    let (mut edges, mut filled, mut after_heavy) = (Vec::new(), 0, false);
    for (i, &(value, count)) in runs.iter().enumerate() {
        let new = heavy(count) || after_heavy || filled >= target;
        if i > 0 && new && edges.len() + 1 < n {
            edges.push(value);
            filled = 0;
        }
        (filled, after_heavy) = (filled + count, heavy(count));
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_equally_many_values_where_values_differ() {
        assert_eq!(edges((0..100).map(|i| i as f32), 4), [25.0, 50.0, 75.0]);
        assert_eq!(edges([0.0; 10].into_iter(), 4), [0.0; 0]);
        assert_eq!(edges([0.0, 0.0, 0.0, 1.0, f32::NAN].into_iter(), 4), [1.0]);
        assert_eq!(edges(std::iter::empty(), 4), [0.0; 0]);
        // Nine tenths are zero: the other hundred values have the other four buckets.
        let amounts = (0..1000).map(|i| if i < 900 { 0.0 } else { i as f32 });
        assert_eq!(edges(amounts, 5), [900.0, 925.0, 950.0, 975.0]);
    }

    #[test]
    fn rows_go_by_falling_count_then_by_bytes() {
        let values: Interner = ["once", "b", "a", "often", "never"].into_iter().collect();
        let codes = [2, 3, 3, 4, 4, 5, 5, 5, 1];
        let (known, rows) = vocabulary(&values, codes.into_iter(), 2);
        assert_eq!(known.values().collect::<Vec<_>>(), [b"often", &b"a"[..], b"b"]);
        assert_eq!(rows, [0, 1, 0, 4, 3, 2, 0]);
    }
}
