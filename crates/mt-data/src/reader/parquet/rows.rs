//! From the typed columns of some rows to what a block of text would give.

use mt_features::SparseRows;

use super::Stripe;
use crate::reader::cells::Cells;
use crate::reader::encode::{Encoded, encode};
use crate::reader::layout::Layout;
use crate::reader::partition;
use crate::reader::row::{Fault, FaultKind, Parsed};

/// Reads the rows of `stripe`.
pub(in crate::reader) fn parse(stripe: &Stripe, layout: &Layout) -> Parsed {
    let records = stripe.rows as u64;
    let read = SparseRows { offsets: vec![0; stripe.rows + 1], ..SparseRows::empty(layout.features) };
    let plan = &layout.plan;
    let mut own = stripe.columns.iter().map(Cells::Typed);
    let same =
        |column: usize| layout.partition(column).map(|partition| Cells::Same(partition::value(partition)));
    let cells = plan.kept.iter().filter_map(|&column| same(column).or_else(|| own.next()));
    let cells: Vec<Cells<'_>> = cells.collect();
    let Encoded { rows, extra, bad } = encode(plan, &cells, read, stripe.rows);
    let fault = |(row, bad)| {
        let kind = FaultKind::of(bad, plan);
        Fault { line: 0, record: row as u64, offset: 0, kind }
    };
    let faults = bad.into_iter().map(fault).collect();
    Parsed { rows, extra, lines: records, records, faults }
}
