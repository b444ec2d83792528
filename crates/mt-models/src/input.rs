//! From a batch to the input of a trunk: numeric columns as they are, fields through their embedding tables.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use mt_data::{Batch, Encoders, Numeric, Schema};
use mt_layers::{Embeddings, Field, Ids, Input, Pooling, RowOptimizer, SparseRows, TableConfig};

use crate::config::ModelConfig;
use crate::error::{Error, Result};

/// What a model reads of some rows.
#[derive(Debug, Clone)]
pub struct Features {
    /// The numeric columns `(B, N)`; `None` where there are none.
    pub numeric: Option<Input>,
    /// Table rows, one entry a field of the schema.
    pub fields: Arc<[Ids]>,
}

impl Features {
    /// The features of a batch. Takes its columns over without copying.
    ///
    /// # Errors
    /// If the columns do not hold together.
    pub fn new(numeric: Numeric, fields: Vec<mt_data::Ids>) -> Result<Self> {
        let numeric = if numeric.width() > 0 { Some(input(numeric)?) } else { None };
        let ids = |ids: mt_data::Ids| Ids { offsets: ids.offsets, rows: ids.rows, weights: None };
        Ok(Self { numeric, fields: fields.into_iter().map(ids).collect() })
    }

    /// As [`Features::new`], of a whole batch.
    ///
    /// # Errors
    /// As [`Features::new`].
    pub fn of(batch: Batch) -> Result<Self> {
        Self::new(batch.numeric, batch.fields)
    }

    /// The features where they are used first: on `device` without fields, else on the host, where tables are.
    ///
    /// # Errors
    /// If they cannot be copied.
    pub fn to_device(self, device: &Device) -> Result<Self> {
        if !self.fields.is_empty() {
            return Ok(self);
        }
        let numeric = self.numeric.map(|input| input.to_device(device)).transpose()?;
        Ok(Self { numeric, ..self })
    }
}

/// The layer below the trunk. Clones share the tables.
#[derive(Debug, Clone)]
pub struct InputLayer {
    embeddings: Option<Embeddings>,
    numeric: usize,
    device: Device,
}

impl InputLayer {
    /// Untrained tables for the fields of `schema`, as large as `encoders` need; none for a schema without fields.
    /// Start values follow from `seed` and the tables' names; the layer's output is on `device`.
    ///
    /// # Errors
    /// [`Error::Config`] if `model.embedding` does not fit the fields, [`Error::Table`] if a table cannot be made.
    pub fn new(
        cfg: &ModelConfig,
        schema: &Schema,
        encoders: &Encoders,
        optimizer: RowOptimizer,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let (numeric, device) = (schema.numeric.len(), device.clone());
        let widths = cfg.table_widths(schema)?;
        if widths.is_empty() {
            return Ok(Self { embeddings: None, numeric, device });
        }
        let mut tables = Vec::with_capacity(widths.len());
        for (name, width) in widths {
            let rows = encoders.rows(&name).ok_or_else(|| Error::NoEncoder { table: name.clone() })?;
            tables.push((name, TableConfig { rows, width, optimizer }));
        }
        let field = |field: &mt_data::Field| Field {
            name: field.name.clone(),
            table: field.table.clone(),
            pooling: field.list.map_or(Pooling::Sum, |list| match list.pooling {
                mt_data::Pooling::Mean => Pooling::Mean,
                mt_data::Pooling::Sum => Pooling::Sum,
                mt_data::Pooling::Max => Pooling::Max,
            }),
        };
        let embeddings = Embeddings::new(tables, schema.fields.iter().map(field).collect(), seed)?;
        Ok(Self { embeddings: Some(embeddings), numeric, device })
    }

    /// Columns `D` of the trunk's input: the embeddings of the fields, then the numeric columns.
    pub fn width(&self) -> usize {
        self.numeric + self.embeddings.as_ref().map_or(0, Embeddings::width)
    }

    /// The tables, to be updated, saved and restored; `None` without fields.
    pub fn embeddings(&self) -> Option<&Embeddings> {
        self.embeddings.as_ref()
    }

    /// The trunk's input `(B, D)`.
    ///
    /// # Errors
    /// [`Error::Table`] if table rows do not fit the fields.
    pub fn forward(&self, xs: &Features) -> Result<Input> {
        match (&self.embeddings, &xs.numeric) {
            (Some(embeddings), numeric) => {
                let dense = embeddings.forward(xs.fields.clone(), numeric.as_ref())?;
                Ok(dense.to_device(&self.device)?.into())
            }
            (None, Some(numeric)) => Ok(numeric.clone()),
            (None, None) => Err(Error::Width { found: 0, expected: self.numeric }),
        }
    }
}

/// The numeric columns of a batch as a trunk's input. Takes them over without copying.
///
/// # Errors
/// If the rows do not hold together.
pub fn input(numeric: Numeric) -> Result<Input> {
    Ok(match numeric {
        Numeric::Sparse(rows) => SparseRows::new(rows.width, rows.offsets, rows.columns, rows.values)?.into(),
        Numeric::Dense(rows) => {
            let count = rows.values.len() / rows.width.max(1);
            Tensor::from_vec(rows.values, (count, rows.width), &Device::Cpu)?.into()
        }
    })
}
