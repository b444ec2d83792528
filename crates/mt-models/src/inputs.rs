//! The columns of a trunk's input: what they are of, and which of them a head's gate and tower read.

use std::collections::BTreeMap;
use std::ops::Range;

use mt_features::error::Nearest;
use mt_features::{Head, Schema};
use mt_layers::Side;

use crate::config::{ModelConfig, error};
use crate::error::Result;
use crate::lists::SequenceInput;

/// Columns of a trunk's input, by the fields and numeric columns that they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    width: usize,
    named: Vec<(String, Range<usize>)>,
    sequences: Vec<SequenceInput>,
}

/// Columns of the input that heads read in another way than the rest of the network; one entry a head, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadColumns {
    /// What each head's gate reads; `None` is all of them.
    pub gates: Vec<Option<Vec<u32>>>,
    /// What each head's tower reads beside its stream.
    pub towers: Vec<Option<Vec<u32>>>,
}

impl Inputs {
    /// Number of columns `D`.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The fields, then the numeric columns, each with its columns of the input.
    pub fn named(&self) -> &[(String, Range<usize>)] {
        &self.named
    }

    /// Lists that are read value by value.
    pub fn sequences(&self) -> &[SequenceInput] {
        &self.sequences
    }

    /// These and another column, of no name that a configuration has.
    pub(crate) fn with_one_more(&self) -> Self {
        let mut more = self.clone();
        more.named.push((String::new(), more.width..more.width + 1));
        more.width += 1;
        more
    }

    /// The columns of a field or a numeric column. Where both have the name, it is the field's.
    pub(crate) fn columns(&self, name: &str) -> Option<Range<usize>> {
        self.named.iter().find(|(own, _)| own == name).map(|(_, columns)| columns.clone())
    }
}

/// So many columns without names.
impl From<usize> for Inputs {
    fn from(width: usize) -> Self {
        Self { width, named: Vec::new(), sequences: Vec::new() }
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
    /// As [`ModelConfig::table_widths`], [`Architecture::check`](crate::Architecture::check), [`ModelConfig::head_columns`] and [`ModelConfig::stage_columns`], and if a list is
    /// read with attention of a field whose embeddings are not as wide.
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
        for fields in schema.sequences() {
            let sides = fields.iter().map(|&f| self.side(schema, &inputs, f)).collect::<Result<_>>()?;
            inputs.sequences.push(self.sequence(&schema.fields[fields[0]], sides)?);
        }
        self.check_sequences(&inputs.sequences)?;
        let heads = schema.heads();
        self.resolve()?.check(&heads.iter().map(|head| head.name.as_str()).collect::<Vec<_>>())?;
        self.head_columns(&inputs, &heads)?;
        self.stage_columns(&inputs)?;
        Ok(inputs)
    }

    /// What the list of field `f` fills, and of what.
    fn side(&self, schema: &Schema, inputs: &Inputs, f: usize) -> Result<Side> {
        let field = &schema.fields[f];
        let query = field.attention().map_or("", |attention| &attention.query);
        let of = |name: &str| inputs.columns(name).unwrap_or_default();
        let (own, candidate) = (of(&field.name), of(query));
        if own.len() != candidate.len() {
            let problem = format!(
                "field {:?} is pooled with attention of {query:?}: expected embeddings of one width, found {} and {} values",
                field.name,
                own.len(),
                candidate.len()
            );
            return Err(error("embedding.widths", problem));
        }
        Ok(Side { query: candidate.start, out: own.start, width: own.len() })
    }

    /// What `gate_fields` and `tower_fields` name of these inputs.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a head, or a field or numeric column, that is not there.
    pub fn head_columns(&self, inputs: &Inputs, heads: &[Head]) -> Result<HeadColumns> {
        let of = |key: &str, fields: &BTreeMap<String, Vec<String>>| {
            if let Some(unknown) = fields.keys().find(|name| !heads.iter().any(|head| head.name == **name)) {
                let names: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
                let problem = format!("there is no such head; the heads are {}", names.join(", "));
                return Err(error(&format!("{key}.{unknown}"), problem));
            }
            let own = |head: &Head| {
                let names = fields.get(&head.name);
                names.map(|names| columns(&format!("{key}.{}", head.name), inputs, names)).transpose()
            };
            heads.iter().map(own).collect()
        };
        Ok(HeadColumns {
            gates: of("gate_fields", &self.gate_fields)?,
            towers: of("tower_fields", &self.tower_fields)?,
        })
    }
}

pub(crate) fn columns(key: &str, inputs: &Inputs, names: &[String]) -> Result<Vec<u32>> {
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
