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
    /// The keys that codes count in.
    Keys(std::sync::Arc<Vec<u64>>),
}

/// How often each code of each table is in the rows to train on.
#[derive(Debug)]
pub struct Counts(Vec<TableCounts>);

#[derive(Debug)]
struct TableCounts {
    fields: Vec<usize>,
    counts: Vec<u64>,
}

impl Counts {
    /// Nothing yet, of `tables`.
    pub fn new(tables: &[(String, Encoding)], schema: &Schema) -> Self {
        let of = |(name, _): &(String, Encoding)| TableCounts {
            fields: (0..schema.fields.len()).filter(|&field| schema.fields[field].table == *name).collect(),
            counts: Vec::new(),
        };
        Self(tables.iter().map(of).collect())
    }

    /// Counts the codes of more rows.
    pub fn add(&mut self, rows: &Table) {
        for TableCounts { fields, counts } in &mut self.0 {
            for &code in fields.iter().flat_map(|&field| &rows.fields()[field].rows) {
                if counts.len() <= code as usize {
                    counts.resize(code as usize + 1, 0);
                }
                counts[code as usize] += 1;
            }
        }
    }
}

/// Of `tables`, those that are fitted by how often their values occur. Codes of others are no numbers of values, and may be large.
pub fn fitted(tables: &[(String, Encoding)]) -> Vec<(String, Encoding)> {
    let counted =
        |encoding: &Encoding| matches!(encoding, Encoding::Vocabulary { .. } | Encoding::Buckets(_));
    tables.iter().filter(|(_, encoding)| counted(encoding)).cloned().collect()
}

/// Fits the encoders of `tables` on rows of which the codes of the tables that are [`fitted`] were counted; `interned` holds the values of
/// each table by their codes. Edges of buckets that are `known` stay as they are.
pub fn fit(
    tables: &[(String, Encoding)],
    interned: Vec<Interner>,
    schema: &Schema,
    counts: Counts,
    known: Option<&Encoders>,
) -> (Encoders, Recoding) {
    let mut counts = counts.0.into_iter().map(|table| table.counts);
    let mut counts = move || counts.next().unwrap_or_default();
    let mut encoders = Encoders::default();
    let mut recodings = vec![FieldRecoding::Same; schema.fields.len()];
    for ((name, encoding), values) in tables.iter().zip(interned) {
        let of_table = |field: &usize| schema.fields[*field].table == *name;
        let fields: Vec<usize> = (0..schema.fields.len()).filter(of_table).collect();
        let (encoder, recoding) = match *encoding {
            Encoding::Hash(n) => (Encoder::Hash(n), FieldRecoding::Same),
            Encoding::Identity(n) => (Encoder::Identity(n), FieldRecoding::Same),
            Encoding::Vocabulary { min_count } => {
                let (vocabulary, rows) = vocabulary(&values, counts(), min_count);
                (Encoder::Vocabulary(vocabulary), FieldRecoding::Rows(std::sync::Arc::new(rows)))
            }
            Encoding::Buckets(n) => {
                let kept = match known.and_then(|known| known.encoder(name)) {
                    Some(Encoder::Buckets(edges)) if edges.len() < n as usize => Some(edges.clone()),
                    _ => None,
                };
                let runs = runs(&values, counts());
                let edges = kept.unwrap_or_else(|| edges(runs, n));
                let rows = in_buckets(&edges, &values);
                (Encoder::Buckets(edges), FieldRecoding::Rows(std::sync::Arc::new(rows)))
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
            (Encoding::Buckets(_), Some(Encoder::Buckets(edges))) => {
                FieldRecoding::Rows(std::sync::Arc::new(in_buckets(edges, &values)))
            }
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
            }
        }
    }
}

/// The values that occur often enough, and the row of each code.
fn vocabulary(values: &Interner, mut counts: Vec<u64>, min_count: u64) -> (Vocabulary, Vec<u32>) {
    counts.resize(KNOWN as usize + values.len(), 0);
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

/// The numbers that have codes, ascending, and how often each is there.
fn runs(values: &Interner, mut counts: Vec<u64>) -> Vec<(f64, usize)> {
    counts.resize(KNOWN as usize + values.len(), 0);
    let counts = counts.split_off(KNOWN as usize).into_iter().map(|count| count as usize);
    let counted = numbers(values).zip(counts);
    let mut runs: Vec<(f64, usize)> = counted.filter(|&(_, count)| count > 0).collect();
    runs.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
    runs
}

/// The numbers whose bits have been interned.
fn numbers(values: &Interner) -> impl Iterator<Item = f64> {
    values.iter().map(|bits| bits.try_into().map_or(f64::NAN, f64::from_le_bytes))
}

/// The row of each code of a number.
fn in_buckets(edges: &[f64], values: &Interner) -> Vec<u32> {
    [UNKNOWN, MISSING].into_iter().chain(numbers(values).map(|x| bucket(edges, x))).collect()
}

/// Where up to `n` buckets end: a value that fills a bucket alone has one of its own, the others share the rest so that
/// each holds about equally many. Amounts are zero most of the time, and plain quantiles would leave one bucket for all
/// of the rest.
fn edges(runs: Vec<(f64, usize)>, n: u32) -> Vec<f64> {
    let n = n as usize;
    if runs.len() <= n {
        return runs.iter().skip(1).map(|&(value, _)| value).collect();
    }
    let all: usize = runs.iter().map(|(_, count)| count).sum();
    let heavy = |count: usize| count * n >= all;
    let (alone, taken) =
        runs.iter().filter(|(_, count)| heavy(*count)).fold((0, 0), |(a, t), (_, c)| (a + 1, t + c));
    let target = (all - taken).div_ceil((n - alone).max(1));
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
        let edges = |values: &mut dyn Iterator<Item = f64>, n| {
            let mut sorted: Vec<f64> = values.collect();
            sorted.sort_unstable_by(f64::total_cmp);
            edges(sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect(), n)
        };
        assert_eq!(edges(&mut (0..100).map(f64::from), 4), [25.0, 50.0, 75.0]);
        assert_eq!(edges(&mut [0.0; 10].into_iter(), 4), [0.0; 0]);
        assert_eq!(edges(&mut [0.0, 0.0, 0.0, 1.0].into_iter(), 4), [1.0]);
        assert_eq!(edges(&mut std::iter::empty(), 4), [0.0; 0]);
        // Nine tenths are zero: the other hundred values have the other four buckets.
        let mut amounts = (0..1000).map(|i| if i < 900 { 0.0 } else { f64::from(i) });
        assert_eq!(edges(&mut amounts, 5), [900.0, 925.0, 950.0, 975.0]);
    }

    #[test]
    fn numbers_are_counted_by_their_codes() {
        let mut values = Interner::default();
        for x in [2.5f64, 1_772_892_001.0, 1_772_892_000.0] {
            values.intern(&x.to_le_bytes());
        }
        let runs = runs(&values, vec![0, 1, 3, 2]);
        assert_eq!(runs, [(2.5, 3), (1_772_892_001.0, 2)]);
        assert_eq!(in_buckets(&[1_772_892_001.0], &values), [0, 1, 2, 3, 2]);
    }

    #[test]
    fn rows_go_by_falling_count_then_by_bytes() {
        let values: Interner = ["once", "b", "a", "often", "never"].into_iter().collect();
        let (known, rows) = vocabulary(&values, vec![0, 1, 1, 2, 2, 3], 2);
        assert_eq!(known.values().collect::<Vec<_>>(), [b"often", &b"a"[..], b"b"]);
        assert_eq!(rows, [0, 1, 0, 4, 3, 2, 0]);
    }
}
