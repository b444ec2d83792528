//! Which column of a file is which feature, field or label.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::columns::{Columns, Rule};
use super::others::{Others, computed, computed_again};
use super::plan::{Plan, Prepared};
use super::unlabelled;
use crate::computed::asked;
use crate::config::{ColumnRef, CsvConfig, DataConfig, Features, NumericMissing, TaskConfig};
use crate::error::{Error, Nearest, Result};
use crate::fields;
use crate::leaks::Mentioned;
use crate::schema::{self, Field, Keep, List, Schema};

/// What a column of a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// The feature of this number.
    Feature(u32),
    /// The binary label of this task.
    Label(u32),
    /// The kept cell of this number, for a [`Plan`].
    Keep(u32),
    /// Nothing.
    Skip,
}

/// The columns of one file.
#[derive(Debug)]
pub(super) struct Layout {
    pub path: PathBuf,
    /// Column names, for messages.
    pub names: Vec<String>,
    /// What each column is for.
    pub slots: Vec<Slot>,
    /// For each column, the first from there on that is no feature, or the last column if there is none.
    pub stops: Vec<u32>,
    /// Whether features come in the schema's order.
    pub ascending: bool,
    pub features: usize,
    pub tasks: usize,
    pub delimiter: u8,
    /// What an empty cell of a feature stands for: NaN for the mean, `None` for an error.
    pub numeric_missing: Option<f32>,
    /// What is made of kept cells, where numbers and 0/1 labels are not all.
    pub plan: Option<Plan>,
}

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
}

impl Request {
    /// What `data`, whose rows come from files, and `tasks` ask for.
    pub fn new(data: &DataConfig, tasks: &[TaskConfig], labels: Labels, training: bool) -> Result<Self> {
        data.check()?;
        let Some(csv) = data.row_files() else { return Err(Error::Source { found: "none" }) };
        Ok(Request { csv, data: data.clone(), tasks: tasks.to_vec(), labels, training })
    }

    /// What an empty cell of a feature stands for: NaN for the mean, `None` for an error.
    pub fn numeric_missing(&self) -> Option<f32> {
        match self.data.numeric_missing {
            NumericMissing::Fail => None,
            NumericMissing::Zero => Some(0.0),
            NumericMissing::Mean => Some(f32::NAN),
        }
    }

    /// Whether more is asked for than numbers and 0/1 labels in columns of their own.
    pub(super) fn needs_plan(&self, schema: &Schema, labels: &[Rule]) -> bool {
        let data = &self.data;
        let task = |task: &TaskConfig| {
            self.labels != Labels::Ignored && (task.within.is_some() || !task.kind.is_binary())
        };
        !schema.fields.is_empty()
            || !schema.computed.is_empty()
            || !data.join.is_empty()
            || (self.labels != Labels::Ignored && (data.weight.is_some() || data.group.is_some()))
            || (data.split.is_some() && self.training)
            || !self.csv.missing.is_empty()
            || self.tasks.iter().any(task)
            || labels.iter().any(|label| !label.expression.is_column())
    }

    /// Finds everything but the numeric features. With a schema, a file with names has the fields it names.
    fn others(&self, columns: Columns<'_>, schema: Option<&Schema>) -> Result<Others> {
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
        // A key is a column of the file itself.
        let own = Columns { names: &columns.names[..columns.own], ..columns };
        let key = |(i, join): (usize, &crate::config::JoinConfig)| {
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
                    computed_as(&field.column).map_or_else(|| named(columns, &field.column), Ok)
                };
                schema.fields.iter().map(find).collect::<Result<Vec<usize>>>()?
            }
            _ => {
                let find = |(i, field): (usize, &fields::FieldConfig)| match (&field.column, &field.name) {
                    (Some(column), _) => columns.find(column, &format!("data.fields[{i}].column")),
                    (None, name) => name.as_deref().and_then(computed_as).ok_or_else(|| Error::Entry {
                        key: format!("data.fields[{i}].name"),
                        expected: "a field that the model has",
                        found: format!("{name:?}"),
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

/// The column called `name` that a model was trained on.
pub(super) fn named(columns: Columns<'_>, name: &str) -> Result<usize> {
    columns.names.iter().position(|n| n == name).ok_or_else(|| {
        let (path, nearest) = (columns.path.to_owned(), Nearest::of(name, columns.names));
        Error::MissingFeature { path, name: name.to_owned(), nearest }
    })
}

/// The schema that a training file gives rise to.
pub(super) fn schema(columns: Columns<'_>, request: &Request) -> Result<Schema> {
    let others = request.others(columns, None)?;
    others.check_labels(columns, &request.tasks)?;
    let features = features(columns, request, &others)?;
    let numbers = request.data.numbers.iter().map(|number| number.name.clone());
    let numeric = features.iter().map(|&column| columns.names[column].clone()).chain(numbers).collect();
    let configs = &request.data.fields;
    let column = |i: usize| match columns.names.get(others.fields[i]) {
        Some(name) => name.clone(),
        None => configs[i].name.clone().unwrap_or_default(),
    };
    let name = |i: usize| configs[i].name.clone().unwrap_or_else(|| fields::default_name(&column(i)));
    let list = |config: &fields::FieldConfig| {
        config.separator.map(|separator| List {
            separator,
            pooling: config.pooling.unwrap_or_default(),
            keep: config.first.map(Keep::First).or(config.last.map(Keep::Last)),
        })
    };
    let field = |(i, config): (usize, &fields::FieldConfig)| Field {
        name: name(i),
        column: column(i),
        table: config.table.clone().unwrap_or_else(|| name(i)),
        list: list(config),
    };
    let fields = configs.iter().enumerate().map(field).collect();
    let computed = asked(&request.data).into_iter().map(|asked| asked.column).collect();
    Ok(Schema { numeric, fields, tasks: schema::tasks(&request.tasks)?, computed })
}

/// The inputs of `schema`, and columns of which such are computed, that expressions of labels, sample spaces or weights name too:
/// only what was listed can be.
pub(super) fn mentioned(columns: Columns<'_>, request: &Request, schema: &Schema) -> Result<Vec<Mentioned>> {
    let others = request.others(columns, None)?;
    let mut names: BTreeSet<&str> = schema.numeric.iter().map(String::as_str).collect();
    names.extend(schema.fields.iter().map(|field| field.column.as_str()));
    let read = others.computed.iter().flat_map(|computed| computed.rule.expression.columns());
    names.extend(read.map(|mention| mention.name.as_str()));
    let of = |key: String, rule: &Rule| -> Vec<Mentioned> {
        let inputs = rule.columns.iter().flatten().map(|&column| columns.names[column].as_str());
        let inputs = inputs.filter(|name| names.contains(name));
        inputs.map(|input| Mentioned { input: input.to_owned(), key: key.clone() }).collect()
    };
    let mut found = Vec::new();
    for ((task, label), within) in request.tasks.iter().zip(&others.labels).zip(&others.within) {
        found.extend(of(format!("tasks.{}.label", task.name), label));
        found.extend(within.iter().flat_map(|rule| of(format!("tasks.{}.where", task.name), rule)));
    }
    found.extend(others.weight.iter().flat_map(|rule| of("data.weight".to_owned(), rule)));
    Ok(found)
}

/// The feature columns in schema order.
fn features(columns: Columns<'_>, request: &Request, others: &Others) -> Result<Vec<usize>> {
    let csv = &request.csv;
    let excluded: Vec<usize> = csv
        .exclude
        .iter()
        .map(|c| columns.find(c, &request.data.files_key("exclude")))
        .collect::<Result<_>>()?;
    let taken = others.taken();
    let features: Vec<usize> = match &csv.features {
        Features::All => (0..columns.names.len()).filter(|c| !taken.contains(c)).collect(),
        Features::None => Vec::new(),
        Features::List(list) => {
            let key = request.data.files_key("features");
            list.iter().map(|c| columns.find(c, &key)).collect::<Result<_>>()?
        }
    };
    let mut seen = vec![false; columns.names.len()];
    for &feature in features.iter().chain(&others.fields) {
        if let Some(task) = others.labels.iter().position(|label| label.plain() == Some(feature)) {
            let (name, task) = (columns.names[feature].clone(), request.tasks[task].name.clone());
            return Err(Error::LabelAmongFeatures { name, task });
        }
    }
    for &feature in &features {
        if std::mem::replace(&mut seen[feature], true) || others.fields.contains(&feature) {
            return Err(Error::DuplicateFeature { name: columns.names[feature].clone() });
        }
    }
    let kept: Vec<usize> = features.into_iter().filter(|f| !excluded.contains(f)).collect();
    match kept.is_empty() && others.fields.is_empty() && others.computed.is_empty() {
        true => Err(Error::NoFeatures { path: columns.path.to_owned() }),
        false => Ok(kept),
    }
}

/// The columns of a file of a schema already known: features in its order, and everything else.
pub(super) fn resolve(
    columns: Columns<'_>,
    request: &Request,
    schema: &Schema,
) -> Result<(Vec<usize>, Others)> {
    if !columns.named {
        let others = request.others(columns, Some(schema))?;
        let features = features(columns, request, &others)?;
        let names = features.iter().map(|&feature| &columns.names[feature]);
        let own = &schema.numeric[..schema.own_numbers()];
        if names.eq(own) && others.fields.len() == schema.fields.len() {
            let computed = schema.numeric[own.len()..].iter().filter_map(|name| schema.computed(name));
            let features = features.iter().copied().chain(computed.map(|i| columns.names.len() + i));
            return Ok((features.collect(), others));
        }
        let expected = own.len() + request.tasks.len() + request.csv.exclude.len();
        let (path, found) = (columns.path.to_owned(), columns.names.len());
        return Err(Error::FileWidth { path, expected, without_labels: None, found });
    }
    let positions: BTreeMap<&str, usize> =
        columns.names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let feature = |name: &String| match (schema.computed(name), positions.get(name.as_str())) {
        (Some(computed), _) => Ok(columns.names.len() + computed),
        (None, Some(&column)) => Ok(column),
        (None, None) => named(columns, name),
    };
    let features: Vec<usize> = schema.numeric.iter().map(feature).collect::<Result<_>>()?;
    let mut others = request.others(columns, Some(schema))?;
    let inputs: BTreeSet<usize> = features.iter().chain(&others.fields).copied().collect();
    for (label, task) in others.labels.iter_mut().zip(&request.tasks) {
        let Some(column) = label.plain().filter(|column| inputs.contains(column)) else { continue };
        if request.labels == Labels::Required {
            let name = columns.names[column].clone();
            return Err(Error::LabelAmongFeatures { name, task: task.name.clone() });
        }
        // An index that hits a feature: the label columns before it are not in this file.
        label.columns = vec![None];
    }
    Ok((features, others))
}

impl Layout {
    /// The layout of a file for a schema already known.
    pub fn new(
        columns: Columns<'_>,
        request: &Request,
        schema: &Schema,
        prepared: &Prepared,
    ) -> Result<Self> {
        let (features, others) = match resolve(columns, request, schema) {
            Err(error) if !columns.named && request.labels != Labels::Required && !columns.shifted => {
                return unlabelled::layout(columns, request, schema, prepared)
                    .unwrap_or(Err(widths(error, request)));
            }
            other => other?,
        };
        Ok(Self::assemble(columns, request, schema, prepared, &features, others))
    }

    pub(super) fn assemble(
        columns: Columns<'_>,
        request: &Request,
        schema: &Schema,
        prepared: &Prepared,
        features: &[usize],
        others: Others,
    ) -> Self {
        let others = &if request.labels == Labels::Ignored { others.inputs() } else { others };
        let mut slots = vec![Slot::Skip; columns.own];
        let mut plan = None;
        if columns.typed || request.needs_plan(schema, &others.labels) {
            plan = Some(Plan::new(columns, request, schema, prepared, features, others, &mut slots));
        } else {
            (0u32..).zip(features).for_each(|(i, &column)| slots[column] = Slot::Feature(i));
            let labels = (0u32..).zip(&others.labels).filter_map(|(i, label)| Some((i, label.plain()?)));
            labels.for_each(|(i, column)| slots[column] = Slot::Label(i));
        }
        let last = slots.len().saturating_sub(1) as u32;
        let mut stops = vec![last; slots.len()];
        for (column, slot) in slots.iter().enumerate().rev() {
            let following = stops.get(column + 1).copied().unwrap_or(last);
            let stops_here = matches!(slot, Slot::Label(_) | Slot::Keep(_));
            stops[column] = if stops_here { column as u32 } else { following };
        }
        let order = slots.iter().filter_map(|slot| match slot {
            Slot::Feature(feature) => Some(feature),
            _ => None,
        });
        let ascending = order.is_sorted() && plan.as_ref().is_none_or(|plan| plan.features.is_empty());
        Layout {
            path: columns.path.to_owned(),
            names: columns.names.to_vec(),
            stops,
            ascending,
            features: schema.numeric.len(),
            tasks: request.tasks.len(),
            delimiter: prepared.delimiter,
            numeric_missing: request.numeric_missing(),
            slots,
            plan,
        }
    }
}

/// Says that a file of another width would have been right without labels too.
fn widths(error: Error, request: &Request) -> Error {
    match error {
        Error::FileWidth { path, expected, found, .. } => {
            let without_labels = Some(expected - request.tasks.len());
            Error::FileWidth { path, expected, without_labels, found }
        }
        other => other,
    }
}
