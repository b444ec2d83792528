//! From a chunk to rows: what a plan says is made of its columns, one after the other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mt_features::expression::{BadCell, Column};
use mt_features::fields::{FieldCoder, Ids, Interner, KNOWN, MISSING, Memo, PARALLEL};
use mt_features::gather::retain_fixed;
use mt_features::{Batch, Missing, SparseRows, Table, Value};

use super::cells::{Cells, Repeats};
use super::matrix;
use super::plan::{FeaturePlan, FieldPlan, Origin, Plan, RulePlan};
use crate::error::Place;

/// What a plan makes of records beyond features, labels and mask.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub fields: Vec<Ids>,
    /// Per table, the values that fields' codes count in, where they are numbered in order of appearance.
    pub interned: Vec<Interner>,
    pub groups: Vec<u32>,
    /// The values that groups count in.
    pub group_values: Interner,
    pub labelled: Vec<f32>,
    /// 0 for training, 1 for validation, 2 for the test.
    pub parts: Vec<u8>,
    /// For each join, the rows without partner.
    pub lost: Vec<u64>,
}

/// A value that cannot be used.
#[derive(Debug)]
pub(super) struct BadValue {
    pub at: At,
    /// What to call it, where that is not the cell's column.
    pub field: Option<String>,
    pub expected: Cow<'static, str>,
    pub found: String,
}

/// Where a bad value is.
#[derive(Debug)]
pub(super) enum At {
    /// In the record, nowhere in particular.
    Record,
    /// In the kept cell of this number.
    Kept(u32),
    /// In a side table, in its column of this name.
    Side { place: Place, name: String },
}

/// The good rows of a chunk, and what is wrong with the others, by row.
pub(super) struct Encoded {
    pub rows: Batch,
    pub extra: Extra,
    pub bad: BTreeMap<usize, BadValue>,
}

/// No text says that what is computed is missing.
static NOTHING: Missing = Missing::none();

/// No partner in a side table.
const NONE: u32 = u32::MAX;

/// A chunk on its way.
pub(super) struct Chunk<'a> {
    pub plan: &'a Plan,
    cells: &'a [Cells<'a>],
    pub rows: usize,
    /// For each join, each row's partner.
    partners: Vec<Vec<u32>>,
    computed: &'a [Column<'a>],
    bad: BTreeMap<usize, BadValue>,
}

/// Makes rows of `rows` records whose kept cells are `cells`; `read` are the features that have been read already.
pub(super) fn encode(plan: &Plan, cells: &[Cells<'_>], read: SparseRows, rows: usize) -> Encoded {
    let mut chunk = Chunk { plan, cells, rows, partners: Vec::new(), computed: &[], bad: BTreeMap::new() };
    let mut extra = Extra::default();
    chunk.join();
    let computed = chunk.compute();
    chunk.computed = &computed;
    let features = chunk.features();
    chunk.fields(&mut extra);
    let lost = |partners: &Vec<u32>| partners.iter().filter(|&&partner| partner == NONE).count() as u64;
    extra.lost = chunk.partners.iter().map(lost).collect();
    let weights = chunk.weights();
    let (labels, mask) = chunk.labels(&weights, &mut extra);
    chunk.groups(&mut extra);
    chunk.parts(&mut extra);
    let (bad, tasks) = (chunk.bad, plan.labels.len());
    let numeric = matrix::join(read, &features, rows);
    let mut batch = Batch { numeric, fields: Vec::new(), labels, mask, tasks };
    if !bad.is_empty() {
        let good: Vec<u32> = (0..rows as u32).filter(|row| !bad.contains_key(&(*row as usize))).collect();
        let mut table = Table::from_batch(batch);
        table.retain(&good);
        batch = table.into_batch();
        let Extra { fields, groups, labelled, parts, .. } = &mut extra;
        fields.iter_mut().for_each(|ids| ids.retain(&good));
        plan.group.iter().for_each(|_| retain_fixed(groups, 1, &good));
        if plan.restricted {
            retain_fixed(labelled, tasks, &good);
        }
        plan.split.iter().for_each(|_| retain_fixed(parts, 1, &good));
    }
    Encoded { rows: batch, extra, bad }
}

impl<'a> Chunk<'a> {
    /// Whether a row has been given up.
    #[inline]
    pub fn is_bad(&self, row: usize) -> bool {
        !self.bad.is_empty() && self.bad.contains_key(&row)
    }

    /// The value of a row, which is no list.
    #[inline]
    pub fn value(&self, origin: Origin, row: usize) -> Value<'a> {
        match origin {
            Origin::Kept(k) => self.cells[k as usize].value(row),
            Origin::Computed(computed) => self.computed[computed as usize].value(row),
            Origin::Side { join, column } => match self.partners[join as usize][row] {
                NONE => Value::Missing,
                partner => {
                    Value::Text(self.plan.sides[join as usize].cell(partner as usize, column as usize))
                }
            },
        }
    }

    /// Whether a column has one value in all rows.
    pub fn is_same(&self, origin: Origin) -> bool {
        matches!(origin, Origin::Kept(k) if matches!(self.cells[k as usize], Cells::Same(_)))
    }

    /// The value of a row that may be a list, whose values are put into `list`.
    pub fn at<'l>(&self, origin: Origin, row: usize, list: &'l mut Vec<Value<'a>>) -> Value<'l>
    where
        'a: 'l,
    {
        match origin {
            Origin::Kept(k) => self.cells[k as usize].at(row, list),
            single => self.value(single, row),
        }
    }

    /// What repeats among the values of a column; a side table's do as its key does.
    fn repeats(&self, origin: Origin) -> Repeats<'a> {
        Repeats::new(match origin {
            Origin::Kept(k) => self.cells[k as usize],
            Origin::Side { join, .. } => self.cells[self.plan.joins[join as usize].key as usize],
            Origin::Computed(computed) => Cells::Computed(&self.computed[computed as usize]),
        })
    }

    /// What says that a value of a column is missing: what is computed is not written as a cell is.
    fn missing(&self, origin: Origin) -> &'a Missing {
        match origin {
            Origin::Computed(_) => &NOTHING,
            _ => &self.plan.missing,
        }
    }

    /// The columns that are computed; rows with a cell that cannot be used are given up.
    fn compute(&mut self) -> Vec<Column<'a>> {
        let plan = self.plan;
        let mut computed = Vec::with_capacity(plan.computed.len());
        for rule in &plan.computed {
            let column = rule.expression.column(&self.of_rule(rule));
            for row in 0..self.rows {
                if let Some(bad) = column.fault(row) {
                    self.refuse_cell(rule, row, bad);
                }
            }
            computed.push(column);
        }
        computed
    }

    /// Gives a row up for a cell that an expression cannot use.
    #[cold]
    pub fn refuse_cell(&mut self, rule: &RulePlan, row: usize, bad: BadCell) {
        let origin = rule.origins[bad.column];
        let found = origin.map_or(String::new(), |origin| self.value(origin, row).cell());
        self.refuse(row, origin, None, bad.expected, found);
    }

    /// Gives a row up for the value it has in a column.
    #[cold]
    pub fn refuse(
        &mut self,
        row: usize,
        origin: Option<Origin>,
        field: Option<String>,
        expected: impl Into<Cow<'static, str>>,
        found: String,
    ) {
        let (origin, field) = match origin {
            // The fault is at the first column of which it is computed.
            Some(Origin::Computed(computed)) => {
                let rule = &self.plan.computed[computed as usize];
                (rule.origins.iter().flatten().next().copied(), field.or(Some(rule.text.clone())))
            }
            origin => (origin, field),
        };
        let (at, field) = match origin {
            // Nothing is computed of what is computed.
            None | Some(Origin::Computed(_)) => (At::Record, field),
            Some(Origin::Kept(k)) => (At::Kept(k), field),
            Some(Origin::Side { join, column }) => {
                let side = &self.plan.sides[join as usize];
                let name = side.names[column as usize].clone();
                match self.partners[join as usize][row] {
                    // The fault is at the key.
                    NONE => (At::Kept(self.plan.joins[join as usize].key), field.or(Some(name))),
                    partner => {
                        let place = side.place(partner as usize, column as usize);
                        (At::Side { place, name }, field)
                    }
                }
            }
        };
        self.bad.entry(row).or_insert(BadValue { at, field, expected: expected.into(), found });
    }

    /// Finds the partners in the side tables.
    fn join(&mut self) {
        let mut buffer = Vec::new();
        for (join, side) in self.plan.joins.iter().zip(self.plan.sides.iter()) {
            let cells = self.cells[join.key as usize];
            let mut repeats = Repeats::new(cells);
            let mut partners: Vec<u32> = Vec::with_capacity(self.rows);
            for row in 0..self.rows {
                let partner = match repeats.earlier(row) {
                    Some(earlier) => partners[earlier],
                    None => side.find(cells.value(row).text(&mut buffer)).unwrap_or(NONE),
                };
                partners.push(partner);
            }
            let lost = |row: &usize| join.required && partners[*row] == NONE;
            let lost: Vec<usize> = (0..self.rows).filter(lost).collect();
            self.partners.push(partners);
            for row in lost {
                let expected = format!("a key of {}", side.path.display());
                self.refuse(row, Some(Origin::Kept(join.key)), None, expected, cells.value(row).cell());
            }
        }
    }

    /// The numeric columns that are no plain text.
    fn features(&mut self) -> Vec<(u32, Vec<f32>)> {
        let plan = self.plan;
        let mut features = Vec::with_capacity(plan.features.len());
        for &FeaturePlan { origin, number, base } in &plan.features {
            let mut bad = Vec::new();
            let missing = self.missing(origin);
            let mut numbers = match origin {
                Origin::Kept(k) if base == 0.0 => {
                    let refuse = |row, _, value: Value<'a>| bad.push((row, value.cell()));
                    self.cells[k as usize].numbers(self.rows, missing, refuse)
                }
                _ => {
                    let number = |row: usize| {
                        let value = self.value(origin, row);
                        value.number_less(base, missing).unwrap_or_else(|_| {
                            bad.push((row, value.cell()));
                            0.0
                        })
                    };
                    (0..self.rows).map(number).collect()
                }
            };
            for (row, number) in numbers.iter_mut().enumerate().filter(|(_, number)| number.is_nan()) {
                match plan.numeric_missing {
                    Some(filled) => *number = (f64::from(filled) - base) as f32,
                    None => bad.push((row, self.value(origin, row).cell())),
                }
            }
            for (row, found) in bad {
                self.refuse(row, Some(origin), None, "a number", found);
            }
            features.push((number, numbers));
        }
        features
    }

    /// The codes of the fields.
    fn fields(&mut self, extra: &mut Extra) {
        let plan = self.plan;
        extra.interned = plan.coders.iter().map(|_| Interner::default()).collect();
        let (mut list, mut buffer) = (Vec::new(), Vec::new());
        for field in &plan.fields {
            let coder = &plan.coders[field.table];
            let mut ids = if field.list.is_some() { Ids::list() } else { Ids::single() };
            if let (Some(codes), Origin::Side { join, .. }) = (&field.codes, field.origin) {
                for &partner in &self.partners[join as usize] {
                    match partner {
                        NONE if field.list.is_some() => ids.push(&[]),
                        NONE => ids.push(&[MISSING]),
                        partner => ids.push(codes.of(partner as usize)),
                    }
                }
                extra.fields.push(ids);
                continue;
            }
            let numbers = &mut extra.interned[field.table];
            let memo = if field.list.is_some() { Memo::new() } else { Memo::default() };
            let missing = self.missing(field.origin);
            let mut encoder = FieldCoder { coder, list: field.list.as_ref(), missing, memo };
            let mut repeats = self.repeats(field.origin);
            for row in 0..self.rows {
                if self.is_bad(row) {
                    placeholder(field, &mut ids);
                    continue;
                }
                if let Some(earlier) = repeats.earlier(row) {
                    ids.repeat(earlier);
                    continue;
                }
                let value = self.at(field.origin, row, &mut list);
                if let Err(expected) = encoder.encode(value, numbers, &mut buffer, &mut ids) {
                    let found = value.cell();
                    ids.truncate(row);
                    placeholder(field, &mut ids);
                    repeats.forget(row);
                    self.refuse(row, Some(field.origin), None, expected, found);
                }
            }
            extra.fields.push(ids);
        }
        for &(field, first) in &plan.parallel {
            for row in 0..self.rows {
                let [found, expected] = [field, first].map(|field| extra.fields[field].of(row).len());
                if found != expected && !self.is_bad(row) {
                    let found = format!("{found}, not {expected}");
                    self.refuse(row, Some(plan.fields[field].origin), None, PARALLEL, found);
                }
            }
        }
        self.number_by_record(extra);
    }

    /// Gives the values of tables that several fields share their numbers in the order of records, so that numbers do not
    /// depend on where a chunk ends.
    fn number_by_record(&self, extra: &mut Extra) {
        for table in (0..self.plan.coders.len()).filter(|&table| self.plan.coders[table].numbers()) {
            let own = |(_, field): &(usize, &FieldPlan)| field.table == table && field.codes.is_none();
            let fields: Vec<usize> =
                self.plan.fields.iter().enumerate().filter(own).map(|(field, _)| field).collect();
            if fields.len() < 2 {
                continue;
            }
            let (before, mut after) = (&extra.interned[table], Interner::default());
            let mut numbers = vec![0; before.len()];
            for row in 0..self.rows {
                for &field in &fields {
                    for number in
                        extra.fields[field].of(row).iter().filter_map(|code| code.checked_sub(KNOWN))
                    {
                        numbers[number as usize] = after.intern(before.text(number));
                    }
                }
            }
            for field in fields {
                let codes = extra.fields[field].rows.iter_mut().filter(|code| **code >= KNOWN);
                codes.for_each(|code| *code = KNOWN + numbers[(*code - KNOWN) as usize]);
            }
            extra.interned[table] = after;
        }
    }

    /// Numbers the groups.
    fn groups(&mut self, extra: &mut Extra) {
        let Some(group) = self.plan.group else { return };
        let mut repeats = self.repeats(group);
        let mut buffer = Vec::new();
        for row in 0..self.rows {
            let number = match repeats.earlier(row) {
                Some(earlier) => extra.groups[earlier],
                None => extra.group_values.intern(self.value(group, row).text(&mut buffer)),
            };
            extra.groups.push(number);
        }
    }
}

/// A record that is given up anyway.
fn placeholder(field: &FieldPlan, ids: &mut Ids) {
    match field.list {
        Some(_) => ids.push(&[]),
        None => ids.push(&[0]),
    }
}
