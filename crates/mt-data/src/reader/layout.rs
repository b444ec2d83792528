//! Which column of a file is which feature or label.

use std::path::{Path, PathBuf};

use crate::config::{ColumnRef, CsvConfig, Features, TaskConfig};
use crate::error::{Error, Nearest, Result};
use crate::schema::{self, Schema};

/// What a column of a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// The feature of this number.
    Feature(u32),
    /// The label of this task.
    Label(u32),
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
    /// For each column, the first label column from there on, or the last column if there is none.
    pub stops: Vec<u32>,
    /// Whether features come in the schema's order.
    pub ascending: bool,
    pub features: usize,
    pub tasks: usize,
    pub delimiter: u8,
}

/// Whether a file must have label columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// Every task's label column must be there (its cells may be empty). For training and evaluation.
    Required,
    /// Label columns may be absent, and are then missing in every row. For prediction.
    Optional,
}

/// The columns of a file: its path, their names, and whether those are real names or made from their positions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub path: &'a Path,
    pub names: &'a [String],
    pub named: bool,
}

impl Columns<'_> {
    fn find(&self, column: &ColumnRef, key: &str) -> Result<usize> {
        let (key, path) = (key.to_owned(), self.path.to_owned());
        match column {
            &ColumnRef::Index(index) if index < self.names.len() => Ok(index),
            &ColumnRef::Index(index) => {
                Err(Error::ColumnOutOfRange { key, index, width: self.names.len(), path })
            }
            ColumnRef::Name(name) if !self.named => Err(Error::Unnamed { key, name: name.clone(), path }),
            ColumnRef::Name(name) => self.names.iter().position(|n| n == name).ok_or_else(|| {
                let nearest = Nearest::of(name, self.names);
                Error::UnknownColumn { key, name: name.clone(), path, nearest }
            }),
        }
    }

    /// The label column of each task, each another one.
    pub fn labels(&self, tasks: &[TaskConfig]) -> Result<Vec<usize>> {
        let find = |task: &TaskConfig| self.find(&task.label, &label_key(task));
        let labels: Vec<usize> = tasks.iter().map(find).collect::<Result<_>>()?;
        for (second, label) in labels.iter().enumerate() {
            if let Some(first) = labels[..second].iter().position(|l| l == label) {
                let name = |i: usize| tasks[i].name.clone();
                let column = self.names[*label].clone();
                return Err(Error::SharedLabel { first: name(first), second: name(second), column });
            }
        }
        Ok(labels)
    }
}

fn label_key(task: &TaskConfig) -> String {
    format!("tasks.{}.label", task.name)
}

/// The schema that a training file gives rise to.
pub(super) fn schema(columns: Columns<'_>, csv: &CsvConfig, tasks: &[TaskConfig]) -> Result<Schema> {
    let features = features(columns, csv, tasks, &columns.labels(tasks)?)?;
    let numeric = features.iter().map(|&column| columns.names[column].clone()).collect();
    Ok(Schema { numeric, tasks: schema::tasks(tasks)? })
}

/// The feature columns in schema order.
fn features(
    columns: Columns<'_>,
    csv: &CsvConfig,
    tasks: &[TaskConfig],
    labels: &[usize],
) -> Result<Vec<usize>> {
    let excluded: Vec<usize> =
        csv.exclude.iter().map(|c| columns.find(c, "data.csv.exclude")).collect::<Result<_>>()?;
    let features: Vec<usize> = match &csv.features {
        Features::All => (0..columns.names.len()).filter(|c| !labels.contains(c)).collect(),
        Features::List(list) => {
            list.iter().map(|c| columns.find(c, "data.csv.features")).collect::<Result<_>>()?
        }
    };
    let mut seen = vec![false; columns.names.len()];
    for &feature in &features {
        let name = columns.names[feature].clone();
        if let Some(task) = labels.iter().position(|&label| label == feature) {
            return Err(Error::LabelAmongFeatures { name, task: tasks[task].name.clone() });
        }
        if std::mem::replace(&mut seen[feature], true) {
            return Err(Error::DuplicateFeature { name });
        }
    }
    let kept: Vec<usize> = features.into_iter().filter(|f| !excluded.contains(f)).collect();
    if kept.is_empty() { Err(Error::NoFeatures { path: columns.path.to_owned() }) } else { Ok(kept) }
}

impl Layout {
    /// The layout of a file for a schema already known.
    pub fn new(
        columns: Columns<'_>,
        csv: &CsvConfig,
        tasks: &[TaskConfig],
        schema: &Schema,
        labels: Labels,
    ) -> Result<Self> {
        let slots = if columns.named {
            by_name(columns, tasks, schema, labels)?
        } else {
            by_position(columns, csv, tasks, schema, labels)?
        };
        let last = slots.len().saturating_sub(1) as u32;
        let mut stops = vec![last; slots.len()];
        for (column, slot) in slots.iter().enumerate().rev() {
            let following = stops.get(column + 1).copied().unwrap_or(last);
            stops[column] = if matches!(slot, Slot::Label(_)) { column as u32 } else { following };
        }
        let order = slots.iter().filter_map(|slot| match slot {
            Slot::Feature(feature) => Some(feature),
            _ => None,
        });
        Ok(Layout {
            path: columns.path.to_owned(),
            names: columns.names.to_vec(),
            stops,
            ascending: order.is_sorted(),
            features: schema.numeric.len(),
            tasks: tasks.len(),
            delimiter: csv.delimiter_byte()?,
            slots,
        })
    }
}

/// A file with a header: columns in any order, others are ignored.
fn by_name(columns: Columns<'_>, tasks: &[TaskConfig], schema: &Schema, labels: Labels) -> Result<Vec<Slot>> {
    let mut slots = vec![Slot::Skip; columns.names.len()];
    let positions: std::collections::BTreeMap<&str, usize> =
        columns.names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    for (feature, name) in (0u32..).zip(&schema.numeric) {
        let Some(&column) = positions.get(name.as_str()) else {
            let (path, nearest) = (columns.path.to_owned(), Nearest::of(name, columns.names));
            return Err(Error::MissingFeature { path, name: name.clone(), nearest });
        };
        slots[column] = Slot::Feature(feature);
    }
    for (task, config) in (0u32..).zip(tasks) {
        match columns.find(&config.label, &label_key(config)) {
            Ok(column) if slots[column] == Slot::Skip => slots[column] = Slot::Label(task),
            // An index that hits a feature: the label columns before it are not in this file.
            Ok(_) if labels == Labels::Optional => {}
            Ok(column) => {
                let name = columns.names[column].clone();
                return Err(Error::LabelAmongFeatures { name, task: config.name.clone() });
            }
            Err(_) if labels == Labels::Optional => {}
            Err(error) => return Err(error),
        }
    }
    Ok(slots)
}

/// A file without header: its width tells whether the labels are there.
fn by_position(
    columns: Columns<'_>,
    csv: &CsvConfig,
    tasks: &[TaskConfig],
    schema: &Schema,
    labels: Labels,
) -> Result<Vec<Slot>> {
    match (with_labels(columns, csv, tasks, schema), labels) {
        (Err(error), Labels::Optional) => {
            without_labels(columns.names.len(), csv, tasks, schema).ok_or(error)
        }
        (result, _) => result,
    }
    .map_err(|error| match error {
        Error::FileWidth { path, expected, found, .. } => {
            let without_labels = (labels == Labels::Optional).then(|| expected - tasks.len());
            Error::FileWidth { path, expected, without_labels, found }
        }
        other => other,
    })
}

fn with_labels(
    columns: Columns<'_>,
    csv: &CsvConfig,
    tasks: &[TaskConfig],
    schema: &Schema,
) -> Result<Vec<Slot>> {
    let labels = columns.labels(tasks)?;
    let features = features(columns, csv, tasks, &labels)?;
    let names = features.iter().map(|&feature| &columns.names[feature]);
    if !names.eq(&schema.numeric) {
        let expected = schema.numeric.len() + tasks.len() + csv.exclude.len();
        let (path, found) = (columns.path.to_owned(), columns.names.len());
        return Err(Error::FileWidth { path, expected, without_labels: None, found });
    }
    let mut slots = vec![Slot::Skip; columns.names.len()];
    (0u32..).zip(features).for_each(|(i, column)| slots[column] = Slot::Feature(i));
    (0u32..).zip(labels).for_each(|(i, column)| slots[column] = Slot::Label(i));
    Ok(slots)
}

/// The slots of a file with the training file's columns less the labels, if `width` fits that.
fn without_labels(width: usize, csv: &CsvConfig, tasks: &[TaskConfig], schema: &Schema) -> Option<Vec<Slot>> {
    let count = schema.numeric.len();
    if let Features::List(_) = csv.features {
        // How many more columns the training file had is not known: exactly the features, in their order.
        return (width == count).then(|| (0..count as u32).map(Slot::Feature).collect());
    }
    let is_label = |column: usize| tasks.iter().any(|task| task.label == ColumnRef::Index(column));
    let is_excluded = |column: usize| csv.exclude.contains(&ColumnRef::Index(column));
    let mut features = 0u32..;
    let slots: Vec<Slot> = (0..width + tasks.len())
        .filter(|&column| !is_label(column))
        .map(|column| if is_excluded(column) { None } else { features.next() })
        .map(|feature| feature.map_or(Slot::Skip, Slot::Feature))
        .collect();
    (slots.len() == width && features.start as usize == count).then_some(slots)
}
