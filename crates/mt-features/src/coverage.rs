//! How much of what is read a model knows: values that stand for nothing are rows of a table like others, so only their number
//! tells that identifiers are written otherwise than in training, or that a side table is of another day.

use serde::{Deserialize, Serialize};

use crate::fields::{Ids, MISSING, UNKNOWN};
use crate::schema::Schema;
use crate::table::Table;

/// A share from which what matches nothing is worth a word, if it was not half as large in training.
const MUCH: f64 = 0.5;

/// What was found, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Coverage {
    /// By field, in the order of the schema.
    pub fields: Vec<FieldCoverage>,
    /// By side table, in the order of `data.join`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joins: Vec<JoinCoverage>,
}

/// What a field's values are to its table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FieldCoverage {
    /// Its name.
    pub field: String,
    /// Rows.
    pub rows: u64,
    /// Those without a value.
    pub missing: u64,
    /// Values of the others: of a list, several a row.
    pub values: u64,
    /// Those that the table has no row for. Always 0 of tables that grow, where only training tells, and of hashed ones.
    pub unknown: u64,
}

/// How rows fared with a side table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JoinCoverage {
    /// The key's column.
    pub key: String,
    /// Rows.
    pub rows: u64,
    /// Those whose key the side table has not.
    pub without_partner: u64,
}

impl JoinCoverage {
    /// That of `rows`, of which so many have no partner in the side table with this key.
    pub fn new(key: String, rows: u64, without_partner: u64) -> Self {
        Self { key, rows, without_partner }
    }
}

impl FieldCoverage {
    /// The share of values that are not known, from 0 to 1.
    pub fn unknown_share(&self) -> f64 {
        share(self.unknown, self.values)
    }

    /// The share of rows without a value, from 0 to 1.
    pub fn missing_share(&self) -> f64 {
        share(self.missing, self.rows)
    }

    /// That of some rows, of a field without a name.
    pub fn of(ids: &Ids) -> Self {
        let mut coverage = Self::default();
        coverage.add(ids);
        coverage
    }

    fn add(&mut self, ids: &Ids) {
        self.rows += ids.len() as u64;
        let [unknown, missing] =
            [UNKNOWN, MISSING].map(|code| ids.rows.iter().filter(|&&row| row == code).count());
        let empty = ids
            .offsets
            .as_ref()
            .map_or(0, |offsets| offsets.windows(2).filter(|pair| pair[0] == pair[1]).count());
        // Of a list, a missing value among others makes no row without one.
        self.missing += (if ids.offsets.is_some() { empty } else { missing }) as u64;
        self.values += (ids.rows.len() - missing) as u64;
        self.unknown += unknown as u64;
    }
}

impl JoinCoverage {
    /// The share of rows without a partner, from 0 to 1.
    pub fn without_partner_share(&self) -> f64 {
        share(self.without_partner, self.rows)
    }
}

impl Coverage {
    /// With what rows were to side tables.
    pub fn with_joins(self, joins: Vec<JoinCoverage>) -> Self {
        Self { joins, ..self }
    }

    /// Nothing yet, of the fields of `schema`.
    pub fn new(schema: &Schema) -> Self {
        let field = |name: &String| FieldCoverage { field: name.clone(), ..FieldCoverage::default() };
        Coverage { fields: schema.fields.iter().map(|f| field(&f.name)).collect(), joins: Vec::new() }
    }

    /// That of all rows of a table with the fields of `schema`.
    pub fn of(table: &Table, schema: &Schema) -> Self {
        let mut coverage = Self::new(schema);
        coverage.add(table.fields());
        coverage
    }

    /// Adds more rows of the same fields.
    pub fn add(&mut self, fields: &[Ids]) {
        self.fields.iter_mut().zip(fields).for_each(|(field, ids)| field.add(ids));
    }

    /// Adds how more rows fared with the same side tables.
    pub fn add_joins(&mut self, joins: &[JoinCoverage]) {
        self.joins.extend(
            joins
                .iter()
                .skip(self.joins.len())
                .map(|join| JoinCoverage { key: join.key.clone(), ..JoinCoverage::default() }),
        );
        for (all, join) in self.joins.iter_mut().zip(joins) {
            all.rows += join.rows;
            all.without_partner += join.without_partner;
        }
    }

    /// Where much more matches nothing than in `training`, in words: half of the values at least, and twice the share.
    pub fn warnings(&self, training: &Self) -> Vec<String> {
        let much = |now: f64, then: f64| now >= MUCH && now >= 2.0 * then;
        let mut found = Vec::new();
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        for now in &self.fields {
            let none = FieldCoverage::default();
            let then = training.fields.iter().find(|then| then.field == now.field).unwrap_or(&none);
            let mut compare = |(share, before): (f64, f64), what: &str, hint: &str| {
                if much(share, before) {
                    let (share, before) = (percent(share), percent(before));
                    found
                        .push(format!("field {:?}: {share} {what}, {before} in training; {hint}", now.field));
                }
            };
            let unknown = (now.unknown_share(), then.unknown_share());
            compare(unknown, "values unknown to the model", "are they written as in training?");
            let missing = (now.missing_share(), then.missing_share());
            compare(missing, "rows without a value", "is the column filled, and its partner found?");
        }
        for (i, now) in self.joins.iter().enumerate() {
            let then = training.joins.iter().find(|then| then.key == now.key);
            let (now_share, then) =
                (now.without_partner_share(), then.map_or(0.0, JoinCoverage::without_partner_share));
            if much(now_share, then) {
                found.push(format!(
                    "data.join[{i}], key {:?}: {} of the rows without partner, {} in training; is the side table of the \
                     same day, and are keys written alike?",
                    now.key,
                    percent(now_share),
                    percent(then)
                ));
            }
        }
        found
    }
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Field;

    #[test]
    fn what_matches_nothing_is_counted_and_said_where_training_had_less() {
        let field =
            |name: &str| Field { name: name.into(), column: name.into(), table: name.into(), list: None };
        let schema = Schema { fields: vec![field("user"), field("seen")], ..Schema::default() };
        let single = Ids { rows: vec![0, 0, 1, 7], ..Ids::single() };
        let mut list = Ids::list();
        [&[0, 1, 5][..], &[], &[2], &[]].into_iter().for_each(|rows| list.push(rows));
        let mut now = Coverage::new(&schema);
        now.add(&[single, list]);
        let of = |i: usize| {
            (now.fields[i].rows, now.fields[i].missing, now.fields[i].values, now.fields[i].unknown)
        };
        assert_eq!((of(0), of(1)), ((4, 1, 3, 2), (4, 2, 3, 1)));
        now.joins = vec![JoinCoverage { key: "user".into(), rows: 4, without_partner: 3 }];
        let said = now.warnings(&Coverage::new(&schema));
        let expected = [
            "field \"user\": 66.7 % values unknown to the model, 0.0 % in training; are they written as in training?",
            "field \"seen\": 50.0 % rows without a value, 0.0 % in training; is the column filled, and its partner found?",
            "data.join[0], key \"user\": 75.0 % of the rows without partner, 0.0 % in training; is the side table of the same day, \
             and are keys written alike?",
        ];
        assert_eq!(said, expected);
        assert_eq!(now.warnings(&now), Vec::<String>::new());
    }
}
