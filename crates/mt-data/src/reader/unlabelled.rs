//! The columns of a file to be scored that has no names and no labels.

use mt_features::{ColumnRef, Schema};

use super::columns::{Columns, Rule};
use super::others::Others;
use super::request::Request;
use super::resolve::resolve;
use crate::config::Features;

/// Which column is what.
pub(super) struct Unlabelled {
    /// The columns, named as in the training file.
    pub names: Vec<String>,
    pub features: Vec<usize>,
    pub others: Others,
}

/// What the columns of a file without names are that has the training file's less the label columns, if its width fits that.
pub(super) fn find(columns: Columns<'_>, request: &Request, schema: &Schema) -> Option<Unlabelled> {
    let (own, others) = columns.names.split_at(columns.width());
    let labels = || request.tasks.iter().map(|_| Rule::absent()).collect();
    let reads_no_more =
        schema.fields.is_empty() && schema.computed.is_empty() && request.data.join.is_empty();
    let own_alone = !schema.numeric.iter().any(|name| others.contains(name));
    if matches!(request.csv.features, Features::List(_)) && own_alone && reads_no_more {
        // How many more columns the training file had is not known: exactly the features, in their order.
        let features: Vec<usize> = (0..own.len()).collect();
        let within = request.tasks.iter().map(|_| None).collect();
        let others = Others { labels: labels(), within, ..Others::default() };
        let fits = own.len() == schema.numeric.len();
        return fits.then(|| Unlabelled { names: columns.names.to_vec(), features, others });
    }
    let all = 0..own.len() + request.tasks.len();
    let is_label = |i: &usize| request.tasks.iter().any(|task| task.label == ColumnRef::Index(*i));
    let names = all.filter(|i| !is_label(i)).map(|i| format!("column {i}"));
    let names: Vec<String> = names.chain(others.iter().cloned()).collect();
    if names.len() != columns.names.len() {
        return None;
    }
    let shifted = Columns { names: &names, shifted: true, ..columns };
    let (features, others) = resolve(shifted, request, schema).ok()?;
    let others = Others { labels: labels(), ..others };
    Some(Unlabelled { names, features, others })
}
