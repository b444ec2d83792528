//! From what a client sends to the trunk's input `(B, D)`: embeddings of the fields, then the scaled numbers.

use mt_bundle::{Predictor, Signature};
use mt_features::{Field, MissingPolicy, Normalizer, NumericMissing, Pooling, Scaling};

use crate::attention;
use crate::error::{Error, Result};
use crate::graph::{Graph, Size};
use crate::lists::{Listed, count, listed, source, table};
use crate::proto::{Attribute, DOUBLE, FLOAT, INT64};

/// Name of the input of numbers.
pub const NUMERIC: &str = "numeric";

/// Adds the inputs, and all up to what the trunk reads. Without `tables`, the input of a field is its embedding.
pub fn input(graph: &mut Graph, predictor: &Predictor, tables: bool) -> Result<String> {
    let Signature { model, schema, normalizer, missing, .. } = predictor.signature();
    let widths = model.table_widths(schema)?;
    let mut parts = Vec::new();
    for field in &schema.fields {
        parts.push(if field.attention().is_some() {
            if !tables {
                return Err(Error::Attention { field: field.name.clone() });
            }
            // Filled below, once what it is about is there.
            String::new()
        } else if tables {
            looked_up(graph, predictor, field)?
        } else {
            let width = widths.iter().find(|(table, _)| *table == field.table).map_or(0, |(_, width)| *width);
            let doc = format!("embedding of {}, pooled, from table {}", source(schema, field), field.table);
            graph.input(&field.name, FLOAT, vec![Size::batch(), Size::Fixed(width)], doc);
            field.name.clone()
        });
    }
    attention::fill(graph, predictor, &mut parts)?;
    if !schema.numeric.is_empty() {
        let sizes = vec![Size::batch(), Size::Fixed(schema.numeric.len())];
        let computed = schema.computed.iter().filter(|computed| schema.numeric.contains(&computed.name));
        let computed = computed
            .map(|computed| format!("; {} is computed of columns: {}", computed.name, computed.value));
        let doc = format!("raw numbers; the columns are in the metadata{}", computed.collect::<String>());
        graph.input(NUMERIC, if has_bases(normalizer) { DOUBLE } else { FLOAT }, sizes, doc);
        parts.push(scaled(graph, normalizer, missing));
    }
    Ok(graph.concat(&parts, 1))
}

/// The embedding `(B, K)` of a field's table rows.
fn looked_up(graph: &mut Graph, predictor: &Predictor, field: &Field) -> Result<String> {
    let Some(list) = &field.list else {
        let table = table(graph, predictor, field)?;
        let source = source(&predictor.signature().schema, field);
        let rows_of = format!("rows of table {} for {source}", field.table);
        graph.input(&field.name, INT64, vec![Size::batch()], rows_of);
        return Ok(graph.node("Gather", &[&table, &field.name], &[Attribute::int("axis", 0)]));
    };
    let length = format!("{} length", field.name);
    let Listed { there, values, kept } = listed(graph, predictor, field, &length)?;
    let axis = graph.ints(&[1]);
    let over_list = [Attribute::int("keepdims", 0)];
    Ok(match list.pooling {
        Pooling::Sum | Pooling::Attention(_) | Pooling::SelfAttention(_) => {
            graph.node("ReduceSum", &[&kept, &axis], &over_list)
        }
        Pooling::Mean => {
            let sum = graph.node("ReduceSum", &[&kept, &axis], &over_list);
            let count = count(graph, &there, &axis);
            let one = graph.float(1.0);
            let count = graph.node("Max", &[&count, &one], &[]);
            graph.node("Div", &[&sum, &count], &[])
        }
        Pooling::Max => {
            let (least, nothing) = (graph.float(f32::MIN), graph.float(0.0));
            let kept = graph.node("Where", &[&there, &values, &least], &[]);
            let over_list = [Attribute::ints("axes", &[1]), Attribute::int("keepdims", 0)];
            let largest = graph.node("ReduceMax", &[&kept], &over_list);
            let count = count(graph, &there, &axis);
            let any = graph.node("Greater", &[&count, &nothing], &[]);
            graph.node("Where", &[&any, &largest, &nothing], &[])
        }
    })
}

/// Whether numbers are so large that they must come in double precision.
fn has_bases(normalizer: &Normalizer) -> bool {
    normalizer.columns.iter().any(|column| column.base != 0.0)
}

/// Raw numbers as the network reads them. What is not needed for any column is left out.
fn scaled(graph: &mut Graph, normalizer: &Normalizer, missing: &MissingPolicy) -> String {
    let columns = &normalizer.columns;
    let width = columns.len();
    let nan = (missing.numeric != NumericMissing::Fail).then(|| graph.node("IsNaN", &[NUMERIC], &[]));
    let mut xs = NUMERIC.to_owned();
    if let (Some(nan), NumericMissing::Zero) = (&nan, missing.numeric) {
        let zero = match has_bases(normalizer) {
            true => graph.doubles("/numeric/zero", &[], &[0.0]),
            false => graph.float(0.0),
        };
        xs = graph.node("Where", &[nan, &zero, &xs], &[]);
    }
    if has_bases(normalizer) {
        let bases: Vec<f64> = columns.iter().map(|column| column.base).collect();
        let bases = graph.doubles("/numeric/base", &[width], &bases);
        let less = graph.node("Sub", &[&xs, &bases], &[]);
        xs = graph.node("Cast", &[&less], &[Attribute::int("to", i64::from(FLOAT))]);
    }
    let moves = |column: &Scaling| column.log1p || column.shift != 0.0 || column.scale != 1.0;
    let moved: Vec<usize> = (0..width).filter(|&c| moves(&columns[c])).collect();
    if moved.len() == width {
        xs = moved_columns(graph, columns, xs);
    } else if !moved.is_empty() {
        // Most of a one-hot table stays as it is: passes over all 499 columns of the study took a third of its time.
        let part = graph.columns(&xs, &moved.iter().map(|&c| c as u32).collect::<Vec<_>>());
        let own: Vec<Scaling> = moved.iter().map(|&c| columns[c]).collect();
        let part = moved_columns(graph, &own, part);
        let both = graph.concat(&[xs, part], 1);
        let place = |c: usize| moved.binary_search(&c).map_or(c, |at| width + at) as u32;
        xs = graph.columns(&both, &(0..width).map(place).collect::<Vec<_>>());
    }
    if let (Some(nan), NumericMissing::Mean) = (&nan, missing.numeric) {
        let fill: Vec<f32> = columns.iter().map(|column| column.fill.unwrap_or(f32::NAN)).collect();
        let fill = graph.floats("/numeric/fill", &[width], &fill);
        xs = graph.node("Where", &[nan, &fill, &xs], &[]);
    }
    xs
}

/// `(g(x) - shift) * scale` of columns that need it.
fn moved_columns(graph: &mut Graph, columns: &[Scaling], mut xs: String) -> String {
    let width = columns.len();
    if columns.iter().any(|column| column.log1p) {
        let log = signed_log1p(graph, &xs);
        let which: Vec<bool> = columns.iter().map(|column| column.log1p).collect();
        let which = graph.bools("/numeric/log1p", &which);
        xs = graph.node("Where", &[&which, &log, &xs], &[]);
    }
    let shift: Vec<f32> = columns.iter().map(|column| column.shift).collect();
    let shift = graph.floats("/numeric/shift", &[width], &shift);
    let xs = graph.node("Sub", &[&xs, &shift], &[]);
    let scale: Vec<f32> = columns.iter().map(|column| column.scale).collect();
    let scale = graph.floats("/numeric/scale", &[width], &scale);
    graph.node("Mul", &[&xs, &scale], &[])
}

/// `sign(x) ln(1 + |x|)`. There is no operator that is exact near 0, so the logarithm is corrected by what the sum
/// `1 + |x|` was rounded by: `ln(u) · |x| / (u - 1)` (Goldberg, *What Every Computer Scientist Should Know About
/// Floating-Point Arithmetic*, 1991, theorem 4).
fn signed_log1p(graph: &mut Graph, xs: &str) -> String {
    let one = graph.float(1.0);
    let x = graph.node("Abs", &[xs], &[]);
    let sum = graph.node("Add", &[&x, &one], &[]);
    let rounded = graph.node("Sub", &[&sum, &one], &[]);
    let log = graph.node("Log", &[&sum], &[]);
    let ratio = graph.node("Div", &[&x, &rounded], &[]);
    let exact = graph.node("Mul", &[&log, &ratio], &[]);
    let tiny = graph.node("Equal", &[&sum, &one], &[]);
    let log = graph.node("Where", &[&tiny, &x, &exact], &[]);
    let sign = graph.node("Sign", &[xs], &[]);
    graph.node("Mul", &[&sign, &log], &[])
}
