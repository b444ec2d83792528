//! Which columns of a file are a schema's: of one that is known, or of the one that they give rise to.

use std::collections::{BTreeMap, BTreeSet};

use mt_features::{Field, Keep, List, Schema, fields};

use super::columns::{Columns, Rule};
use super::others::Others;
use super::request::{Labels, Request};
use crate::config::{Features, asked};
use crate::error::{Error, Result};
use crate::mentioned::Mentioned;

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
            pooling: config.pooling.clone().unwrap_or_default(),
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
    let computed =
        asked(&request.data.fields, &request.data.numbers).into_iter().map(|asked| asked.column).collect();
    Ok(Schema { numeric, fields, tasks: mt_features::tasks(&request.tasks)?, computed })
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
        // A folder sorts the rows, as an index would: its number says where they lie.
        Features::All => {
            let partitions = columns.width()..columns.own;
            (0..columns.names.len()).filter(|c| !taken.contains(c) && !partitions.contains(c)).collect()
        }
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
        (None, None) => columns.named(name),
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
