//! From a batch to the input of a trunk: numeric columns as they are, fields through their embedding tables.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use mt_features::{Batch, Encoder, Encoders, Numeric, Schema};
use mt_layers::{Input, Run, SparseRows, Values};
use mt_tables::{
    Bytes, Embeddings, Field, FrozenEmbeddings, Growth, Ids, Pooling, RowOptimizer, Sequence, Share,
    TableConfig,
};

use crate::config::ModelConfig;
use crate::error::{Error, Result};

/// What a model reads of some rows.
#[derive(Debug, Clone)]
pub struct Features {
    /// The numeric columns `(B, N)`; `None` where there are none.
    pub numeric: Option<Input>,
    /// Table rows, one entry a field of the schema; of tables that grow, numbers of keys.
    pub fields: Arc<[Ids]>,
}

impl Features {
    /// The features of a batch. Takes its columns over without copying.
    ///
    /// # Errors
    /// If the columns do not hold together.
    #[inline]
    pub fn new(numeric: Numeric, fields: Vec<mt_features::Ids>) -> Result<Self> {
        let numeric = if numeric.width() > 0 { Some(input(numeric)?) } else { None };
        let ids = |ids: mt_features::Ids| Ids {
            offsets: ids.offsets,
            rows: ids.rows,
            keys: ids.keys,
            weights: None,
        };
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

/// What the tables make of the features of some rows.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// The trunk's input `(B, D)`, with zeros in the columns of lists that are read with attention.
    pub xs: Input,
    /// The values of these lists, in the order of [`Inputs::sequences`](crate::Inputs::sequences).
    pub lists: Vec<Values>,
}

/// The layer below the trunk. Clones share the tables.
#[derive(Debug, Clone)]
pub struct InputLayer {
    tables: Tables,
    sequences: Vec<Sequence>,
    numeric: usize,
    device: Device,
}

#[derive(Debug, Clone)]
enum Tables {
    None,
    Trained(Embeddings),
    Frozen(FrozenEmbeddings),
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
        Self::among(Share::alone(), cfg, schema, encoders, optimizer, seed, device)
    }

    /// As [`InputLayer::new`], with tables of which each of several ranks keeps some rows, see [`Embeddings::shared`].
    ///
    /// # Errors
    /// As [`InputLayer::new`].
    pub fn among(
        share: Share,
        cfg: &ModelConfig,
        schema: &Schema,
        encoders: &Encoders,
        optimizer: RowOptimizer,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        if schema.fields.is_empty() {
            return Self::numeric(cfg, schema, device);
        }
        let storage = cfg.embedding.as_ref().map(|embedding| embedding.storage).unwrap_or_default();
        let sized = |(name, rows, width): (String, usize, usize)| {
            let growth = match encoders.encoder(&name) {
                Some(Encoder::Growing(growing)) => Some(Growth { admit: growing.admit, ttl: growing.ttl }),
                _ => None,
            };
            (name, TableConfig { optimizer, growth, storage, ..TableConfig::new(rows, width) })
        };
        let tables: Vec<_> = sizes(cfg, schema, encoders)?.into_iter().map(sized).collect();
        let tables = Embeddings::shared(tables, fields(schema), seed, share)?;
        let sequences = sequences(schema, |names| tables.sequence(names))?;
        let tables = Tables::Trained(tables);
        Ok(Self { tables, sequences, numeric: schema.numeric.len(), device: device.clone() })
    }

    /// Tables for prediction, read from the file in `bytes`, see [`FrozenEmbeddings::new`].
    ///
    /// # Errors
    /// As [`InputLayer::new`], and [`Error::Table`] if the file is damaged or that of another model.
    pub fn frozen(
        cfg: &ModelConfig,
        schema: &Schema,
        encoders: &Encoders,
        seed: u64,
        bytes: Bytes,
        device: &Device,
    ) -> Result<Self> {
        let sizes = sizes(cfg, schema, encoders)?;
        let tables = FrozenEmbeddings::new(&sizes, fields(schema), seed, bytes)?;
        let sequences = sequences(schema, |names| tables.sequence(names))?;
        let tables = Tables::Frozen(tables);
        Ok(Self { tables, sequences, numeric: schema.numeric.len(), device: device.clone() })
    }

    /// Of a schema without fields.
    ///
    /// # Errors
    /// [`Error::Config`] if `model.embedding` asks for tables all the same.
    pub fn numeric(cfg: &ModelConfig, schema: &Schema, device: &Device) -> Result<Self> {
        cfg.table_widths(schema)?;
        Ok(Self {
            tables: Tables::None,
            sequences: Vec::new(),
            numeric: schema.numeric.len(),
            device: device.clone(),
        })
    }

    /// Columns `D` of the trunk's input: the embeddings of the fields, then the numeric columns.
    pub fn width(&self) -> usize {
        self.numeric
            + match &self.tables {
                Tables::None => 0,
                Tables::Trained(tables) => tables.width(),
                Tables::Frozen(tables) => tables.width(),
            }
    }

    /// The tables, to be updated, saved and restored; `None` without fields and of a model that only predicts.
    pub fn embeddings(&self) -> Option<&Embeddings> {
        match &self.tables {
            Tables::Trained(tables) => Some(tables),
            _ => None,
        }
    }

    /// Begins a training step in tables that grow, see [`Embeddings::admit_all`]: comes out what the step's batches look
    /// up.
    ///
    /// # Errors
    /// [`Error::Table`] if table rows do not fit the fields.
    pub fn admit(&self, mut batches: Vec<Features>) -> Result<Vec<Features>> {
        if let Tables::Trained(tables) = &self.tables {
            let fields = tables.admit_all(batches.iter().map(|xs| xs.fields.clone()).collect())?;
            batches.iter_mut().zip(fields).for_each(|(xs, fields)| xs.fields = fields);
        }
        Ok(batches)
    }

    /// Brings the rows that some batches look up here, see [`Embeddings::fetch`]: comes out what is to be given to
    /// [`InputLayer::forward`] until the next call.
    ///
    /// # Errors
    /// As [`InputLayer::admit`].
    pub fn fetch(&self, mut batches: Vec<Features>) -> Result<Vec<Features>> {
        if let Tables::Trained(tables) = &self.tables {
            let fields = tables.fetch(batches.iter().map(|xs| xs.fields.clone()).collect())?;
            batches.iter_mut().zip(fields).for_each(|(xs, fields)| xs.fields = fields);
        }
        Ok(batches)
    }

    /// All rows `(V, K)` of a table for prediction.
    ///
    /// # Errors
    /// [`Error::Table`] if there is no such table.
    pub fn table(&self, name: &str) -> Result<Tensor> {
        match &self.tables {
            Tables::Frozen(tables) => Ok(tables.table(name)?),
            _ => Err(mt_tables::Error::UnknownTable { table: name.to_owned() }.into()),
        }
    }

    /// What the network reads.
    ///
    /// # Errors
    /// [`Error::Table`] if table rows do not fit the fields, or lists that run in parallel are not equally long.
    #[inline]
    pub fn forward(&self, xs: &Features, run: &mut Run) -> Result<Embedded> {
        let (numeric, fields) = (xs.numeric.as_ref(), &xs.fields);
        let (dense, lists) = match (&self.tables, numeric) {
            (Tables::Trained(tables), _) => (
                tables.forward(fields.clone(), numeric, run)?,
                self.lists(fields, |list| tables.each(list, fields, run)),
            ),
            (Tables::Frozen(tables), _) => {
                (tables.forward(fields, numeric)?, self.lists(fields, |list| tables.each(list, fields)))
            }
            (Tables::None, Some(numeric)) => return Ok(Embedded { xs: numeric.clone(), lists: Vec::new() }),
            (Tables::None, None) => return Err(Error::Width { found: 0, expected: self.numeric }),
        };
        Ok(Embedded { xs: dense.to_device(&self.device)?.into(), lists: lists? })
    }

    /// The values of the lists that are read with attention, as `each` finds them.
    fn lists(
        &self,
        fields: &[Ids],
        mut each: impl FnMut(&Sequence) -> std::result::Result<Tensor, mt_tables::Error>,
    ) -> Result<Vec<Values>> {
        let list = |sequence: &Sequence| {
            let (values, offsets) = (each(sequence)?, sequence.offsets(fields)?.into());
            Ok(Values { values: values.to_device(&self.device)?, offsets })
        };
        self.sequences.iter().map(list).collect()
    }
}

/// The lists of a schema that are read with attention.
fn sequences(
    schema: &Schema,
    find: impl Fn(&[&str]) -> std::result::Result<Sequence, mt_tables::Error>,
) -> Result<Vec<Sequence>> {
    let names = |fields: Vec<usize>| fields.into_iter().map(|f| &*schema.fields[f].name).collect::<Vec<_>>();
    schema.sequences().into_iter().map(|fields| Ok(find(&names(fields))?)).collect()
}

/// Names, rows and widths of the tables.
fn sizes(cfg: &ModelConfig, schema: &Schema, encoders: &Encoders) -> Result<Vec<(String, usize, usize)>> {
    let size = |(name, width): (String, usize)| match encoders.rows(&name) {
        Some(rows) => Ok((name, rows, width)),
        None => Err(Error::NoEncoder { table: name }),
    };
    cfg.table_widths(schema)?.into_iter().map(size).collect()
}

fn fields(schema: &Schema) -> Vec<Field> {
    let field = |field: &mt_features::Field| Field {
        name: field.name.clone(),
        table: field.table.clone(),
        pooling: field.list.as_ref().map_or(Pooling::Sum, |list| match list.pooling {
            mt_features::Pooling::Mean => Pooling::Mean,
            mt_features::Pooling::Sum => Pooling::Sum,
            mt_features::Pooling::Max => Pooling::Max,
            mt_features::Pooling::Attention(_) | mt_features::Pooling::SelfAttention(_) => Pooling::Sequence,
        }),
    };
    schema.fields.iter().map(field).collect()
}

/// The numeric columns of a batch as a trunk's input. Takes them over without copying.
///
/// # Errors
/// If the rows do not hold together.
#[inline]
pub fn input(numeric: Numeric) -> Result<Input> {
    Ok(match numeric {
        Numeric::Sparse(rows) => SparseRows::new(rows.width, rows.offsets, rows.columns, rows.values)?.into(),
        Numeric::Dense(rows) => {
            let count = rows.values.len() / rows.width.max(1);
            Tensor::from_vec(rows.values, (count, rows.width), &Device::Cpu)?.into()
        }
    })
}
