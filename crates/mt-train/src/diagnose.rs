//! Where a loss that is no finite number came from: the batch is run once more, layer by layer.

use candle_core::{DType, Device, Tensor, TensorId};
use mt_data::{DataConfig, Dataset, Paths};
use mt_features::Table;
use mt_features::split;
use mt_layers::{Run, Traced};
use mt_models::Features;

use crate::culprit::{Culprit, NotFinite};
use crate::error::{Error, Result};
use crate::probe::Probe;

impl Probe<'_> {
    /// The error with its cause, if it is a loss that is not finite.
    pub fn explain(&self, error: Error) -> Error {
        let Error::Diverged { loss, step, epoch, rows, .. } = error else { return error };
        let order = self.draw.epoch(epoch);
        let batches: Vec<&[u32]> = order.within(rows.clone()).collect();
        // The loss is the news; that looking for its cause failed too is none.
        let found = self.first_not_finite(&batches, step - 1).ok().flatten();
        let culprit = found.map(|(first, rows)| Box::new(self.located(first, &rows)));
        Error::Diverged { loss, step, epoch, rows, culprit }
    }

    /// Refuses to go on with a parameter that is not finite. ReLU can hide one from every loss: a unit that is NaN may
    /// count as 0.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for the first.
    pub fn check_parameters(&self, epoch: usize, step: u64) -> Result<()> {
        for param in self.params {
            if !not_finite(param.var.as_tensor())?.is_empty() {
                return Err(Error::NotFinite { name: param.name.clone(), step, epoch });
            }
        }
        Ok(())
    }

    /// What in these batches of a step is not finite first, and in which rows.
    fn first_not_finite(&self, batches: &[&[u32]], before: u64) -> Result<Option<(NotFinite, Vec<u32>)>> {
        for (part, &rows) in batches.iter().enumerate() {
            let (batch, labelled) = self.labelled(self.data.rows().gather(rows)?);
            let features = vec![Features::of(batch)?.to_device(self.device)?];
            let features = self.layer.fetch(features)?.swap_remove(0);
            let mut run = Run::look();
            let xs = self.input(self.model, &features, before, part, &mut run)?;
            let dense = xs.to_dense(DType::F32, &Device::Cpu)?;
            let of = |places: &[(usize, usize)]| places.iter().map(|&(row, _)| rows[row]).collect();
            let places = not_finite(&dense)?;
            if let Some(&(_, column)) = places.first() {
                let column = self.column(column)?;
                return Ok(Some((NotFinite::Input(column), of(&places))));
            }
            let (logits, layers) = run.trace(|run| self.model.forward(&xs, run))?;
            for Traced { parameters, output } in &layers {
                for parameter in parameters {
                    if !not_finite(parameter)?.is_empty() {
                        return Ok(Some((NotFinite::Parameter(self.name(parameter.id())), rows.to_vec())));
                    }
                }
                let places = not_finite(output)?;
                if !places.is_empty() {
                    let name =
                        parameters.first().map(|parameter| self.name(parameter.id())).unwrap_or_default();
                    let layer = name.rsplit_once('.').map_or(&*name, |(layer, _)| layer);
                    return Ok(Some((NotFinite::Output(layer.to_owned()), of(&places))));
                }
            }
            let losses = self.objective.loss(&logits, &labelled)?.tasks.to_vec1::<f32>()?;
            if let Some(task) = losses.iter().position(|loss| !loss.is_finite()) {
                let task = self.data.schema.tasks[task].name.clone();
                return Ok(Some((NotFinite::Loss(task), rows.to_vec())));
            }
        }
        Ok(None)
    }

    /// What stands in a column of the network's input.
    fn column(&self, column: usize) -> Result<String> {
        let schema = &self.data.schema;
        let tables = self.cfg.model.table_widths(schema)?;
        let mut at = 0;
        for field in &schema.fields {
            at += tables.iter().find(|(table, _)| *table == field.table).map_or(0, |(_, width)| *width);
            if column < at {
                return Ok(format!("embedding of {} (table {})", field.name, field.table));
            }
        }
        Ok(schema.numeric.get(column - at).cloned().unwrap_or_default())
    }

    fn name(&self, parameter: TensorId) -> String {
        let own = self.params.iter().find(|param| param.var.id() == parameter);
        own.map(|param| param.name.clone()).unwrap_or_default()
    }

    /// Says where rows of the training table come from.
    fn located(&self, first: NotFinite, rows: &[u32]) -> Culprit {
        let (data, cfg) = (self.data, &self.cfg.data);
        let known = originals(cfg, data);
        let place = |&row: &u32| 1 + known.as_ref().map_or(row, |known| known[row as usize]) as usize;
        let csv = cfg.csv.as_ref().map(|csv| &csv.train);
        let files = csv.or(cfg.parquet.as_ref().map(|parquet| &parquet.train));
        let origin = match (files, &known) {
            (Some(Paths(files)), Some(_)) => files.join(", "),
            (Some(Paths(files)), None) => format!("those trained on of {}", files.join(", ")),
            (None, _) => "the generated data".to_owned(),
        };
        let mut rows: Vec<usize> = rows.iter().map(place).collect();
        rows.sort_unstable();
        rows.dedup();
        Culprit { first, rows, origin }
    }
}

/// Of each row trained on its place among all that were read for it; `None` where records were skipped or rules picked
/// rows, which nothing remembers.
fn originals(cfg: &DataConfig, data: &Dataset) -> Option<Vec<u32>> {
    if cfg.split.is_some() || data.skipped.records > 0 {
        return None;
    }
    let shares = cfg.set_aside();
    let aside = |table: &Option<Table>, share| match table {
        Some(table) if share > 0.0 => table.len(),
        _ => 0,
    };
    let all = data.rows().len() + aside(&data.valid, shares[0]) + aside(&data.test, shares[1]);
    split(all as u32, &shares, cfg.split_seed).pop()
}

/// Rows and columns of the values that are no finite numbers, row by row.
fn not_finite(xs: &Tensor) -> Result<Vec<(usize, usize)>> {
    let values = xs.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
    let columns = xs.elem_count() / xs.dim(0)?.max(1);
    let places = values.iter().enumerate().filter(|(_, value)| !value.is_finite());
    Ok(places.map(|(i, _)| (i / columns, i % columns)).collect())
}
