//! What the rows of a data set are, so that a run which goes on can tell whether they are still the same, and what is not.
//!
//! Each column has a digest: a sum, over the rows, of a 64-bit hash of the row's number and the value as it was read. A sum
//! does not depend on who adds first, so neither on threads nor on the form, dense or sparse: zeros add nothing. It finds
//! accidents, not forgeries.

use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::fields::{Ids, KNOWN};
use crate::rows::Numeric;
use crate::table::Table;

/// Parts that are looked at in parallel. Fixed, so that the sums behind the means do not depend on the number of threads.
const PARTS: usize = 16;

/// What tells one column's values from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(u64);

/// What some rows are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RowSet {
    /// How many.
    pub rows: usize,
    /// Of each numeric column, before normalisation.
    pub numeric: Vec<Digest>,
    /// Their means, for people.
    pub means: Vec<f32>,
    /// Of each field, as table rows or keys.
    pub fields: Vec<Digest>,
    /// Of each task, labels and weights.
    pub labels: Vec<Digest>,
    /// Of the groups, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Digest>,
}

/// What the rows of a data set are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Identity {
    /// The numeric columns as the data itself has them: a model that exists may know them in another order.
    pub columns: Vec<String>,
    /// Those to train on.
    pub train: RowSet,
    /// Those to choose the best epoch on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<RowSet>,
    /// Those for the final numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<RowSet>,
}

impl Identity {
    /// That of rows whose identities are known.
    pub fn new(columns: Vec<String>, train: RowSet, valid: Option<RowSet>, test: Option<RowSet>) -> Self {
        Self { columns, train, valid, test }
    }

    /// That of these rows, as they are, of data with these numeric columns.
    pub fn of(columns: &[String], train: &Table, valid: Option<&Table>, test: Option<&Table>) -> Self {
        let columns = columns.to_vec();
        Self { columns, train: RowSet::of(train), valid: valid.map(RowSet::of), test: test.map(RowSet::of) }
    }
}

impl Identity {
    /// The same of rows whose numbers are less these bases, one a column: with the means of the numbers themselves.
    #[must_use]
    pub fn with_bases(mut self, bases: &[f64]) -> Self {
        for rows in [Some(&mut self.train), self.valid.as_mut(), self.test.as_mut()].into_iter().flatten() {
            let means = rows.means.iter_mut().zip(bases).filter(|(_, base)| **base != 0.0);
            means.for_each(|(mean, base)| *mean = (f64::from(*mean) + base) as f32);
        }
        self
    }
}

impl RowSet {
    /// That of the rows of a table.
    pub fn of(table: &Table) -> Self {
        let (numeric, means) = columns(table.numeric());
        Self {
            rows: table.len(),
            numeric,
            means,
            fields: table.fields().iter().map(|ids| Digest(field(ids, 0))).collect(),
            labels: (0..table.tasks()).map(|task| Digest(labels(table, task, 0))).collect(),
            groups: table.groups().map(|all| Digest(groups(all, 0))),
        }
    }
}

/// The identity of rows that come block by block: that of one table of them, to the bit.
#[derive(Debug)]
pub struct RowSetBuilder {
    rows: usize,
    done: usize,
    /// Of the part of the rows that is under way.
    part: Vec<Sums>,
    all: Vec<Sums>,
    fields: Vec<u64>,
    labels: Vec<u64>,
    groups: Option<u64>,
}

impl RowSetBuilder {
    /// Of `rows` rows in all.
    pub fn new(rows: usize) -> Self {
        let (part, all) = (Vec::new(), Vec::new());
        Self { rows, done: 0, part, all, fields: Vec::new(), labels: Vec::new(), groups: None }
    }

    /// Adds the next rows.
    pub fn add(&mut self, table: &Table) {
        let first = self.done;
        let size = self.rows.div_ceil(PARTS).max(1);
        self.part.resize(table.width(), Sums::default());
        self.all.resize(table.width(), Sums::default());
        for row in 0..table.len() {
            if (first + row).is_multiple_of(size) {
                self.end_part();
            }
            add_row(&mut self.part, table.numeric(), row, key(first + row));
        }
        self.fields.resize(table.fields().len(), 0);
        for (sum, ids) in self.fields.iter_mut().zip(table.fields()) {
            *sum = sum.wrapping_add(field(ids, first));
        }
        self.labels.resize(table.tasks(), 0);
        for (task, sum) in self.labels.iter_mut().enumerate() {
            *sum = sum.wrapping_add(labels(table, task, first));
        }
        if let Some(all) = table.groups() {
            self.groups = Some(self.groups.unwrap_or_default().wrapping_add(groups(all, first)));
        }
        self.done += table.len();
    }

    fn end_part(&mut self) {
        add_sums(&mut self.all, &self.part);
        self.part.fill(Sums::default());
    }

    /// What the rows are.
    pub fn finish(mut self) -> RowSet {
        self.end_part();
        let (numeric, means) = digests(self.done, &self.all);
        let of = |sums: Vec<u64>| sums.into_iter().map(Digest).collect();
        let (fields, labels, groups) = (of(self.fields), of(self.labels), self.groups.map(Digest));
        RowSet { rows: self.done, numeric, means, fields, labels, groups }
    }
}

/// Of a numeric column: the sum of the hashes, of the values, and how many cells hold nothing.
type Sums = (u64, f64, u64);

fn add_row(sums: &mut [Sums], numeric: &Numeric, row: usize, key: u64) {
    let mut add = |column: usize, value: f32| {
        let (digest, sum, missing) = &mut sums[column];
        if value != 0.0 {
            *digest = digest.wrapping_add(hash(key, value.to_bits().into()));
            if value.is_nan() { *missing += 1 } else { *sum += f64::from(value) }
        }
    };
    match numeric {
        Numeric::Dense(dense) => {
            dense.row(row).iter().enumerate().for_each(|(column, &value)| add(column, value));
        }
        Numeric::Sparse(sparse) => {
            let (columns, values) = sparse.row(row);
            columns.iter().zip(values).for_each(|(&column, &value)| add(column as usize, value));
        }
    }
}

fn add_sums(all: &mut [Sums], part: &[Sums]) {
    for (all, &(digest, sum, missing)) in all.iter_mut().zip(part) {
        *all = (all.0.wrapping_add(digest), all.1 + sum, all.2 + missing);
    }
}

fn digests(rows: usize, all: &[Sums]) -> (Vec<Digest>, Vec<f32>) {
    let mean = |&(_, sum, missing): &Sums| (sum / (rows as u64 - missing).max(1) as f64) as f32;
    (all.iter().map(|&(digest, ..)| Digest(digest)).collect(), all.iter().map(mean).collect())
}

/// The numeric columns, and their means.
fn columns(numeric: &Numeric) -> (Vec<Digest>, Vec<f32>) {
    let (rows, width) = (numeric.rows(), numeric.width());
    let parts = in_parts(rows, |part| {
        let mut sums = vec![Sums::default(); width];
        part.for_each(|row| add_row(&mut sums, numeric, row, key(row)));
        sums
    });
    let mut all = vec![Sums::default(); width];
    parts.iter().for_each(|part| add_sums(&mut all, part));
    digests(rows, &all)
}

/// The values of a field; the first row is number `first`.
fn field(ids: &Ids, first: usize) -> u64 {
    let value = |row: u32| match (&ids.keys, row.checked_sub(KNOWN)) {
        (Some(keys), Some(number)) => keys.get(number as usize).copied().unwrap_or_default(),
        _ => row.into(),
    };
    total(ids.len(), |record| {
        let places = (0u64..).zip(ids.of(record));
        places.fold(0, |sum: u64, (place, &row)| {
            sum.wrapping_add(hash(key(first + record).wrapping_add(3 * place), value(row)))
        })
    })
}

/// Labels and weights of a task. What has no label adds nothing.
fn labels(table: &Table, task: usize, first: usize) -> u64 {
    let (labels, mask) = (table.labels(), table.mask());
    total(table.len(), |row| {
        let (at, key) = (row * table.tasks() + task, key(first + row));
        let of_label = |weight: f32| u64::from(labels[at].to_bits()) | u64::from(weight.to_bits()) << 32;
        match table.labelled().map_or(mask[at], |labelled| labelled[at]) {
            0.0 => 0,
            weight => hash(key, of_label(mask[at])).wrapping_add(hash(!key, of_label(weight))),
        }
    })
}

fn groups(groups: &[u32], first: usize) -> u64 {
    total(groups.len(), |row| hash(key(first + row), groups[row].into()))
}

/// The sum over all rows.
fn total(rows: usize, of_row: impl Fn(usize) -> u64 + Sync) -> u64 {
    let sum = |part: std::ops::Range<usize>| part.fold(0, |sum: u64, row| sum.wrapping_add(of_row(row)));
    in_parts(rows, sum).into_iter().fold(0, u64::wrapping_add)
}

fn in_parts<T: Send>(rows: usize, of_part: impl Fn(std::ops::Range<usize>) -> T + Sync) -> Vec<T> {
    let size = rows.div_ceil(PARTS).max(1);
    let part = |start| of_part(start..(start + size).min(rows));
    (0..rows).into_par_iter().step_by(size).map(part).collect()
}

/// What a row's number does to the hashes of its values. (The finaliser of splitmix64.)
fn key(row: usize) -> u64 {
    let x = (row as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The hash of a value in a row.
#[inline]
fn hash(key: u64, value: u64) -> u64 {
    let x = (key ^ value).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 29)
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As text: half of the readers of JSON round numbers beyond 53 bits.
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16)
            .map(Digest)
            .map_err(|_| de::Error::custom("expected a hexadecimal number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{DenseRows, Layout};

    fn table() -> Table {
        let value = |i: usize| if i.is_multiple_of(3) { 0.0 } else { (i % 17) as f32 - 4.0 };
        let numeric = Numeric::Dense(DenseRows { width: 5, values: (0..500).map(value).collect() });
        let labels = (0..200).map(|i| (i % 3 % 2) as f32).collect();
        let users = Ids { rows: (0..100).collect(), ..Ids::single() };
        let table = Table::new(numeric, labels, vec![1.0; 200], 2).expect("a table");
        table.with_fields(vec![users]).expect("a field")
    }

    #[test]
    fn an_identity_depends_neither_on_threads_nor_on_the_form_of_the_rows() {
        let expected = RowSet::of(&table());
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            assert_eq!(pool.install(|| RowSet::of(&table())), expected);
        }
        let mut sparse = table();
        sparse.set_layout(Layout::Sparse);
        assert_eq!(RowSet::of(&sparse), expected);
    }

    #[test]
    fn blocks_have_the_identity_of_the_table_that_they_make() {
        let whole = table();
        for size in [1, 7, 100] {
            let mut builder = RowSetBuilder::new(100);
            for start in (0..100u32).step_by(size) {
                let rows: Vec<u32> = (start..(start + size as u32).min(100)).collect();
                builder.add(&whole.take(&rows));
            }
            assert_eq!(builder.finish(), RowSet::of(&whole));
        }
    }

    #[test]
    fn every_change_of_rows_changes_what_it_touches_and_nothing_else() {
        let before = RowSet::of(&table());
        // Two rows change places: every column notices, unless both have its value.
        let mut order: Vec<u32> = (0..100).collect();
        order.swap(7, 8);
        let moved = RowSet::of(&table().take(&order));
        assert!(
            moved.numeric != before.numeric && moved.labels != before.labels && moved.fields != before.fields
        );
        let mut scaled = table();
        let Numeric::Dense(dense) = scaled.numeric_mut() else { panic!("dense") };
        dense.values.iter_mut().skip(1).step_by(5).for_each(|x| *x *= 1000.0);
        let scaled = RowSet::of(&scaled);
        let differing: Vec<usize> = (0..5).filter(|&i| scaled.numeric[i] != before.numeric[i]).collect();
        assert_eq!((differing.as_slice(), scaled.labels == before.labels), ([1].as_slice(), true));
        assert!((scaled.means[1] / before.means[1] - 1000.0).abs() < 0.1);
    }
}
