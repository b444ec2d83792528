//! Tables, and lists of their rows.

use mt_bundle::Predictor;
use mt_features::{Field, Schema};

use crate::error::Result;
use crate::graph::{Graph, Size};
use crate::proto::{Attribute, FLOAT, INT64};

/// What a field reads: its column, or what is computed in its place, which is not in the graph.
pub(crate) fn source(schema: &Schema, field: &Field) -> String {
    let column = &field.column;
    let computed = schema.computed.iter().find(|computed| computed.name == *column);
    computed.map_or_else(|| column.clone(), |computed| format!("{column}, computed as {},", computed.value))
}

/// The table of a field as a constant.
pub(crate) fn table(graph: &mut Graph, predictor: &Predictor, field: &Field) -> Result<String> {
    let table = format!("tables.{}", field.table);
    if !graph.has(&table) {
        graph.tensor(&table, &predictor.table(&field.table)?)?;
    }
    Ok(table)
}

/// A list looked up value by value.
pub(crate) struct Listed {
    /// Which values are there, `(B, N, 1)`.
    pub there: String,
    /// Embeddings `(B, N, K)`, of anything where there is none.
    pub values: String,
    /// The same with zeros there.
    pub kept: String,
}

/// The embeddings of a field's lists, `length` the name of their size.
pub(crate) fn listed(
    graph: &mut Graph,
    predictor: &Predictor,
    field: &Field,
    length: &str,
) -> Result<Listed> {
    let table = table(graph, predictor, field)?;
    let sizes = vec![Size::batch(), Size::Any(length.to_owned())];
    let source = source(&predictor.signature().schema, field);
    let doc = format!("rows of table {} for {source}, filled up with -1", field.table);
    graph.input(&field.name, INT64, sizes, doc);
    let (zero, axis, nothing) = (graph.int(0), graph.ints(&[2]), graph.float(0.0));
    // Some runtimes refuse rows below 0, so those look up row 0, which does not count.
    let rows = graph.node("Max", &[&field.name, &zero], &[]);
    let there = graph.node("GreaterOrEqual", &[&field.name, &zero], &[]);
    let there = graph.node("Unsqueeze", &[&there, &axis], &[]);
    let values = graph.node("Gather", &[&table, &rows], &[Attribute::int("axis", 0)]);
    let kept = graph.node("Where", &[&there, &values, &nothing], &[]);
    Ok(Listed { there, values, kept })
}

/// The number of rows `(B, 1)` in each list.
pub(crate) fn count(graph: &mut Graph, there: &str, axis: &str) -> String {
    let there = graph.node("Cast", &[there], &[Attribute::int("to", i64::from(FLOAT))]);
    graph.node("ReduceSum", &[&there, axis], &[Attribute::int("keepdims", 0)])
}
