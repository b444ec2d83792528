//! The columns of a trunk's input: what they are of, and which of them a task's gate and tower read.

use std::collections::BTreeMap;
use std::ops::Range;

use mt_data::error::Nearest;
use mt_data::{Schema, Task};

use crate::config::{ModelConfig, error};
use crate::error::Result;

/// Columns of a trunk's input, by the fields and numeric columns that they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    width: usize,
    named: Vec<(String, Range<usize>)>,
}

/// Columns of the input that tasks read in another way than the rest of the network; one entry a task, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskColumns {
    /// What each task's gate reads; `None` is all of them.
    pub gates: Vec<Option<Vec<u32>>>,
    /// What each task's tower reads beside its stream.
    pub towers: Vec<Option<Vec<u32>>>,
}

impl Inputs {
    /// Number of columns `D`.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The columns of a field or a numeric column. Where both have the name, it is the field's.
    fn columns(&self, name: &str) -> Option<Range<usize>> {
        self.named.iter().find(|(own, _)| own == name).map(|(_, columns)| columns.clone())
    }
}

/// So many columns without names.
impl From<usize> for Inputs {
    fn from(width: usize) -> Self {
        Self { width, named: Vec::new() }
    }
}

impl From<&Inputs> for Inputs {
    fn from(inputs: &Inputs) -> Self {
        inputs.clone()
    }
}

impl ModelConfig {
    /// The embedding tables of a schema's fields in order of first mention, with the values a row of each.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if `embedding` is about tables that the schema has not.
    pub fn table_widths(&self, schema: &Schema) -> Result<Vec<(String, usize)>> {
        let cfg = self.embedding.clone().unwrap_or_default();
        let mut tables: Vec<(String, usize)> = Vec::new();
        for field in &schema.fields {
            if !tables.iter().any(|(name, _)| *name == field.table) {
                let width = cfg.widths.get(&field.table).copied().unwrap_or(cfg.width);
                tables.push((field.table.clone(), width));
            }
        }
        if self.embedding.is_some() && tables.is_empty() {
            return Err(error("embedding", "the data has no fields (data.fields)"));
        }
        if let Some(unknown) = cfg.widths.keys().find(|key| !tables.iter().any(|(name, _)| name == *key)) {
            let known: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
            let problem = format!("there is no such table; the tables are {}", known.join(", "));
            return Err(error(&format!("embedding.widths.{unknown}"), problem));
        }
        Ok(tables)
    }

    /// Columns of the trunk's input: the embeddings of all fields, then the numeric columns.
    ///
    /// # Errors
    /// As [`ModelConfig::table_widths`] and [`ModelConfig::task_columns`].
    pub fn inputs(&self, schema: &Schema) -> Result<Inputs> {
        let tables = self.table_widths(schema)?;
        let of_fields = schema.fields.iter().map(|field| {
            let table = tables.iter().find(|(name, _)| *name == field.table);
            (&field.name, table.map_or(0, |(_, width)| *width))
        });
        let mut inputs = Inputs::from(0);
        for (name, width) in of_fields.chain(schema.numeric.iter().map(|name| (name, 1))) {
            let start = inputs.width;
            inputs.width += width;
            inputs.named.push((name.clone(), start..inputs.width));
        }
        self.task_columns(&inputs, &schema.tasks)?;
        Ok(inputs)
    }

    /// What `gate_fields` and `tower_fields` name of these inputs.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a task, or a field or numeric column, that is not there.
    pub fn task_columns(&self, inputs: &Inputs, tasks: &[Task]) -> Result<TaskColumns> {
        let of = |key: &str, fields: &BTreeMap<String, Vec<String>>| {
            if let Some(unknown) = fields.keys().find(|name| !tasks.iter().any(|task| task.name == **name)) {
                let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
                let problem = format!("there is no such task; the tasks are {}", names.join(", "));
                return Err(error(&format!("{key}.{unknown}"), problem));
            }
            let own = |task: &Task| {
                let names = fields.get(&task.name);
                names.map(|names| columns(&format!("{key}.{}", task.name), inputs, names)).transpose()
            };
            tasks.iter().map(own).collect()
        };
        Ok(TaskColumns {
            gates: of("gate_fields", &self.gate_fields)?,
            towers: of("tower_fields", &self.tower_fields)?,
        })
    }
}

fn columns(key: &str, inputs: &Inputs, names: &[String]) -> Result<Vec<u32>> {
    let mut columns = Vec::new();
    for name in names {
        let Some(own) = inputs.columns(name) else {
            let nearest = Nearest::of(name, inputs.named.iter().map(|(name, _)| name));
            let problem = format!("the data has no field or numeric column {name:?}{nearest}");
            return Err(error(key, problem));
        };
        columns.extend(own.map(|column| column as u32));
    }
    columns.sort_unstable();
    Ok(columns)
}
