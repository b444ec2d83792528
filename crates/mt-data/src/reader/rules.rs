//! What expressions make of a chunk: weights, labels within their sample spaces, and which rows are set aside.

use std::borrow::Cow;

use super::encode::{Chunk, Extra};
use super::plan::{LabelPlan, RulePlan};
use crate::expression::{BadCell, Cell};

/// Why a label cannot be used.
enum BadLabel<'a> {
    Cell,
    Value(Cow<'a, str>, f64),
}

impl<'a> Chunk<'a> {
    /// What an expression finds in a row.
    fn eval(&self, rule: &'a RulePlan, row: usize) -> Result<Option<f64>, BadCell> {
        let missing = &self.plan.missing;
        let cell = |column: usize| Cell::of(self.value(rule.origins[column]?, row), missing);
        rule.expression.eval(&cell)
    }

    /// As [`eval`](Self::eval), where a cell that is no number gives the row up.
    fn number(&mut self, rule: &'a RulePlan, row: usize) -> Option<f64> {
        self.eval(rule, row).unwrap_or_else(|BadCell { column }| {
            let origin = rule.origins[column];
            let found = origin.map_or(String::new(), |origin| self.value(origin, row).cell());
            self.refuse(row, origin, None, "a number", found);
            None
        })
    }

    fn truth(&mut self, rule: &'a RulePlan, row: usize) -> Option<bool> {
        self.number(rule, row).map(|value| value != 0.0)
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
        let mut weights = vec![1.0; self.rows];
        for (row, weight) in weights.iter_mut().enumerate() {
            if self.is_bad(row) {
                continue;
            }
            let value = self.number(rule, row);
            match value.map(|value| value as f32).filter(|weight| *weight >= 0.0 && weight.is_finite()) {
                Some(good) => *weight = good,
                None => self.refuse_rule(rule, row, "a weight from 0", value),
            }
        }
        weights
    }

    /// Labels and mask, row by row.
    pub fn labels(&mut self, weights: &[f32], extra: &mut Extra) -> (Vec<f32>, Vec<f32>) {
        let plan = self.plan;
        let tasks = plan.labels.len();
        let (mut labels, mut mask) = (vec![0.0; self.rows * tasks], vec![0.0; self.rows * tasks]);
        if plan.restricted {
            extra.labelled = vec![0.0; self.rows * tasks];
        }
        for row in 0..self.rows {
            if self.is_bad(row) {
                continue;
            }
            let weight = weights.get(row).copied().unwrap_or(1.0);
            for (task, label) in plan.labels.iter().enumerate() {
                let within = match &label.within {
                    None => true,
                    Some(rule) => self.truth(rule, row) == Some(true),
                };
                // Outside of its space it may be anything, such as -1 for what never happened.
                let value = match self.label(label, row) {
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

    fn label(&self, plan: &'a LabelPlan, row: usize) -> Result<Option<f32>, BadLabel<'a>> {
        let Some(value) = self.eval(&plan.rule, row).map_err(|_| BadLabel::Cell)? else { return Ok(None) };
        let label = plan.kind.label(value).ok_or_else(|| BadLabel::Value(plan.kind.expected(), value))?;
        match &plan.range {
            Some((range, expected)) if !range.contains(label) => {
                Err(BadLabel::Value(expected.as_str().into(), value))
            }
            _ => Ok(Some(label)),
        }
    }

    #[cold]
    fn refuse_label(&mut self, plan: &'a LabelPlan, row: usize, bad: BadLabel<'_>) {
        match bad {
            BadLabel::Cell if plan.rule.expression.is_column() => {
                self.refuse_rule(&plan.rule, row, plan.kind.expected(), None);
            }
            BadLabel::Cell => {
                self.number(&plan.rule, row);
            }
            BadLabel::Value(expected, value) => {
                self.refuse_rule(&plan.rule, row, expected.into_owned(), Some(value));
            }
        }
    }

    /// Says which rows are for validation and for the test.
    pub fn parts(&mut self, extra: &mut Extra) {
        let Some([valid, test]) = &self.plan.split else { return };
        for row in 0..self.rows {
            let mut is = |rule: &'a Option<RulePlan>| match rule {
                Some(rule) => self.truth(rule, row) == Some(true),
                None => false,
            };
            let part = match (is(valid), is(test)) {
                (true, true) => {
                    let test = test.iter().flat_map(|test| &test.origins);
                    let origin = test.flatten().next().copied();
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
