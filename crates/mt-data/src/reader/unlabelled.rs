//! The layout of a file to be scored that has no names and no labels.

use super::columns::{Columns, Rule};
use super::layout::{Layout, Request, resolve};
use super::others::Others;
use super::plan::Prepared;
use crate::config::{ColumnRef, Features};
use crate::error::Result;
use crate::schema::Schema;

/// The layout of a file without names that has the training file's columns less the label columns, if its width
/// fits that.
pub(super) fn layout(
    columns: Columns<'_>,
    request: &Request,
    schema: &Schema,
    prepared: &Prepared,
) -> Option<Result<Layout>> {
    let (own, sides) = columns.names.split_at(columns.own);
    let labels = || request.tasks.iter().map(|_| Rule::absent()).collect();
    if matches!(request.csv.features, Features::List(_)) && !request.needs_plan(schema, &[]) {
        // How many more columns the training file had is not known: exactly the features, in their order.
        let features: Vec<usize> = (0..own.len()).collect();
        let others = Others { labels: labels(), ..Others::default() };
        let fits = own.len() == schema.numeric.len();
        return fits.then(|| Ok(Layout::assemble(columns, request, schema, prepared, &features, others)));
    }
    let all = 0..own.len() + request.tasks.len();
    let is_label = |i: &usize| request.tasks.iter().any(|task| task.label == ColumnRef::Index(*i));
    let names = all.filter(|i| !is_label(i)).map(|i| format!("column {i}"));
    let names: Vec<String> = names.chain(sides.iter().cloned()).collect();
    if names.len() != columns.names.len() {
        return None;
    }
    let shifted = Columns { names: &names, shifted: true, ..columns };
    let (features, others) = resolve(shifted, request, schema).ok()?;
    let others = Others { labels: labels(), ..others };
    Some(Ok(Layout::assemble(shifted, request, schema, prepared, &features, others)))
}
