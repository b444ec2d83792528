//! The columns of a file that are no plain numbers: of labels, rules, fields, and of what is computed.

use mt_features::{Schema, TaskConfig};

use super::columns::{Columns, Rule};
use crate::config::{Asked, DataConfig, asked};
use crate::error::{Nearest, Result};

/// The columns of everything but the numeric features. Computed columns are counted behind those of the file and of its side
/// tables.
#[derive(Default)]
pub(super) struct Others {
    pub labels: Vec<Rule>,
    pub within: Vec<Option<Rule>>,
    pub weight: Option<Rule>,
    pub group: Option<usize>,
    pub split: [Option<Rule>; 2],
    /// The key of each side table.
    pub keys: Vec<usize>,
    pub fields: Vec<usize>,
    pub computed: Vec<ComputedColumn>,
}

/// A computed column.
pub(super) struct ComputedColumn {
    pub name: String,
    pub rule: Rule,
    /// The configuration key of its expression; empty where a schema says it.
    pub key: String,
    /// Whether fields read it.
    pub of_field: bool,
}

impl Others {
    /// The columns that are no features under `features: all`.
    pub fn taken(&self) -> Vec<usize> {
        let mut taken: Vec<usize> = self.rules().flat_map(|rule| rule.present()).collect();
        taken.extend(self.group.iter().chain(&self.keys).chain(&self.fields));
        taken.extend(self.computed.iter().flat_map(ComputedColumn::taken));
        taken
    }

    /// The columns that must be there as they were written, not as the numbers of features alone.
    pub fn kept(&self) -> Vec<usize> {
        let mut kept = self.taken();
        kept.extend(self.computed.iter().flat_map(|computed| computed.rule.present()));
        kept
    }

    /// What is not there for inputs.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let options = self.within.iter().chain([&self.weight]).chain(&self.split).flatten();
        self.labels.iter().chain(options)
    }

    /// The same where only inputs are asked for.
    pub fn inputs(self) -> Self {
        let labels = self.labels.iter().map(|_| Rule::absent()).collect();
        let within = self.within.iter().map(|_| None).collect();
        let Others { keys, fields, computed, .. } = self;
        Others { labels, within, keys, fields, computed, ..Others::default() }
    }

    /// Refuses what is computed of a label.
    pub fn check_labels(&self, columns: Columns<'_>, tasks: &[TaskConfig]) -> Result<()> {
        for ComputedColumn { rule, key, .. } in &self.computed {
            for (mention, column) in rule.expression.columns().iter().zip(&rule.columns) {
                let is_label = |label: &Rule| column.is_some() && label.plain() == *column;
                if let Some(task) = self.labels.iter().position(is_label) {
                    let (name, task) = (&mention.name, &tasks[task].name);
                    let problem = format!(
                        "column {name:?} is the label of task {task:?}, so no input may be computed of it"
                    );
                    return Err(rule.error(key, mention.at, problem, Nearest(None)));
                }
            }
        }
        let own = |computed: &&ComputedColumn| columns.names.contains(&computed.name);
        match self.computed.iter().find(own) {
            None => Ok(()),
            Some(ComputedColumn { name, key, .. }) => {
                let expected = "a name that no column has, as the input is computed";
                let key = key.replace(".value", ".name");
                Err(mt_features::Error::Entry { key, expected, found: format!("{name:?}") }.into())
            }
        }
    }
}

impl ComputedColumn {
    /// Columns that are no features for its sake: all that a field is computed of, and what a number reads as a text, a time
    /// or a list. What it reads as a number may be one of its own.
    fn taken(&self) -> impl Iterator<Item = usize> {
        let numbers = if self.of_field { Vec::new() } else { self.rule.expression.read_as_numbers() };
        let columns = self.rule.columns.iter().enumerate();
        columns.filter(move |(i, _)| !numbers.contains(i)).filter_map(|(_, column)| *column)
    }
}

/// The columns that a configuration asks to be computed.
pub(super) fn computed(columns: Columns<'_>, data: &DataConfig) -> Result<Vec<ComputedColumn>> {
    let find = |Asked { key, column, of_field }: Asked| {
        let key = format!("{key}.value");
        let rule = columns.value(&column.value, &key, of_field)?;
        Ok(ComputedColumn { name: column.name, rule, key, of_field })
    };
    asked(&data.fields, &data.numbers).into_iter().map(find).collect()
}

/// The same of a model that exists.
pub(super) fn computed_again(columns: Columns<'_>, schema: &Schema) -> Result<Vec<ComputedColumn>> {
    let expressions = schema.expressions()?;
    let find = |(computed, expression): (&mt_features::Computed, mt_features::expression::Expression)| {
        let mentions = expression.columns().iter();
        let found = mentions.map(|mention| columns.named(&mention.name).map(Some)).collect::<Result<_>>()?;
        let rule = Rule { text: computed.value.clone(), columns: found, expression };
        let of_field = schema.fields.iter().any(|field| field.column == computed.name);
        Ok(ComputedColumn { name: computed.name.clone(), rule, key: String::new(), of_field })
    };
    schema.computed.iter().zip(expressions).map(find).collect()
}
