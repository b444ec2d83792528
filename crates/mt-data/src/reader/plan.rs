//! What is made of the columns of a file, beyond plain numbers in a text.

use std::sync::Arc;

use mt_features::expression::Expression;
#[cfg(feature = "parquet")]
use mt_features::fields::agreed;
use mt_features::fields::{Coder, Ids};
use mt_features::{LabelRule, List, Missing, Schema, TaskKind, Unit};

use super::columns::{Columns, Rule};
use super::others::Others;
use super::request::Request;
use super::side::Side;
use crate::config::JoinMissing;
#[cfg(feature = "parquet")]
use crate::error::Result;

/// What a column of a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// The feature of this number.
    Feature(u32),
    /// The kept cell of this number, for a [`Plan`].
    Keep(u32),
    /// Nothing.
    Skip,
}

/// What the layouts of all files have in common.
#[derive(Debug)]
pub(super) struct Prepared {
    pub delimiter: u8,
    pub sides: Arc<Vec<Side>>,
    /// How each table's values become codes.
    pub coders: Arc<Vec<Coder>>,
    /// Each field's table and, for the column of a side table, the codes of its rows.
    pub fields: Vec<PreparedField>,
}

#[derive(Debug, Clone)]
pub(super) struct PreparedField {
    pub table: usize,
    pub codes: Option<Arc<Ids>>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A kept cell of the record.
    Kept(u32),
    /// A column of the record's partner in a side table.
    Side { join: u32, column: u32 },
    /// A column that is computed.
    Computed(u32),
}

/// An expression and where its columns come from.
#[derive(Debug)]
pub(super) struct RulePlan {
    /// What to call its value.
    pub text: String,
    pub expression: Expression,
    /// `None` for a column that is not there.
    pub origins: Vec<Option<Origin>>,
}

#[derive(Debug)]
pub(super) struct FeaturePlan {
    pub origin: Origin,
    /// Its number among the features.
    pub number: u32,
    /// Taken off in double precision.
    pub base: f64,
}

#[derive(Debug)]
pub(super) struct FieldPlan {
    pub origin: Origin,
    pub table: usize,
    pub list: Option<List>,
    pub codes: Option<Arc<Ids>>,
}

#[derive(Debug)]
pub(super) struct LabelPlan {
    pub rule: RulePlan,
    pub within: Option<RulePlan>,
    pub kind: TaskKind,
    /// What the task's loss takes, and the task's name.
    pub labels: Option<(LabelRule, String)>,
}

#[derive(Debug)]
pub(super) struct JoinPlan {
    /// The kept cell with the key.
    pub key: u32,
    pub required: bool,
}

/// What is made of the kept cells of a record.
#[derive(Debug)]
pub(super) struct Plan {
    /// The column of each kept cell.
    pub kept: Vec<usize>,
    /// For each kept cell, in what its column counts time, if its type says it; empty where none does.
    pub units: Vec<Option<Unit>>,
    /// The columns that are computed.
    pub computed: Vec<RulePlan>,
    pub joins: Vec<JoinPlan>,
    pub features: Vec<FeaturePlan>,
    pub fields: Vec<FieldPlan>,
    /// Fields whose lists have to be as long as those of others, see [`Schema::parallel`].
    pub parallel: Vec<(usize, usize)>,
    pub labels: Vec<LabelPlan>,
    /// Whether some task has a sample space.
    pub restricted: bool,
    pub weight: Option<RulePlan>,
    pub group: Option<Origin>,
    /// Rules of the rows for validation and for the test.
    pub split: Option<[Option<RulePlan>; 2]>,
    pub sides: Arc<Vec<Side>>,
    pub coders: Arc<Vec<Coder>>,
    /// Texts that say that a value is missing.
    pub missing: Missing,
    pub numeric_missing: Option<f32>,
}

impl Origin {
    /// The side column so many behind the file's own columns.
    pub fn behind(sides: &[Side], behind: usize) -> Self {
        let mut column = behind;
        for (join, side) in (0u32..).zip(sides) {
            match side.nth(column) {
                Some(column) => return Origin::Side { join, column: column as u32 },
                None => column -= side.width(),
            }
        }
        unreachable!("columns behind the file's own are those of the side tables")
    }
}

impl Plan {
    /// All expressions.
    #[cfg(feature = "parquet")]
    fn rules(&self) -> impl Iterator<Item = &RulePlan> {
        let within = self.labels.iter().filter_map(|label| label.within.as_ref());
        let rules = self.labels.iter().map(|label| &label.rule).chain(within).chain(&self.weight);
        rules.chain(self.split.iter().flatten().flatten()).chain(&self.computed)
    }

    /// Where the values come from that are no list.
    #[cfg(feature = "parquet")]
    fn single(&self) -> impl Iterator<Item = Origin> {
        let mentions = self.rules().flat_map(|rule| rule.expression.columns().iter().zip(&rule.origins));
        let origins = mentions.filter(|(mention, _)| mention.single).filter_map(|(_, origin)| *origin);
        let keys = self.joins.iter().map(|join| Origin::Kept(join.key));
        origins.chain(keys).chain(self.features.iter().map(|feature| feature.origin)).chain(self.group)
    }

    /// The separator of the kept cell number `k`, if fields of several values and lists of expressions, which agree on it, are
    /// all that it is for.
    #[cfg(feature = "parquet")]
    pub fn separator(&self, k: u32) -> Option<char> {
        let kept = Origin::Kept(k);
        let fields = self.fields.iter().filter(|field| field.origin == kept);
        let separators = fields.map(|field| field.list.as_ref().map(|list| list.separator));
        let mentions = self.rules().flat_map(|rule| rule.expression.columns().iter().zip(&rule.origins));
        let lists =
            mentions.filter(|(_, origin)| **origin == Some(kept)).filter_map(|(mention, _)| mention.list);
        if self.single().any(|origin| origin == kept) { None } else { agreed(separators.chain(lists)) }
    }

    /// Refuses columns of side tables that are needed and cannot be read.
    #[cfg(feature = "parquet")]
    pub fn check_sides(&self) -> Result<()> {
        let read = self.rules().flat_map(|rule| rule.origins.iter().flatten().copied());
        let mut origins = self.single().chain(self.fields.iter().map(|field| field.origin)).chain(read);
        origins.try_for_each(|origin| match origin {
            Origin::Side { join, column } => self.sides[join as usize].check(column as usize),
            Origin::Kept(_) | Origin::Computed(_) => Ok(()),
        })
    }

    /// Says in `slots` what the columns of the file and of its folders are for.
    pub fn new(
        columns: Columns<'_>,
        request: &Request,
        schema: &Schema,
        prepared: &Prepared,
        features: &[usize],
        others: &Others,
        slots: &mut [Slot],
    ) -> Self {
        let mut kept: Vec<usize> = Vec::new();
        let mut keep = |column: usize| -> u32 {
            if let Slot::Keep(k) = slots[column] {
                return k;
            }
            slots[column] = Slot::Keep(kept.len() as u32);
            kept.push(column);
            kept.len() as u32 - 1
        };
        let joins = others.keys.iter().zip(&request.data.join);
        let joins = joins
            .map(|(&key, join)| JoinPlan { key: keep(key), required: join.missing == JoinMissing::Fail })
            .collect();
        let mut origin = |column: usize| {
            if let Some(computed) = column.checked_sub(columns.names.len()) {
                return Origin::Computed(computed as u32);
            }
            match column.checked_sub(columns.own) {
                None => Origin::Kept(keep(column)),
                Some(behind) => Origin::behind(&prepared.sides, behind),
            }
        };
        let mut rule = |rule: &Rule| RulePlan {
            text: crate::message::short(&rule.text),
            expression: rule.expression.clone(),
            origins: rule.columns.iter().map(|column| column.map(&mut origin)).collect(),
        };
        let labels = others.labels.iter().zip(&others.within).zip(&request.tasks);
        let labels = labels
            .map(|((label, within), task)| LabelPlan {
                rule: rule(label),
                within: within.as_ref().map(&mut rule),
                kind: task.kind,
                labels: task.labels.clone().map(|labels| (labels, task.name.clone())),
            })
            .collect();
        let weight = others.weight.as_ref().map(&mut rule);
        let split = others.split.each_ref().map(|part| part.as_ref().map(&mut rule));
        let computed =
            others.computed.iter().map(|column| RulePlan { text: column.name.clone(), ..rule(&column.rule) });
        let computed = computed.collect();
        let fields = others.fields.iter().zip(&schema.fields).zip(&prepared.fields);
        let fields = fields
            .map(|((&column, field), prepared)| FieldPlan {
                origin: origin(column),
                table: prepared.table,
                list: field.list.clone(),
                codes: prepared.codes.clone(),
            })
            .collect();
        let group = others.group.map(&mut origin);
        // Last, as a column that is nothing but a feature needs no cell: it is read as a number right away, unless
        // its text may say that it is missing.
        let missing = Missing::new(&request.csv.missing);
        let taken = others.kept();
        let text = !columns.typed && missing.is_empty();
        let number = |column: usize| text && column < columns.width() && !taken.contains(&column);
        let base =
            |feature: u32| request.bases.get(&schema.numeric[feature as usize]).copied().unwrap_or_default();
        let (numbers, cells): (Vec<_>, Vec<_>) =
            (0u32..).zip(features).partition(|&(feature, &column)| number(column) && base(feature) == 0.0);
        let feature = |(number, &column): (u32, &usize)| FeaturePlan {
            origin: origin(column),
            number,
            base: base(number),
        };
        let features = cells.into_iter().map(feature).collect();
        numbers.into_iter().for_each(|(feature, &column)| slots[column] = Slot::Feature(feature));
        Plan {
            kept,
            units: Vec::new(),
            computed,
            joins,
            features,
            fields,
            parallel: schema.parallel(),
            labels,
            restricted: request.tasks.iter().any(|task| task.within.is_some()),
            weight,
            group,
            split: (request.training && request.data.split.is_some()).then_some(split),
            sides: prepared.sides.clone(),
            coders: prepared.coders.clone(),
            missing,
            numeric_missing: request.numeric_missing(),
        }
    }
}
