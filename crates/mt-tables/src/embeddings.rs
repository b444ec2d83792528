//! Tables that are trained.

use std::sync::Arc;

use candle_core::Tensor;
use mt_kernels::PARALLEL;
use mt_kernels::scratch::LINE;
use mt_layers::{Input, Run};
use rayon::prelude::*;

use crate::assemble::{self, LookedUp, assemble};
use crate::config::TableConfig;
use crate::error::Error;
use crate::field::Field;
use crate::growth::{RESERVED, TableSize};
use crate::ids::Ids;
use crate::lookup::Lookup;
use crate::placed::Placed;
use crate::ranks::Share;
use crate::sequence::Sequence;
use crate::shared::{Entry, Held, Shared};
use crate::table::Grown;

/// Values of all tables from which on a second thread pays for their update: a square root and a division each.
const MANY: usize = PARALLEL / 8;

/// Embedding tables and the fields that look them up. Clones share the tables.
#[derive(Debug, Clone)]
pub struct Embeddings {
    pub(crate) shared: Arc<Shared>,
}

/// The sums of one table's gradients, as [`Embeddings::gradient`] returns them.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct RowGradient {
    /// Distinct rows, in the order of their first use.
    pub ids: Vec<u32>,
    /// Their gradients, `ids.len() x K`.
    pub values: Vec<f32>,
}

impl Embeddings {
    /// Untrained tables by name, and the fields in the order of their columns.
    ///
    /// A row starts uniform in `±0.03/√K`, drawn from a hash of `seed`, the table's name and the row's id.
    ///
    /// # Errors
    /// [`Error::Config`] if a size or an optimizer's setting cannot be, a table has no memory, or two tables or two
    /// fields have one name; [`Error::UnknownTable`] if a field looks up none of the tables.
    pub fn new<N: Into<String>>(
        tables: impl IntoIterator<Item = (N, TableConfig)>,
        fields: Vec<Field>,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::shared(tables, fields, seed, Share::alone())
    }

    /// As [`Embeddings::new`], of which each of several ranks keeps some rows. Then [`admit`](Self::admit),
    /// [`fetch`](Self::fetch), [`reduce`](Self::reduce), [`export`](Self::export) and [`end_epoch`](Self::end_epoch) are to be
    /// called by all ranks alike; a rank that has no batch calls them with none.
    ///
    /// Where a step is cut into shards, a table that grows counts the keys of all of it at once, in buckets with a share of its rows
    /// each.
    ///
    /// # Errors
    /// As [`Embeddings::new`].
    pub fn shared<N: Into<String>>(
        tables: impl IntoIterator<Item = (N, TableConfig)>,
        fields: Vec<Field>,
        seed: u64,
        share: Share,
    ) -> Result<Self, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        for (name, cfg) in tables {
            let name = name.into();
            if entries.iter().any(|entry| entry.name == name) {
                return Err(Error::Config {
                    key: format!("tables.{name}"),
                    problem: "named twice".to_owned(),
                });
            }
            entries.push(Entry::new(name, cfg, seed, share.part())?);
        }
        let size = |entry: &Entry| {
            let cfg = entry.cfg;
            (entry.name.clone(), cfg.rows, cfg.width, cfg.growth.is_some())
        };
        let placed = Placed::new(&entries.iter().map(size).collect::<Vec<_>>(), fields)?;
        Ok(Self { shared: Arc::new(Shared { tables: entries, placed: Arc::new(placed), share }) })
    }

    /// Columns of all fields, `Σ K_f`.
    pub fn width(&self) -> usize {
        self.shared.placed.width
    }

    /// Values of all tables, `Σ V·K`.
    pub fn count(&self) -> usize {
        self.shared.tables.iter().map(|entry| entry.cfg.rows * entry.cfg.width).sum()
    }

    /// Pools the rows of each field: `(B, Σ K_f + N)` on the CPU, the fields side by side in their order, then the
    /// `N` columns of `numeric`.
    ///
    /// Inside [`mt_layers::Gradients::collect`] the result takes part in autograd, and its gradient is added to the tables'
    /// in the end; elsewhere it is a constant. No gradient is computed for `numeric`.
    ///
    /// # Errors
    /// [`Error::RowOutOfRange`], [`Error::Ids`] or [`Error::Count`] if the ids do not fit the fields or each other;
    /// [`Error::Candle`] if `numeric` cannot be read.
    pub fn forward(
        &self,
        ids: impl Into<Arc<[Ids]>>,
        numeric: Option<&Input>,
        run: &mut Run,
    ) -> Result<Tensor, Error> {
        self.look_up(&self.shared.placed, ids.into(), numeric, run)
    }

    /// The fields called `names`, whose lists run in parallel, to be looked up value by value.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no such field.
    pub fn sequence(&self, names: &[&str]) -> Result<Sequence, Error> {
        Sequence::new(&self.shared.placed, names)
    }

    /// Looks up each value of a sequence: of the ids of all fields `(N, Σ K_f)`, in autograd as [`Embeddings::forward`].
    ///
    /// # Errors
    /// As [`Embeddings::forward`].
    pub fn each(&self, sequence: &Sequence, ids: &[Ids], run: &mut Run) -> Result<Tensor, Error> {
        self.look_up(&sequence.placed, sequence.ids(ids), None, run)
    }

    fn look_up(
        &self,
        placed: &Arc<Placed>,
        ids: Arc<[Ids]>,
        numeric: Option<&Input>,
        run: &mut Run,
    ) -> Result<Tensor, Error> {
        let rows = placed.check(&ids)?;
        let tables = &self.shared.tables;
        let ids = self.shared.rows_of(placed, ids)?;
        let numeric = numeric.map(|input| assemble::on_cpu(input, rows)).transpose()?;
        let stride = assemble::stride(placed, numeric.as_ref())?;
        let values = {
            let held: Vec<Held> = tables.iter().map(Entry::held).collect();
            let lookups: Vec<Lookup> = held.iter().map(Held::lookup).collect();
            assemble(placed, &lookups, &ids, numeric.as_ref(), rows, stride)?
        };
        let looked_up = LookedUp::new(self.shared.clone(), placed.clone(), ids, stride);
        Ok(run.leaf(values, (rows, stride), move |_, gradient| looked_up.add(&gradient))?)
    }

    /// Begins a training step: counts the keys of its batch, field by field and row by row, gives rows to those sighted
    /// often enough, and evicts the keys not seen for longest where there is no room. Comes out the rows of the ids, to be
    /// given to [`Embeddings::forward`]. Where no table grows, nothing is done.
    ///
    /// # Errors
    /// As [`Embeddings::forward`].
    pub fn admit(&self, ids: Arc<[Ids]>) -> Result<Arc<[Ids]>, Error> {
        Ok(self.admit_all(vec![ids])?.swap_remove(0))
    }

    /// As [`Embeddings::admit`], of a step of several batches, as of one of all their rows: none of the rows that come out
    /// loses its key before the next step begins.
    ///
    /// # Errors
    /// As [`Embeddings::forward`].
    pub fn admit_all(&self, batches: Vec<Arc<[Ids]>>) -> Result<Vec<Arc<[Ids]>>, Error> {
        let placed = &self.shared.placed;
        if self.shared.share.is_shared() || self.shared.share.shards.count() > 1 {
            return self.fetch_counted(batches, true);
        }
        if !placed.grows {
            return Ok(batches);
        }
        batches.iter().try_for_each(|ids| placed.check(ids).map(drop))?;
        // In the order of one large batch: a field's rows in all batches, then the next field's.
        let (fields, count) = (placed.fields.len(), batches.len());
        let of_table = |t: usize| (0..fields * count).filter(move |p| placed.fields[p / count].table == t);
        let admit = |(t, entry): (usize, &Entry)| {
            let own: Vec<&Ids> = of_table(t).map(|p| &batches[p % count][p / count]).collect();
            let rows = entry.table_mut().admit(&own);
            of_table(t).zip(rows).collect()
        };
        let size: usize = batches.iter().flat_map(|ids| ids.iter()).map(|ids| ids.rows.len()).sum();
        let tables = &self.shared.tables;
        // As in `step`, with the usual width of a row.
        let found: Vec<Vec<(usize, Vec<u32>)>> = match size * LINE < MANY {
            true => tables.iter().enumerate().map(admit).collect(),
            false => tables.par_iter().enumerate().map(admit).collect(),
        };
        let without_keys =
            |ids: &Arc<[Ids]>| ids.iter().map(|ids| Ids { keys: None, ..ids.clone() }).collect();
        let mut all: Vec<Vec<Ids>> = batches.iter().map(without_keys).collect();
        found.into_iter().flatten().for_each(|(p, rows)| all[p % count][p / count].rows = rows);
        Ok(all.into_iter().map(Into::into).collect())
    }

    /// Ends an epoch of training: in tables that grow, keys not seen for [`Growth::ttl`](crate::Growth::ttl) steps lose their rows. The sizes
    /// of these tables, of all ranks, with what came and went since the last such call.
    ///
    /// # Errors
    /// [`Error::Ranks`] if another rank does not answer.
    pub fn end_epoch(&self) -> Result<Vec<TableSize>, Error> {
        let grown =
            self.shared.tables.iter().filter_map(|entry| Some((entry, entry.table_mut().end_epoch()?)));
        let (entries, own): (Vec<&Entry>, Vec<Grown>) = grown.unzip();
        let bytes = own.concat().iter().flat_map(|n| n.to_ne_bytes()).collect::<Vec<u8>>();
        let mut sums = vec![0; own.len() * size_of::<Grown>() / size_of::<u64>()];
        for of_rank in self.shared.share.ranks.gather(&bytes)? {
            let (words, _) = of_rank.as_chunks();
            sums.iter_mut().zip(words).for_each(|(sum, word)| *sum += u64::from_ne_bytes(*word));
        }
        let (sums, _) = sums.as_chunks();
        let size = |(entry, &[rows, admitted, evicted, waiting, bytes]): (&Entry, &Grown)| TableSize {
            table: entry.name.clone(),
            rows: rows as usize,
            capacity: entry.cfg.rows - RESERVED as usize,
            admitted,
            evicted,
            waiting: waiting as usize,
            bytes: bytes as usize,
        };
        Ok(entries.into_iter().zip(sums).map(size).collect())
    }

    /// Names of the tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.shared.tables.iter().map(|entry| entry.name.as_str())
    }

    /// Updates the rows that have a gradient, and consumes the gradients. `rate` is the learning rate of a table by
    /// its name; at 0 the table is frozen: values and optimizer state stay as they are.
    pub fn step(&self, rate: impl Fn(&str) -> f64 + Sync) {
        let update = |entry: &Entry| {
            let (mut gradients, mut table) = (entry.gradients(), entry.table_mut());
            match rate(&entry.name) {
                0.0 => {
                    gradients.clear();
                    table.touched = false;
                }
                rate => table.update(&mut gradients, rate),
            }
        };
        let size = |entry: &Entry| entry.gradients().values().len();
        let tables = &self.shared.tables;
        if tables.iter().map(size).sum::<usize>() < MANY {
            tables.iter().for_each(update);
        } else {
            tables.par_iter().for_each(update);
        }
    }

    /// What [`Embeddings::step`] would apply to a table.
    ///
    /// # Errors
    /// [`Error::UnknownTable`].
    pub fn gradient(&self, table: &str) -> Result<RowGradient, Error> {
        let Some(entry) = self.shared.tables.iter().find(|entry| entry.name == table) else {
            return Err(Error::UnknownTable { table: table.to_owned() });
        };
        let gradients = entry.gradients();
        Ok(RowGradient { ids: gradients.ids().to_vec(), values: gradients.values().to_vec() })
    }
}
