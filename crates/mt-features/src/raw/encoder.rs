//! From raw values to table rows and normalised numbers, shared between threads.

use std::collections::HashMap;
use std::sync::Arc;

use super::compute::{ComputedInput, Sources, computed};
use crate::error::{Error, Nearest, Result};
use crate::fields::{Coder, Encoders, FieldCoder, Ids, Memo};
use crate::missing::{Missing, MissingPolicy};
use crate::normalize::{Normalizer, Scaling};
use crate::rows::Layout;
use crate::schema::{List, Schema};
use crate::value::Value;

/// A column of raw rows, looked up once by [`RowEncoder::column`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column(pub(super) u32);

/// What a model does with raw values; immutable.
#[derive(Debug)]
pub struct RowEncoder {
    columns: Vec<String>,
    by_name: HashMap<String, u32>,
    /// How many columns, the first ones, are numbers.
    pub(super) numbers: usize,
    /// How many numbers a row has, with those that are computed.
    pub(super) width: usize,
    pub(super) computed: Vec<ComputedInput>,
    pub(super) sources: Sources,
    pub(super) scalings: Vec<Scaling>,
    /// The normalised row of zeros.
    pub(super) zeros: Vec<f32>,
    /// Its columns that are not 0.
    pub(super) moved: Vec<u32>,
    pub(super) layout: Layout,
    pub(super) fields: Vec<InputField>,
    /// The fields of each column.
    pub(super) fields_of: Vec<Vec<usize>>,
    pub(super) missing: Missing,
    /// What a missing number is before it is normalised; `None` for an error.
    pub(super) numeric_missing: Option<f32>,
    /// Fields whose lists have to be as long as those of others, see [`Schema::parallel`].
    pub(super) parallel: Vec<(usize, usize)>,
}

#[derive(Debug)]
pub(super) struct InputField {
    /// `None` for one that is computed.
    pub column: Option<u32>,
    pub list: Option<List>,
    coder: Coder,
}

impl InputField {
    /// No rows yet.
    pub fn none(&self) -> Ids {
        let ids = if self.list.is_some() { Ids::list() } else { Ids::single() };
        Ids { keys: self.coder.lists_keys().then(Arc::default), ..ids }
    }
}

impl RowEncoder {
    /// The encoder of a model.
    ///
    /// # Errors
    /// [`Error::NoEncoder`] for encoders of another schema, [`Error::Shape`] for such a normaliser, [`Error::Entry`] for a
    /// schema or encoders that no configuration could have led to.
    pub fn new(
        schema: &Schema,
        encoders: &Encoders,
        normalizer: &Normalizer,
        policy: &MissingPolicy,
    ) -> Result<Self> {
        schema.check()?;
        encoders.check(schema)?;
        let (expected, found) = (schema.numeric.len(), normalizer.columns.len());
        if found != expected {
            return Err(Error::Shape { what: "columns of the normaliser", expected, found });
        }
        let numbers = schema.own_numbers();
        let mut columns = schema.numeric[..numbers].to_vec();
        let mut by_name: HashMap<String, u32> = columns.iter().cloned().zip(0..).collect();
        let mut column = |name: &str| {
            *by_name.entry(name.to_owned()).or_insert_with(|| {
                columns.push(name.to_owned());
                columns.len() as u32 - 1
            })
        };
        let coders: HashMap<&str, Coder> =
            encoders.tables.iter().map(|table| (table.name.as_str(), Coder::frozen(table))).collect();
        let mut fields: Vec<InputField> = Vec::with_capacity(schema.fields.len());
        for field in &schema.fields {
            let coder = coders[field.table.as_str()].clone();
            let column = schema.computed(&field.column).is_none().then(|| column(&field.column));
            fields.push(InputField { column, list: field.list.clone(), coder });
        }
        let (computed, sources) = computed(schema, column)?;
        let mut fields_of = vec![Vec::new(); columns.len()];
        for (i, field) in fields.iter().enumerate() {
            if let Some(column) = field.column {
                fields_of[column as usize].push(i);
            }
        }
        let zero = |scaling: &Scaling| scaling.apply((0.0 - scaling.base) as f32);
        let zeros: Vec<f32> = normalizer.columns.iter().map(zero).collect();
        Ok(Self {
            columns,
            by_name,
            numbers,
            width: schema.numeric.len(),
            computed,
            sources,
            scalings: normalizer.columns.clone(),
            moved: (0..).zip(&zeros).filter(|(_, zero)| **zero != 0.0).map(|(column, _)| column).collect(),
            zeros,
            // As a table keeps rows without numbers.
            layout: if schema.numeric.is_empty() { Layout::Sparse } else { normalizer.layout },
            fields,
            fields_of,
            missing: Missing::new(&policy.texts),
            numeric_missing: policy.numeric.number(),
            parallel: schema.parallel(),
        })
    }

    /// The columns of a raw row in order: numbers as in the schema, then those of fields, then those of which inputs are
    /// computed, each once. What is computed is none of them.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The column called `name`.
    ///
    /// # Errors
    /// [`Error::UnknownInput`], with the nearest name.
    pub fn column(&self, name: &str) -> Result<Column> {
        self.by_name.get(name).map(|&column| Column(column)).ok_or_else(|| Error::UnknownInput {
            name: name.to_owned(),
            nearest: Nearest::of(name, &self.columns),
        })
    }

    /// Whether a column is a number, not that of fields or of expressions alone.
    pub fn is_number(&self, column: Column) -> bool {
        (column.0 as usize) < self.numbers
    }

    /// Whether a column holds lists for all that reads it.
    pub fn is_list(&self, column: Column) -> bool {
        let of_fields = self.fields_of.get(column.0 as usize).into_iter().flatten();
        let mut reads: Vec<bool> = of_fields.map(|&field| self.fields[field].list.is_some()).collect();
        for computed in &self.computed {
            let mentions = computed.expression.columns().iter().zip(&computed.sources);
            let mut mentions = mentions.filter(|(_, source)| self.sources.columns[**source] == column.0);
            reads.extend(mentions.by_ref().map(|(mention, _)| !mention.single));
        }
        !self.is_number(column) && !reads.is_empty() && reads.into_iter().all(|list| list)
    }

    /// The number of a value of a feature, less its base, NaN where it is missing; an error says what it should have been.
    #[inline]
    pub(super) fn number(
        &self,
        feature: u32,
        value: Value<'_>,
        missing: &Missing,
    ) -> Result<f32, &'static str> {
        value.trimmed().number_less(self.scalings[feature as usize].base, missing)
    }

    /// Whether a number of a feature is what it is where a row does not have it.
    #[inline]
    pub(super) fn is_zero(&self, feature: u32, number: f32) -> bool {
        number == 0.0 && self.scalings[feature as usize].base == 0.0
    }

    /// Appends the table rows of one value of a field; an error says what it should have been.
    pub(super) fn encode(
        &self,
        field: &InputField,
        value: Value<'_>,
        missing: &Missing,
        buffer: &mut Vec<u8>,
        ids: &mut Ids,
    ) -> Result<(), &'static str> {
        let (coder, list) = (&field.coder, field.list.as_ref());
        let mut coder = FieldCoder { coder, list, missing, memo: Memo::default() };
        let value = value.trimmed();
        let Some(mut keys) = ids.keys.take() else {
            // A fitted coder of rows numbers nothing.
            return coder.encode(value, &mut Vec::new(), buffer, ids);
        };
        let done = coder.encode(value, Arc::make_mut(&mut keys), buffer, ids);
        ids.keys = Some(keys);
        done
    }
}
