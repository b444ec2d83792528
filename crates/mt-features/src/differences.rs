//! In what two data sets differ, in words.

use crate::fields::Encoders;
use crate::identity::{Digest, Identity, RowSet};
use crate::normalize::{Normalizer, Scaling};
use crate::schema::{Field, Schema};

impl Schema {
    /// In what the columns and tasks of `now` differ from these.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        numeric(&self.numeric, &now.numeric, &mut found);
        let by_name = |fields: &[Field], name: &str| fields.iter().find(|field| field.name == name).cloned();
        for field in &self.fields {
            match by_name(&now.fields, &field.name) {
                None => found.push(format!("there is no field {:?}", field.name)),
                Some(other) if other == *field => {}
                Some(other) => found.push(format!(
                    "field {:?} was column {:?} in table {:?}, and is column {:?} in table {:?}, or its lists are read \
                     otherwise",
                    field.name, field.column, field.table, other.column, other.table
                )),
            }
        }
        let new = now.fields.iter().filter(|field| by_name(&self.fields, &field.name).is_none());
        found.extend(new.map(|field| format!("field {:?} is new", field.name)));
        for then in &self.computed {
            if let Some(is) = now.computed(&then.name).map(|i| &now.computed[i])
                && is != then
            {
                found.push(format!(
                    "input {:?} was computed as {:?}, and is as {:?}",
                    then.name, then.value, is.value
                ));
            }
        }
        if found.is_empty() && self.fields != now.fields {
            found.push("the fields are in another order".to_owned());
        }
        if self.tasks != now.tasks {
            let names = |schema: &Self| {
                let task = |task: &crate::task::Task| match (&task.prediction, &task.imputed) {
                    (Some(product), _) => format!("{} ({product})", task.name),
                    (None, Some(head)) => format!("{} (with {head})", task.name),
                    (None, None) => format!("{} ({:?})", task.name, task.kind).to_lowercase(),
                };
                schema.tasks.iter().map(task).collect::<Vec<_>>().join(", ")
            };
            found.push(format!("the tasks were {}, and are {}", names(self), names(now)));
        }
        found
    }
}

/// Names of numeric columns, then and now.
fn numeric(then: &[String], now: &[String], found: &mut Vec<String>) {
    if then == now {
        return;
    }
    let places = |names: &[String]| -> std::collections::BTreeMap<String, usize> {
        names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect()
    };
    let (places_then, places_now) = (places(then), places(now));
    let place = |place: usize| format!("place {place} of the inputs, counted from 0");
    let renamed = |i: usize| match (then.get(i), now.get(i)) {
        (Some(a), Some(b)) => !places_now.contains_key(a) && !places_then.contains_key(b),
        _ => false,
    };
    for (i, name) in then.iter().enumerate() {
        match places_now.get(name) {
            Some(&at) if at == i => {}
            Some(&at) if now.len() == then.len() => {
                let is = now.get(i).map_or("nothing", String::as_str);
                found.push(format!(
                    "column {name:?} was at {}, and is at {at}: there is {is:?} now",
                    place(i)
                ));
            }
            // Those behind one that came or went moved with it.
            Some(_) => {}
            None if renamed(i) => {
                found.push(format!("column {:?} was {name:?} at {}", now[i], place(i)));
            }
            None => found.push(format!("there is no column {name:?}")),
        }
    }
    let new = |(i, name): &(usize, &String)| !places_then.contains_key(*name) && !renamed(*i);
    found.extend(now.iter().enumerate().filter(new).map(|(_, name)| format!("column {name:?} is new")));
}

impl Normalizer {
    /// In what the scaling of `now` differs from this one; both are of the columns `names`.
    pub fn differences(&self, now: &Self, names: &[String]) -> Vec<String> {
        let map = |Scaling { log1p, base, shift, scale, fill }: Scaling| {
            let x = if log1p { "ln(1 + x)".to_owned() } else { "x".to_owned() };
            let x = if base == 0.0 { x } else { format!("{x} - {base}") };
            let fill = fill.map(|fill| format!(", missing {fill}")).unwrap_or_default();
            format!("({x} - {shift}) * {scale}{fill}")
        };
        let columns = self.columns.iter().zip(&now.columns).zip(names).filter(|((then, now), _)| then != now);
        let column = |((then, now), name): ((&Scaling, &Scaling), &String)| {
            format!("column {name:?} was scaled as {}, and is as {}", map(*then), map(*now))
        };
        let mut found: Vec<String> = columns.map(column).collect();
        if found.is_empty() && self != now {
            let (a, b) = (self.layout, now.layout);
            found.push(format!("rows were kept {a:?}, and are {b:?}").to_lowercase());
        }
        found
    }
}

impl Encoders {
    /// The tables whose rows mean other values in `now`.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let changed = self.tables.iter().filter(|table| now.encoder(&table.name) != Some(&table.encoder));
        let rows = |encoders: &Self, name: &str| {
            encoders.rows(name).map_or("none".to_owned(), |rows| format!("{rows}"))
        };
        let table = |name: &str| {
            let (then, now) = (rows(self, name), rows(now, name));
            format!(
                "rows of table {name:?} would mean other values: it had {then} of them, and would have {now}"
            )
        };
        changed.map(|changed| table(&changed.name)).collect()
    }
}

impl Identity {
    /// In what the rows of `now` differ from these; both have the columns and tasks of `schema`.
    pub fn differences(&self, now: &Self, schema: &Schema) -> Vec<String> {
        let mut found = Vec::new();
        numeric(&self.columns, &now.columns, &mut found);
        found.extend(self.train.differences(&now.train, schema, "training"));
        for (what, then, now) in [("validation", &self.valid, &now.valid), ("test", &self.test, &now.test)] {
            match (then, now) {
                (Some(then), Some(now)) => found.extend(then.differences(now, schema, what)),
                (Some(then), None) => {
                    found.push(format!("there are no {what} rows, there were {}", then.rows))
                }
                (None, Some(now)) => {
                    found.push(format!("there are {} {what} rows, there were none", now.rows))
                }
                (None, None) => {}
            }
        }
        found
    }
}

impl RowSet {
    /// In what the rows of `now`, called `what`, differ from these.
    pub fn differences(&self, now: &Self, schema: &Schema, what: &str) -> Vec<String> {
        if self.rows != now.rows {
            let (by, than) =
                (self.rows.abs_diff(now.rows), if now.rows < self.rows { "less" } else { "more" });
            return vec![format!(
                "there are {} {what} rows, there were {}: {by} {than}",
                now.rows, self.rows
            )];
        }
        let mut found = Vec::new();
        for i in differing(&self.numeric, &now.numeric) {
            let name = |i: usize| schema.numeric.get(i).map_or("?", String::as_str);
            let (then, is) = (self.means.get(i).copied(), now.means.get(i).copied());
            let means = match (then, is) {
                (Some(then), Some(is)) if then == is => format!("their mean is {is}, as before"),
                (then, is) => format!("their mean is {}, was {}", is.unwrap_or(0.0), then.unwrap_or(0.0)),
            };
            found.push(match exchanged(&self.numeric, &now.numeric, i) {
                Some(other) => format!(
                    "column {:?} of the {what} rows has the values that {:?} had",
                    name(i),
                    name(other)
                ),
                None => format!("column {:?} of the {what} rows has other values: {means}", name(i)),
            });
        }
        for i in differing(&self.fields, &now.fields) {
            let name = schema.fields.get(i).map_or("?", |field| &field.name);
            found.push(format!("field {name:?} of the {what} rows has other values"));
        }
        for i in differing(&self.labels, &now.labels) {
            let name = |i: usize| schema.tasks.get(i).map_or("?", |task| &task.name);
            found.push(match exchanged(&self.labels, &now.labels, i) {
                Some(other) => format!(
                    "task {:?} has the labels that {:?} had, in the {what} rows",
                    name(i),
                    name(other)
                ),
                None => format!("labels or weights of task {:?} differ in the {what} rows", name(i)),
            });
        }
        if self.groups != now.groups {
            found.push(format!("groups of the {what} rows differ"));
        }
        found
    }
}

/// Where digests differ; all places that only one side has, too.
fn differing(then: &[Digest], now: &[Digest]) -> Vec<usize> {
    (0..then.len().max(now.len())).filter(|&i| then.get(i) != now.get(i)).collect()
}

/// Whose digest number `i` is now, if it is that of another that differs, too.
fn exchanged(then: &[Digest], now: &[Digest], i: usize) -> Option<usize> {
    differing(then, now).into_iter().find(|&other| other != i && then.get(other) == now.get(i))
}
