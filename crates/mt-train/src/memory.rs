//! Whether a training run can fit into memory, before it asks for any.

use mt_data::{Dataset, gigabytes, physical_memory};
use mt_features::Head;
use mt_models::{Inputs, ModelConfig, count, inventory};
use mt_tables::TableConfig;

use crate::config::Config;
use crate::error::{Error, Result};

/// Bytes of a number.
const NUMBER: u128 = 4;

/// A part of what a run takes, and the keys that it follows from.
struct Part {
    what: String,
    keys: &'static str,
    bytes: u128,
}

impl Config {
    /// The model section with the widths that its budget allows for `data`, where that and the rest of a step fit into
    /// memory.
    ///
    /// # Errors
    /// As [`Config::sized_model`], and [`Error::Config`] for what does not fit into the memory there is.
    pub fn fitting_model(&self, data: &Dataset) -> Result<ModelConfig> {
        let inputs = self.model.inputs(&data.schema)?;
        let model = self.sized_model(&inputs, &data.schema.heads())?;
        check(self, &model, &inputs, data)?;
        Ok(model)
    }
}

/// Refuses a model that takes more than all memory there is, by parts that it takes in any case: parameters with their
/// gradients and the optimizer's state, embedding tables with theirs, and the layers' outputs of one step.
///
/// `model` has its final sizes.
fn check(cfg: &Config, model: &ModelConfig, inputs: &Inputs, data: &Dataset) -> Result<()> {
    let Some(there) = physical_memory() else { return Ok(()) };
    let mut parts = vec![network(cfg, model, inputs, data)?, step(cfg, model, inputs, data)?];
    parts.extend(tables(cfg, data)?);
    let all: u128 = parts.iter().map(|part| part.bytes).sum();
    if all <= u128::from(there) {
        return Ok(());
    }
    let largest = parts.iter().max_by_key(|part| part.bytes);
    let (what, keys) = largest.map_or(("", "model"), |part| (&*part.what, part.keys));
    let (all, there) = (gigabytes(all), gigabytes(there.into()));
    let problem =
        format!("training takes at least {all}, most of it for {what}, and there are {there} of memory");
    Err(Error::Config { at: keys.to_owned(), problem })
}

fn network(cfg: &Config, model: &ModelConfig, inputs: &Inputs, data: &Dataset) -> Result<Part> {
    let parameters = count(&inventory(model, inputs, &data.schema.heads())?);
    let train = &cfg.train;
    // Sums of shards that wait for those of their neighbours.
    let waiting = if train.shards > 1 { 1 + train.shards.ilog2() as usize } else { 0 };
    let copies = 2 + waiting + train.optimizer.kind.state().len() + usize::from(train.average.is_some());
    let bytes = parameters as u128 * copies as u128 * NUMBER;
    Ok(Part { what: format!("{parameters} parameters and their state"), keys: "model", bytes })
}

/// Numbers of a row's lists that are read with attention, value by value.
fn listed(inputs: &Inputs, data: &Dataset) -> u128 {
    let values = |fields: Vec<usize>| match fields.first() {
        Some(&field) => data.train.fields()[field].rows.len().div_ceil(data.train.len().max(1)),
        None => 0,
    };
    let widths =
        inputs.sequences().iter().map(|list| list.sides.iter().map(|side| side.width).sum::<usize>());
    data.schema.sequences().into_iter().map(values).zip(widths).map(|(n, width)| (n * width) as u128).sum()
}

fn step(cfg: &Config, model: &ModelConfig, inputs: &Inputs, data: &Dataset) -> Result<Part> {
    // The largest side of a weight is its inputs, outputs or copies: what is left is no more than it puts out.
    let narrow = |shape: &[usize]| {
        shape.iter().map(|&n| n as u128).product::<u128>()
            / shape.iter().max().map_or(1, |&n| n.max(1) as u128)
    };
    let heads = data.schema.heads();
    let inventory = inventory(model, inputs, &heads)?;
    let layers: u128 = inventory.values().map(|shape| narrow(shape.dims())).sum();
    let logits: usize = heads.iter().map(Head::outputs).sum();
    let rows = (cfg.train.batch_size / cfg.train.shards).min(data.rows().len());
    let numbers = model.read_width(inputs)? as u128 + layers + 2 * (logits as u128 + listed(inputs, data));
    let row = numbers * NUMBER;
    let (what, keys) = match cfg.train.shards {
        1 => (format!("a step of {rows} rows"), "train.batch_size"),
        shards => {
            (format!("{rows} rows, one of {shards} shards of a step"), "train.batch_size + train.shards")
        }
    };
    Ok(Part { what, keys, bytes: rows as u128 * row })
}

fn tables(cfg: &Config, data: &Dataset) -> Result<Vec<Part>> {
    let (optimizer, embedding) = (cfg.train.table_optimizer, cfg.model.embedding.clone().unwrap_or_default());
    let part = |(table, width): (String, usize)| {
        let rows = data.encoders.rows(&table).unwrap_or_default();
        let config = TableConfig { optimizer, storage: embedding.storage, ..TableConfig::new(rows, width) };
        let what = format!("table {table:?}, {rows} rows of {width} values and their state");
        Part { what, keys: "data.fields + model.embedding", bytes: config.bytes() }
    };
    Ok(cfg.model.table_widths(&data.schema)?.into_iter().map(part).collect())
}
