//! What expressions make of a chunk: weights, labels within their sample spaces, and which rows are set aside.

use std::borrow::Cow;

use mt_features::expression::{BadCell, Numbers, Rows};
use mt_features::{Missing, Unit, Value};

use super::encode::{Chunk, Extra};
use super::plan::{LabelPlan, Origin, RulePlan};

/// The columns of an expression in a chunk.
pub(super) struct OfRule<'c, 'a> {
    chunk: &'c Chunk<'a>,
    rule: &'c RulePlan,
    rows: usize,
}

impl<'a> Rows<'a> for OfRule<'_, 'a> {
    fn len(&self) -> usize {
        self.rows
    }

    #[inline]
    fn value(&self, column: usize, row: usize) -> Value<'a> {
        self.rule.origins[column].map_or(Value::Missing, |origin| self.chunk.value(origin, row))
    }

    fn list<'l>(&self, column: usize, row: usize, list: &'l mut Vec<Value<'a>>) -> Value<'l>
    where
        'a: 'l,
    {
        self.rule.origins[column].map_or(Value::Missing, |origin| self.chunk.at(origin, row, list))
    }

    fn unit(&self, column: usize) -> Option<Unit> {
        match self.rule.origins[column]? {
            Origin::Kept(k) => self.chunk.plan.units.get(k as usize).copied().flatten(),
            Origin::Side { .. } | Origin::Computed(_) => None,
        }
    }

    fn missing(&self) -> &Missing {
        &self.chunk.plan.missing
    }
}

/// Why a label cannot be used.
enum BadLabel<'a> {
    Cell(BadCell),
    Value(Cow<'a, str>, f64),
}

impl<'a> Chunk<'a> {
    /// The columns of an expression.
    pub fn of_rule<'c>(&'c self, rule: &'c RulePlan) -> OfRule<'c, 'a> {
        OfRule { chunk: self, rule, rows: self.rows }
    }

    /// What an expression gives.
    fn numbers(&self, rule: &RulePlan) -> Numbers {
        let columns = self.of_rule(rule);
        match self.rows > 1 && rule.origins.iter().flatten().all(|&origin| self.is_same(origin)) {
            // Whether a day is one for validation is asked once a chunk of its folder.
            true => rule.expression.numbers(&OfRule { rows: 1, ..columns }).repeated(self.rows),
            false => rule.expression.numbers(&columns),
        }
    }

    /// The number of a row, where a cell that is none gives the row up.
    fn number(&mut self, rule: &RulePlan, numbers: &Numbers, row: usize) -> Option<f64> {
        numbers.at(row).unwrap_or_else(|bad| {
            self.refuse_cell(rule, row, bad);
            None
        })
    }

    fn truth(&mut self, rule: &RulePlan, numbers: &Numbers, row: usize) -> Option<bool> {
        self.number(rule, numbers, row).map(|value| value != 0.0)
    }

    /// Gives a row up for a value that a rule must not have: named after the rule, at its first column.
    fn refuse_rule(
        &mut self,
        rule: &RulePlan,
        row: usize,
        expected: impl Into<Cow<'static, str>>,
        value: Option<f64>,
    ) {
        let origin = rule.origins.iter().flatten().next().copied();
        let cell = origin.filter(|_| rule.expression.is_column());
        let cell = cell.map(|origin| self.value(origin, row).cell());
        let found = cell.unwrap_or_else(|| value.map_or(String::new(), |value| value.to_string()));
        self.refuse(row, origin, Some(rule.text.clone()), expected, found);
    }

    /// The weight of each row; none where all are 1.
    pub fn weights(&mut self) -> Vec<f32> {
        let Some(rule) = &self.plan.weight else { return Vec::new() };
        let numbers = self.numbers(rule);
        let mut weights = vec![1.0; self.rows];
        for (row, weight) in weights.iter_mut().enumerate() {
            if self.is_bad(row) {
                continue;
            }
            let value = self.number(rule, &numbers, row);
            match value.map(|value| value as f32).filter(|weight| *weight >= 0.0 && weight.is_finite()) {
                Some(good) => *weight = good,
                None => self.refuse_rule(rule, row, "a weight from 0", value),
            }
        }
        weights
    }

    /// Labels and mask, task by task.
    pub fn labels(&mut self, weights: &[f32], extra: &mut Extra) -> (Vec<f32>, Vec<f32>) {
        let plan = self.plan;
        let tasks = plan.labels.len();
        let (mut labels, mut mask) = (vec![0.0; self.rows * tasks], vec![0.0; self.rows * tasks]);
        if plan.restricted {
            extra.labelled = vec![0.0; self.rows * tasks];
        }
        for (task, label) in plan.labels.iter().enumerate() {
            let numbers = self.numbers(&label.rule);
            let space = label.within.as_ref().map(|rule| (rule, self.numbers(rule)));
            for row in 0..self.rows {
                if self.is_bad(row) {
                    continue;
                }
                let weight = weights.get(row).copied().unwrap_or(1.0);
                let within = match &space {
                    None => true,
                    Some((rule, numbers)) => self.truth(rule, numbers, row) == Some(true),
                };
                // Outside of its space it may be anything, such as -1 for what never happened.
                let value = match label.of(numbers.at(row)) {
                    Ok(value) => value,
                    Err(_) if !within => None,
                    Err(bad) => {
                        self.refuse_label(label, row, bad);
                        None
                    }
                };
                let (at, present) = (row * tasks + task, if value.is_some() { weight } else { 0.0 });
                labels[at] = value.unwrap_or(0.0);
                mask[at] = if within { present } else { 0.0 };
                if plan.restricted {
                    extra.labelled[at] = present;
                }
            }
        }
        (labels, mask)
    }

    #[cold]
    fn refuse_label(&mut self, plan: &LabelPlan, row: usize, bad: BadLabel<'_>) {
        match bad {
            BadLabel::Cell(_) if plan.rule.expression.is_column() => {
                self.refuse_rule(&plan.rule, row, plan.kind.expected(), None);
            }
            BadLabel::Cell(bad) => self.refuse_cell(&plan.rule, row, bad),
            BadLabel::Value(expected, value) => {
                self.refuse_rule(&plan.rule, row, expected.into_owned(), Some(value));
            }
        }
    }

    /// Says which rows are for validation and for the test.
    pub fn parts(&mut self, extra: &mut Extra) {
        let Some(split) = &self.plan.split else { return };
        let rules = split.each_ref().map(|rule| rule.as_ref().map(|rule| (rule, self.numbers(rule))));
        for row in 0..self.rows {
            let [valid, test] = rules.each_ref().map(|part| match part {
                Some((rule, numbers)) => self.truth(rule, numbers, row) == Some(true),
                None => false,
            });
            let part = match (valid, test) {
                (true, true) => {
                    let origin = split[1].iter().flat_map(|rule| &rule.origins).flatten().next().copied();
                    let expected = "a row for validation or for the test";
                    self.refuse(row, origin, Some("data.split".to_owned()), expected, "both".to_owned());
                    0
                }
                (true, false) => 1,
                (false, true) => 2,
                (false, false) => 0,
            };
            extra.parts.push(part);
        }
    }
}

impl LabelPlan {
    /// The label that a rule's value is.
    fn of(&self, value: Result<Option<f64>, BadCell>) -> Result<Option<f32>, BadLabel<'_>> {
        let Some(value) = value.map_err(BadLabel::Cell)? else { return Ok(None) };
        let label = self.kind.label(value).ok_or_else(|| BadLabel::Value(self.kind.expected(), value))?;
        match self.labels.as_ref().and_then(|(labels, task)| labels.refuses(label, task)) {
            Some(expected) => Err(BadLabel::Value(expected.into(), value)),
            None => Ok(Some(label)),
        }
    }
}
