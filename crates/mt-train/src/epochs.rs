//! The batches of each epoch, from memory or from disk.

use std::sync::{Arc, Mutex, PoisonError};

use mt_data::{Drawn, Rows};
use mt_features::{Batch, Table};

use crate::error::Result;
use crate::order::{Draw, Order};

/// The epochs of a run. Where rows are on disk, the next epoch is drawn up while one is trained on.
#[derive(Clone)]
pub(crate) struct Epochs<'a> {
    pub rows: Rows<'a>,
    pub draw: Draw<'a>,
    /// Whether the loss looks at groups.
    pub with_groups: bool,
    /// How many there are.
    pub count: usize,
    /// One that is being drawn up.
    next: Arc<Mutex<Option<Next>>>,
}

/// An epoch, what is drawn up of it, and where its batches end.
type Next = (usize, Box<Drawn>, Vec<usize>);

impl<'a> Epochs<'a> {
    /// So many epochs of these rows.
    pub fn new(rows: Rows<'a>, draw: Draw<'a>, with_groups: bool, count: usize) -> Self {
        Self { rows, draw, with_groups, count, next: Arc::default() }
    }

    /// The batches of an epoch, counted from 1, after its first `skipped` rows.
    pub fn batches(&self, epoch: usize, skipped: usize) -> Batches<'a> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        match next {
            Some((number, drawn, ends)) if number == epoch && skipped == 0 => {
                Batches::Drawn { drawn, ends, with_groups: self.with_groups }
            }
            _ => Batches::of(self.rows, self.draw.epoch(epoch).after(skipped), self.with_groups),
        }
    }

    /// Begins to draw up an epoch whose rows are on disk, if there is one of this number.
    pub fn begin(&self, epoch: usize) {
        if let (Rows::Cached(cached), true) = (self.rows, epoch <= self.count) {
            let (rows, ends) = self.draw.epoch(epoch).into_parts();
            let next = Some((epoch, Box::new(cached.draw(rows, ends.clone())), ends));
            *self.next.lock().unwrap_or_else(PoisonError::into_inner) = next;
        }
    }
}

/// A batch with the groups of its rows, where these are wanted.
pub(crate) type Whole = (Batch, Option<Vec<u32>>);

/// The batches of an epoch, taken in order.
pub(crate) enum Batches<'a> {
    Table { table: &'a Table, groups: Option<&'a [u32]>, order: Order },
    Drawn { drawn: Box<Drawn>, ends: Vec<usize>, with_groups: bool },
}

impl<'a> Batches<'a> {
    /// Those of an order; with the groups of their rows where the loss looks at them.
    pub fn of(rows: Rows<'a>, order: Order, with_groups: bool) -> Self {
        match rows {
            Rows::Table(table) => {
                Self::Table { table, groups: table.groups().filter(|_| with_groups), order }
            }
            Rows::Cached(cached) => {
                let (rows, ends) = order.into_parts();
                let drawn = Box::new(cached.draw(rows, ends.clone()));
                Self::Drawn { drawn, ends, with_groups }
            }
        }
    }

    /// Where each batch ends.
    pub fn ends(&self) -> &[usize] {
        match self {
            Self::Table { order, .. } => order.ends(),
            Self::Drawn { ends, .. } => ends,
        }
    }

    /// The batch of this number.
    pub fn get(&mut self, batch: usize) -> Result<Whole> {
        let ends = self.ends();
        let within = batch.checked_sub(1).map_or(0, |before| ends[before])..ends[batch];
        match self {
            Self::Table { table, groups, order, .. } => {
                let rows = &order.rows()[within];
                let groups = groups.map(|all| rows.iter().map(|&row| all[row as usize]).collect());
                Ok((table.gather(rows), groups))
            }
            Self::Drawn { drawn, with_groups, .. } => {
                let table = drawn.batch(within)?;
                let groups = table.groups().filter(|_| *with_groups).map(<[u32]>::to_vec);
                Ok((table.into_batch(), groups))
            }
        }
    }
}
