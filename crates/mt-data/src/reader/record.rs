//! From the kept cells of a record to labels, fields, groups and the rest of its plan.

use std::borrow::Cow;

use super::cell::{Content, unescape};
use super::codes::encode;
use super::made::Made;
use super::number;
use super::plan::{FieldPlan, LabelPlan, Origin, Plan, RulePlan};
use super::row::{Fault, FaultKind};
use crate::expression::{BadCell, is_missing};
use crate::fields::{Ids, Interner};
use crate::rows::SparseRows;

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
}

/// The cells of the current record and what has been made of those before it.
pub(super) struct Records<'a> {
    plan: &'a Plan,
    delimiter: u8,
    cells: Vec<Kept>,
    unescaped: Vec<u8>,
    partners: Vec<Option<u32>>,
    made: Made,
    fault: Option<BadValue>,
    pub extra: Extra,
}

/// Where a kept cell's content is: in the block, or, with doubled quotes, among those less the doubles.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    start: u32,
    end: u32,
    /// Where it starts in the block.
    place: u32,
    unescaped: bool,
    /// The number of its text, if it may stand for several records.
    which: Option<u32>,
}

/// A value that cannot be used.
#[derive(Debug)]
struct BadValue {
    /// The cell at fault.
    origin: Option<Origin>,
    /// What to call it, where that is not the cell's column.
    field: Option<String>,
    expected: Cow<'static, str>,
    found: String,
}

/// The current record.
#[derive(Clone, Copy)]
struct Record<'b> {
    plan: &'b Plan,
    text: &'b [u8],
    cells: &'b [Kept],
    unescaped: &'b [u8],
    partners: &'b [Option<u32>],
}

impl<'a> Records<'a> {
    pub fn new(plan: &'a Plan, delimiter: u8) -> Self {
        let ids = |field: &FieldPlan| if field.list.is_some() { Ids::list() } else { Ids::single() };
        let interned = plan.coders.iter().map(|_| Interner::default()).collect();
        let fields = plan.fields.iter().map(ids).collect();
        Records {
            plan,
            delimiter,
            cells: vec![Kept::default(); plan.kept.len()],
            unescaped: Vec::new(),
            partners: vec![None; plan.joins.len()],
            made: Made::new(plan),
            fault: None,
            extra: Extra { fields, interned, ..Extra::default() },
        }
    }

    /// Keeps the cell number `k`, which starts at `at`, and returns the position behind it.
    #[inline]
    pub fn keep(&mut self, text: &[u8], at: usize, k: u32) -> Option<usize> {
        let Content { start, end, next, bad_quotes, escaped } = Content::at(text, at, self.delimiter);
        let (from, to) = (start as u32, end as u32);
        let mut kept = Kept { start: from, end: to, place: from, unescaped: escaped, which: None };
        if escaped {
            kept.start = self.unescaped.len() as u32;
            unescape(&text[start..end], &mut self.unescaped);
            kept.end = self.unescaped.len() as u32;
        }
        self.cells[k as usize] = kept;
        (!bad_quotes).then_some(next)
    }

    /// Says before the first record how many texts of the cell number `k` may stand for several records.
    #[cfg(feature = "parquet")]
    pub fn repeat(&mut self, k: u32, texts: usize) {
        self.made.repeat(self.plan, k, texts);
    }

    /// Keeps text that is nothing but the cell number `k`; `which` one it is of those that may stand for several records.
    #[cfg(feature = "parquet")]
    pub fn place(&mut self, k: u32, start: u32, end: u32, which: Option<u32>) {
        self.cells[k as usize] = Kept { start, end, which, ..Kept::default() };
    }

    /// Makes what the plan says of the record whose cells have been kept; `None` if a value cannot be used.
    pub fn finish(
        &mut self,
        text: &[u8],
        sparse: &mut SparseRows,
        labels: &mut [f32],
        mask: &mut [f32],
    ) -> Option<()> {
        let Records { plan, cells, unescaped, partners, made, extra, fault, .. } = self;
        let result = evaluate(plan, text, cells, unescaped, partners, made, extra, sparse, labels, mask);
        unescaped.clear();
        result.map_err(|bad| *fault = Some(bad)).ok()
    }

    /// Takes back what an unfinished record left.
    pub fn truncate(&mut self, rows: usize) {
        self.unescaped.clear();
        self.made.truncate(rows);
        let Extra { fields, groups, labelled, parts, .. } = &mut self.extra;
        fields.iter_mut().for_each(|ids| ids.truncate(rows));
        groups.truncate(rows);
        labelled.truncate(rows * self.plan.labels.len());
        parts.truncate(rows);
    }

    /// The fault of the record that starts at `start`, if it was one of value.
    pub fn take_fault(&mut self, start: usize, line: u64, record: u64) -> Option<Fault> {
        let BadValue { origin, field, expected, found } = self.fault.take()?;
        let joined = |join: u32| (&self.plan.sides[join as usize], self.partners[join as usize]);
        let (column, offset, field) = match origin {
            None => (0, 0, field),
            Some(Origin::Kept(k)) => (self.plan.kept[k as usize], self.offset(k, start), field),
            Some(Origin::Side { join, column }) => {
                let (side, partner) = joined(join);
                let field = field.unwrap_or_else(|| side.names[column as usize].clone());
                if let Some(row) = partner {
                    let place = side.place(row as usize, column as usize);
                    let kind = FaultKind::Side { place, field, expected, found };
                    return Some(Fault { line, record, offset: 0, kind });
                }
                // A row without partner: the fault is at the key.
                let key = self.plan.joins[join as usize].key;
                (self.plan.kept[key as usize], self.offset(key, start), Some(field))
            }
        };
        Some(Fault { line, record, offset, kind: FaultKind::Cell { column, field, expected, found } })
    }

    /// Bytes before a kept cell in its line, which starts at `start`.
    fn offset(&self, k: u32, start: usize) -> usize {
        self.cells[k as usize].place as usize - start
    }
}

impl<'b> Record<'b> {
    /// The text of a value; empty where a side table has no partner.
    fn raw(self, origin: Origin) -> &'b [u8] {
        match origin {
            Origin::Kept(k) => {
                let Kept { start, end, unescaped, .. } = self.cells[k as usize];
                let text = if unescaped { self.unescaped } else { self.text };
                &text[start as usize..end as usize]
            }
            Origin::Side { join, column } => match self.partners[join as usize] {
                Some(row) => self.plan.sides[join as usize].cell(row as usize, column as usize),
                None => &[],
            },
        }
    }

    /// The number of that text, if it may stand for several records.
    fn which(self, origin: Origin) -> Option<u32> {
        match origin {
            Origin::Kept(k) => self.cells[k as usize].which,
            Origin::Side { .. } => None,
        }
    }

    /// The text of a value in an expression, if it has one.
    fn value(self, origin: Option<Origin>) -> Option<&'b [u8]> {
        let cell = self.raw(origin?);
        (!is_missing(cell) && !self.plan.missing.contains(cell)).then_some(cell)
    }

    fn eval(self, rule: &'b RulePlan) -> Result<Option<f64>, BadCell> {
        rule.expression.eval(&|column| self.value(rule.origins[column]))
    }

    /// As [`eval`](Self::eval), where a cell that is no number is a fault.
    fn number(self, rule: &'b RulePlan) -> Result<Option<f64>, BadValue> {
        self.eval(rule).map_err(|BadCell { column }| BadValue {
            origin: rule.origins[column],
            field: None,
            expected: "a number".into(),
            found: shown(rule.origins[column].map_or(&[][..], |origin| self.raw(origin))),
        })
    }

    fn truth(self, rule: &'b Option<RulePlan>) -> Result<Option<bool>, BadValue> {
        let Some(rule) = rule else { return Ok(None) };
        Ok(self.number(rule)?.map(|value| value != 0.0))
    }

    /// A value that its rule must not have: named after the rule, at its first column.
    fn refuse(self, rule: &RulePlan, expected: Cow<'static, str>, value: Option<f64>) -> BadValue {
        let origin = rule.origins.iter().flatten().next().copied();
        let cell =
            if rule.expression.is_column() { origin.map(|origin| shown(self.raw(origin))) } else { None };
        let found = cell.unwrap_or_else(|| value.map_or(String::new(), |value| value.to_string()));
        BadValue { origin, field: Some(rule.text.clone()), expected, found }
    }

    fn label(self, plan: &'b LabelPlan) -> Result<Option<f32>, BadValue> {
        let value = match self.eval(&plan.rule) {
            Err(_) if plan.rule.expression.is_column() => {
                return Err(self.refuse(&plan.rule, plan.kind.expected(), None));
            }
            Err(_) => self.number(&plan.rule)?,
            Ok(value) => value,
        };
        let Some(value) = value else { return Ok(None) };
        let refuse = |expected| self.refuse(&plan.rule, expected, Some(value));
        let label = plan.kind.label(value).ok_or_else(|| refuse(plan.kind.expected()))?;
        match &plan.range {
            Some((range, expected)) if !range.contains(label) => Err(refuse(expected.clone().into())),
            _ => Ok(Some(label)),
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of `Records`, some of them borrowed mutably")]
fn evaluate(
    plan: &Plan,
    text: &[u8],
    cells: &[Kept],
    unescaped: &[u8],
    partners: &mut [Option<u32>],
    made: &mut Made,
    extra: &mut Extra,
    sparse: &mut SparseRows,
    labels: &mut [f32],
    mask: &mut [f32],
) -> Result<(), BadValue> {
    for (number, (join, side)) in plan.joins.iter().zip(plan.sides.iter()).enumerate() {
        let record = Record { plan, text, cells, unescaped, partners: &[] };
        let key = record.raw(Origin::Kept(join.key));
        let which = record.which(Origin::Kept(join.key));
        partners[number] = made.partner(number, which, || side.find(key));
        if join.required && partners[number].is_none() {
            let expected = format!("a key of {}", side.path.display()).into();
            return Err(BadValue {
                origin: Some(Origin::Kept(join.key)),
                field: None,
                expected,
                found: shown(key),
            });
        }
    }
    let record = Record { plan, text, cells, unescaped, partners };
    for &(origin, feature) in &plan.features {
        let cell = record.raw(origin);
        let value = if plan.missing.contains(cell) { plan.numeric_missing } else { number::whole(cell) };
        let refuse = || BadValue {
            origin: Some(origin),
            field: None,
            expected: "a number".into(),
            found: shown(cell),
        };
        let value = value.ok_or_else(refuse)?;
        if value != 0.0 {
            sparse.columns.push(feature);
            sparse.values.push(value);
        }
    }
    for (number, (field, ids)) in plan.fields.iter().zip(&mut extra.fields).enumerate() {
        let coder = &plan.coders[field.table];
        match (&field.codes, field.origin) {
            (Some(codes), Origin::Side { join, .. }) => match record.partners[join as usize] {
                Some(row) => ids.push(codes.of(row as usize)),
                None if field.list.is_some() => ids.push(&[]),
                None => ids.push(&[coder.missing()]),
            },
            (_, origin) => {
                let which = record.which(origin);
                if let Some(before) = made.field(number, which) {
                    ids.repeat(before);
                    continue;
                }
                let cell = record.raw(origin);
                let missing = |text: &[u8]| plan.missing.contains(text);
                encode(cell, field.list, coder, &missing, &mut extra.interned[field.table], ids).map_err(
                    |expected| BadValue {
                        origin: Some(origin),
                        field: None,
                        expected: expected.into(),
                        found: shown(cell),
                    },
                )?;
                made.keep_field(number, which, ids.len());
            }
        }
    }
    let weight = match &plan.weight {
        None => 1.0,
        Some(rule) => {
            let value = record.number(rule)?;
            let good = value.map(|value| value as f32).filter(|weight| *weight >= 0.0 && weight.is_finite());
            good.ok_or_else(|| record.refuse(rule, "a weight from 0".into(), value))?
        }
    };
    for (task, label) in plan.labels.iter().enumerate() {
        let within = label.within.is_none() || record.truth(&label.within)? == Some(true);
        // Outside of its space it may be anything, such as -1 for what never happened.
        let value = match record.label(label) {
            Err(_) if !within => None,
            value => value?,
        };
        let present = if value.is_some() { weight } else { 0.0 };
        labels[task] = value.unwrap_or(0.0);
        mask[task] = if within { present } else { 0.0 };
        if plan.restricted {
            extra.labelled.push(present);
        }
    }
    if let Some(group) = plan.group {
        let number = || extra.group_values.intern(record.raw(group));
        extra.groups.push(made.group(record.which(group), number));
    }
    if let Some([valid, test]) = &plan.split {
        let part = match (record.truth(valid)? == Some(true), record.truth(test)? == Some(true), test) {
            (true, true, Some(test)) => {
                let found = "both".to_owned();
                let origin = test.origins.iter().flatten().next().copied();
                let expected = "a row for validation or for the test".into();
                return Err(BadValue { origin, field: Some("data.split".to_owned()), expected, found });
            }
            (true, _, _) => 1,
            (_, true, _) => 2,
            _ => 0,
        };
        extra.parts.push(part);
    }
    Ok(())
}

fn shown(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}
