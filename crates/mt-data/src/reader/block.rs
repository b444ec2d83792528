//! A block of rows on its own: what it holds, and where its faults are.

use mt_features::{Layout as Form, Normalizer, Numeric, Table};

use super::kept::{self, Kept};
use super::layout::Layout;
#[cfg(feature = "parquet")]
use super::parquet;
use super::parse;
use super::row::{Fault, FaultKind, Parsed};
use super::stream::{Block, Content};
use crate::error::{Error, Found, Place, Result};

/// Parses a block; beyond `allowance` bad records the rest of it is of no use.
pub(super) fn parse_block(
    mut block: Block,
    allowance: u64,
    normalizer: Option<&Normalizer>,
) -> Result<(Block, Parsed, Kept)> {
    let mut parsed = match &block.content {
        Content::Text { buffer, lines } => parse::parse(&buffer[lines.clone()], &block.layout, allowance),
        #[cfg(feature = "parquet")]
        Content::Columns(stripe) => parquet::parse(stripe, &block.layout),
    };
    match normalizer {
        Some(normalizer) => {
            let mut table = Table::from_batch(parsed.rows);
            normalizer.apply(&mut table)?;
            parsed.rows = table.into_batch();
        }
        None => {
            // A block of dense data takes half the memory in the dense form, while it waits to be joined.
            let numeric = &parsed.rows.numeric;
            let cells = numeric.rows() as u64 * numeric.width() as u64;
            let form = Form::choose(numeric.non_zeros(), cells);
            let empty = Numeric::Dense(Default::default());
            parsed.rows.numeric = std::mem::replace(&mut parsed.rows.numeric, empty).into_layout(form);
        }
    }
    let kept = match &mut block.content {
        Content::Text { buffer, lines } => {
            // Of a block with a bad record nothing is kept: where columns are, that ends the reading.
            let columns = if parsed.faults.is_empty() { &block.kept[..] } else { &[] };
            kept::cells(&buffer[lines.clone()], block.layout.delimiter, columns)
        }
        #[cfg(feature = "parquet")]
        Content::Columns(stripe) => std::mem::take(&mut stripe.kept),
    };
    Ok((block, parsed, kept))
}

/// What is wrong with a record of `block`, which begins at this line and record of its file.
pub(super) fn locate(fault: Fault, block: &Block, line: u64, record: u64) -> Error {
    let layout: &Layout = &block.layout;
    let (path, record) = (layout.path.clone(), record + fault.record);
    let place = match block.content {
        Content::Text { .. } => {
            Place::Text { path, line: line + fault.line, column: fault.offset as u64 + 1 }
        }
        #[cfg(feature = "parquet")]
        Content::Columns(_) => Place::Row { path, row: record },
    };
    match fault.kind {
        FaultKind::Width { found } => Error::Width { place, expected: layout.slots.len(), found, record },
        FaultKind::Open { column, found } => {
            let field = layout.names.get(column).cloned().unwrap_or_default().into();
            let expected = "a closing quote; it is open up to the end of the file".into();
            Error::Field { place, field, expected, found: Found(found), record }
        }
        FaultKind::Side { place, field, expected, found } => {
            Error::Field { place, field: field.into(), expected, found: Found(found), record }
        }
        FaultKind::Cell { column, field, expected, found } => {
            let field = field.or_else(|| layout.names.get(column).cloned()).unwrap_or_default();
            Error::Field { place, field: field.into(), expected, found: Found(found), record }
        }
    }
}
