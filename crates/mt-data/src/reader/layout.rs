//! Which column of a file is which feature, field or label.

use std::path::PathBuf;

use mt_features::Schema;
use mt_storage::Partition;

use super::columns::Columns;
use super::others::Others;
use super::plan::{Plan, Prepared, Slot};
use super::request::{Labels, Request};
use super::resolve::resolve;
use super::unlabelled::{self, Unlabelled};
use crate::error::{Error, Result};

/// The columns of one file.
#[derive(Debug)]
pub(super) struct Layout {
    pub path: PathBuf,
    /// Column names, for messages.
    pub names: Vec<String>,
    /// Whether those are real names, not made from positions, and whether columns have types.
    pub named: bool,
    pub typed: bool,
    /// What each column of the file itself is for.
    pub slots: Vec<Slot>,
    /// The columns behind them: those of its folders.
    pub partitions: Vec<Partition>,
    /// For each column, the first from there on whose cell is kept, or the last column if there is none.
    pub stops: Vec<u32>,
    /// Whether features come in the schema's order.
    pub ascending: bool,
    pub features: usize,
    pub delimiter: u8,
    /// What is made of the kept cells.
    pub plan: Plan,
}

impl Layout {
    /// The folder that a column is of, if it is none of the file itself.
    pub fn partition(&self, column: usize) -> Option<&Partition> {
        self.partitions.get(column.checked_sub(self.slots.len())?)
    }

    /// The layout of a file for a schema already known.
    pub fn new(
        columns: Columns<'_>,
        request: &Request,
        schema: &Schema,
        prepared: &Prepared,
    ) -> Result<Self> {
        match resolve(columns, request, schema) {
            Err(error) if !columns.named && request.labels != Labels::Required => {
                let Some(found) = unlabelled::find(columns, request, schema) else {
                    return Err(widths(error, request));
                };
                let Unlabelled { names, features, others } = found;
                let columns = Columns { names: &names, shifted: true, ..columns };
                Ok(Self::assemble(columns, request, schema, prepared, &features, others))
            }
            found => {
                let (features, others) = found?;
                Ok(Self::assemble(columns, request, schema, prepared, &features, others))
            }
        }
    }

    /// The same of a file to train on, with all that the request takes off numbers by now. Which cells are kept does not change
    /// where columns have types.
    pub fn again(&self, request: &Request, schema: &Schema, prepared: &Prepared) -> Result<Self> {
        let Layout { path, names, named, typed, slots, partitions, plan, .. } = self;
        let (named, typed, fields) = (*named, *typed, &request.data.fields[..]);
        let own = slots.len() + partitions.len();
        let columns = Columns { path, names, named, typed, own, partitions, shifted: false, fields };
        let mut again = Self::new(columns, request, schema, prepared)?;
        again.plan.units.clone_from(&plan.units);
        Ok(again)
    }

    fn assemble(
        columns: Columns<'_>,
        request: &Request,
        schema: &Schema,
        prepared: &Prepared,
        features: &[usize],
        others: Others,
    ) -> Self {
        let others = &if request.labels == Labels::Ignored { others.inputs() } else { others };
        let mut slots = vec![Slot::Skip; columns.own];
        let plan = Plan::new(columns, request, schema, prepared, features, others, &mut slots);
        slots.truncate(columns.width());
        let last = slots.len().saturating_sub(1) as u32;
        let mut stops = vec![last; slots.len()];
        for (column, slot) in slots.iter().enumerate().rev() {
            let following = stops.get(column + 1).copied().unwrap_or(last);
            stops[column] = if let Slot::Keep(_) = slot { column as u32 } else { following };
        }
        let order = slots.iter().filter_map(|slot| match slot {
            Slot::Feature(feature) => Some(feature),
            _ => None,
        });
        let ascending = order.is_sorted() && plan.features.is_empty();
        Layout {
            path: columns.path.to_owned(),
            names: columns.names.to_vec(),
            named: columns.named,
            typed: columns.typed,
            stops,
            ascending,
            features: schema.numeric.len(),
            delimiter: prepared.delimiter,
            slots,
            partitions: columns.partitions.to_vec(),
            plan,
        }
    }
}

/// Says that a file of another width would have been right without labels too.
fn widths(error: Error, request: &Request) -> Error {
    match error {
        Error::FileWidth { path, expected, found, .. } => {
            let without_labels = Some(expected - request.tasks.len());
            Error::FileWidth { path, expected, without_labels, found }
        }
        other => other,
    }
}
