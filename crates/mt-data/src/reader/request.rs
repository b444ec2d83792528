//! What is asked of every file.

use std::collections::BTreeMap;

use mt_features::{ColumnRef, Field, Schema, TaskConfig, fields};

use super::columns::{Columns, Rule};
use super::others::{Others, computed, computed_again};
use crate::config::{CsvConfig, DataConfig, JoinConfig};
use crate::error::{Error, Result};

/// Whether a file must have label columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// Every task's label column must be there (its cells may be empty). For training and evaluation.
    Required,
    /// Label columns may be absent, and are then missing in every row. For rows that may be known already.
    Optional,
    /// No column is looked at that is there for labels, sample spaces, weights or groups alone, of whatever type it is and
    /// whatever it holds; labels are missing in every row. For prediction.
    Ignored,
}

/// What is asked of every file.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub csv: CsvConfig,
    pub data: DataConfig,
    pub tasks: Vec<TaskConfig>,
    pub labels: Labels,
    /// Whether rows are for training, so that `data.split` counts.
    pub training: bool,
    /// What is taken off the numbers of some features in double precision, by name.
    pub bases: BTreeMap<String, f64>,
}

impl Request {
    /// What `data`, whose rows come from files, and `tasks` ask for.
    pub fn new(data: &DataConfig, tasks: &[TaskConfig], labels: Labels, training: bool) -> Result<Self> {
        data.check()?;
        let Some(csv) = data.row_files() else { return Err(Error::Source { found: "none" }) };
        Ok(Request {
            csv,
            data: data.clone(),
            tasks: tasks.to_vec(),
            labels,
            training,
            bases: BTreeMap::new(),
        })
    }

    /// The same, with numbers less the bases of a model's columns.
    pub fn less(mut self, bases: impl IntoIterator<Item = (String, f64)>) -> Self {
        self.bases.extend(bases);
        self
    }

    /// What an empty cell of a feature stands for: NaN for the mean, `None` for an error.
    pub fn numeric_missing(&self) -> Option<f32> {
        self.data.numeric_missing.number()
    }

    /// Finds everything but the numeric features. With a schema, a file with names has the fields it names.
    pub fn others(&self, columns: Columns<'_>, schema: Option<&Schema>) -> Result<Others> {
        let absent = self.labels != Labels::Required;
        let rule = |written: &Option<ColumnRef>, key: &str, absent: bool| -> Result<Option<Rule>> {
            written.as_ref().map(|written| columns.rule(written, key, absent)).transpose()
        };
        let optional = |written: &Option<ColumnRef>, key: &str| rule(written, key, absent);
        let within = |task: &TaskConfig| optional(&task.within, &format!("tasks.{}.where", task.name));
        let labels = columns.labels(&self.tasks, absent)?;
        // Where it picks no rows, its columns are still no features.
        let split = self.data.split.clone().unwrap_or_default();
        let part = |written: &Option<ColumnRef>, key: &str| rule(written, key, absent || !self.training);
        let group = self.data.group.as_ref().map(|group| columns.find(group, "data.group"));
        let group = match group.transpose() {
            Err(_) if absent => None,
            other => other?,
        };
        // A key is a column of the file itself, or of a folder it is in.
        let own = Columns { names: &columns.names[..columns.own], ..columns };
        let key = |(i, join): (usize, &JoinConfig)| {
            own.find(&ColumnRef::Name(join.key.clone()), &format!("data.join[{i}].key"))
        };
        let computed = match schema {
            Some(schema) => computed_again(columns, schema)?,
            None => computed(columns, &self.data)?,
        };
        let computed_as = |name: &str| {
            let place = computed.iter().position(|computed| computed.name == name)?;
            Some(columns.names.len() + place)
        };
        let fields = match schema {
            Some(schema) if columns.named => {
                let find = |field: &Field| {
                    computed_as(&field.column).map_or_else(|| columns.named(&field.column), Ok)
                };
                schema.fields.iter().map(find).collect::<Result<Vec<usize>>>()?
            }
            _ => {
                let find = |(i, field): (usize, &fields::FieldConfig)| match (&field.column, &field.name) {
                    (Some(column), _) => columns.find(column, &format!("data.fields[{i}].column")),
                    (None, name) => name.as_deref().and_then(computed_as).ok_or_else(|| {
                        mt_features::Error::Entry {
                            key: format!("data.fields[{i}].name"),
                            expected: "a field that the model has",
                            found: format!("{name:?}"),
                        }
                        .into()
                    }),
                };
                self.data.fields.iter().enumerate().map(find).collect::<Result<_>>()?
            }
        };
        Ok(Others {
            within: self.tasks.iter().map(within).collect::<Result<_>>()?,
            weight: optional(&self.data.weight, "data.weight")?.filter(Rule::is_whole),
            group,
            split: [part(&split.valid, "data.split.valid")?, part(&split.test, "data.split.test")?],
            keys: self.data.join.iter().enumerate().map(key).collect::<Result<_>>()?,
            labels,
            fields,
            computed,
        })
    }
}
