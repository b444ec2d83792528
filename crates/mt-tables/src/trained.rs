//! The trained rows of a table with what the optimizer keeps of them, apart from the table.

use mt_dist::{Message, Reader};

use crate::config::TableConfig;
use crate::error::Error;
use crate::owned::Owned;
use crate::ranks::Share;
use crate::table::Table;

/// Rows of a table of width `K`.
#[derive(Debug, Default)]
pub(crate) struct Trained {
    /// Their ids.
    pub ids: Vec<u32>,
    /// Their values, `n x K`.
    pub values: Vec<f32>,
    /// What is kept of each value, part by part, each `n x K`.
    pub parts: Vec<Vec<f32>>,
    /// What is kept of each row; empty where nothing is.
    pub sums: Vec<f32>,
}

impl Trained {
    /// Those of a table, by ascending place.
    pub fn of(table: &Table) -> Self {
        let (places, optimizer) = (table.trained(), table.cfg.optimizer);
        Self {
            values: table.values(&places),
            parts: (0..optimizer.per_value().len()).map(|part| table.gather(&places, part)).collect(),
            sums: if optimizer.per_row().is_empty() { Vec::new() } else { table.gather_sums(&places) },
            ids: places.into_iter().map(|place| table.id(place)).collect(),
        }
    }

    /// Those of them that are `owned`, at their places there.
    pub fn owned(self, owned: Owned, width: usize) -> Self {
        if owned == Owned::All {
            return self;
        }
        let own: Vec<usize> = (0..self.ids.len()).filter(|&i| owned.has(self.ids[i])).collect();
        let mut found = self.pick(&own, width);
        found.ids.iter_mut().for_each(|id| *id = owned.place(*id));
        found
    }

    /// Some of them, by their numbers here.
    pub fn pick(&self, numbers: &[usize], width: usize) -> Self {
        let of = |from: &[f32], width: usize| -> Vec<f32> {
            numbers.iter().flat_map(|&i| &from[i * width..][..width]).copied().collect()
        };
        Self {
            ids: numbers.iter().map(|&i| self.ids[i]).collect(),
            values: of(&self.values, width),
            parts: self.parts.iter().map(|part| of(part, width)).collect(),
            sums: if self.sums.is_empty() { Vec::new() } else { of(&self.sums, 1) },
        }
    }

    /// Writes these into `table`, at their places.
    pub fn restore(&self, table: &mut Table) {
        let sums = (!self.sums.is_empty()).then_some(&self.sums[..]);
        table.restore(&self.ids, &self.values, &self.parts, sums);
    }

    fn to_message(&self) -> Message {
        let mut message = Message::default();
        message.put(&[self.ids.len() as u32]);
        message.put(&self.ids);
        let floats = std::iter::once(&self.values).chain(&self.parts).chain([&self.sums]);
        floats.for_each(|floats| message.put_floats(floats));
        message
    }

    /// Adds what another rank sent of its rows.
    fn read(&mut self, message: &[u8], cfg: TableConfig) -> Result<(), Error> {
        let mut reader = Reader::new(message);
        let n = reader.word()?;
        self.ids.extend(reader.words(n)?);
        self.values.extend(reader.floats(n * cfg.width)?);
        self.parts.resize_with(cfg.optimizer.per_value().len(), Vec::new);
        for part in &mut self.parts {
            part.extend(reader.floats(n * cfg.width)?);
        }
        if !cfg.optimizer.per_row().is_empty() {
            self.sums.extend(reader.floats(n)?);
        }
        Ok(())
    }
}

impl Share {
    /// The rows of all ranks by ascending id, on the first rank; `None` on others.
    pub(crate) fn collect(&self, own: &Trained, cfg: TableConfig) -> Result<Option<Trained>, Error> {
        let mut to = vec![Vec::new(); self.ranks.size()];
        to[0] = own.to_message().into_bytes();
        self.ranks.exchange_in_place(&mut to)?;
        if self.ranks.rank() != 0 {
            return Ok(None);
        }
        let mut all = Trained::default();
        to.iter().try_for_each(|message| all.read(message, cfg))?;
        let mut order: Vec<usize> = (0..all.ids.len()).collect();
        order.sort_unstable_by_key(|&i| all.ids[i]);
        Ok(Some(all.pick(&order, cfg.width)))
    }
}
