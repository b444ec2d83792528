//! An epoch as a sequence of batches.

use crate::batch::Batch;
use crate::table::Table;

/// The batches of one epoch over a table. The last one may be smaller; it is never dropped.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    table: &'a Table,
    chunks: std::slice::Chunks<'a, u32>,
}

impl<'a> Batches<'a> {
    /// Batches of `size` rows of `table` in the order `order`; a `size` of 0 counts as 1.
    pub fn new(table: &'a Table, order: &'a [u32], size: usize) -> Self {
        Batches { table, chunks: order.chunks(size.max(1)) }
    }

    /// Puts the next batch into `batch`, whose memory is used again; false after the last.
    pub fn next_into(&mut self, batch: &mut Batch) -> bool {
        let rows = self.chunks.next();
        if let Some(rows) = rows {
            self.table.gather_into(rows, batch);
        }
        rows.is_some()
    }
}

impl Iterator for Batches<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.chunks.next().map(|rows| self.table.gather(rows))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl ExactSizeIterator for Batches<'_> {}
