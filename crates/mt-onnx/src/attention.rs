//! Attention over lists, see [`mt_layers::Attention`]: from padded lists of table rows to what they become.

use mt_bundle::Predictor;
use mt_features::Schema;
use mt_models::{AttentionKind, SequenceInput, Side};

use crate::error::Result;
use crate::graph::Graph;
use crate::lists::{Listed, count, listed};
use crate::proto::Attribute;
use crate::self_attention;

/// Puts into `parts`, the columns of each field, what the lists become that are read with attention.
pub(crate) fn fill(graph: &mut Graph, predictor: &Predictor, parts: &mut [String]) -> Result<()> {
    let (schema, model) = (&predictor.signature().schema, &predictor.signature().model);
    let inputs = model.inputs(schema)?;
    for (fields, list) in schema.sequences().into_iter().zip(inputs.sequences()) {
        let pooled = pooled(graph, predictor, &fields, list, parts)?;
        let mut at = 0;
        for (field, Side { width, .. }) in fields.into_iter().zip(&list.sides) {
            parts[field] = graph.columns(&pooled, &(at..at + *width as u32).collect::<Vec<_>>());
            at += *width as u32;
        }
    }
    Ok(())
}

/// What parallel lists become, side by side, `(B, S)`.
fn pooled(
    graph: &mut Graph,
    predictor: &Predictor,
    fields: &[usize],
    SequenceInput { name, kind, .. }: &SequenceInput,
    parts: &[String],
) -> Result<String> {
    let schema: &Schema = &predictor.signature().schema;
    let (mut sides, mut queries) = (Vec::new(), Vec::new());
    for &f in fields {
        let field = &schema.fields[f];
        sides.push(listed(graph, predictor, field, &format!("{name} length"))?);
        let query = field.attention().and_then(|attention| schema.field(&attention.query));
        queries.extend(query.map(|query| parts[query].clone()));
    }
    let Some(Listed { there, .. }) = sides.first() else { return Ok(String::new()) };
    let there = there.clone();
    let values: Vec<String> = sides.into_iter().map(|side| side.kept).collect();
    let (values, one, list) = (graph.concat(&values, 2), graph.float(1.0), graph.ints(&[1]));
    let query = graph.concat(&queries, 1);
    if let AttentionKind::SelfAttention(sizes) = kind {
        return self_attention::block(
            graph,
            &format!("self_attention.{name}"),
            sizes,
            [&values, &there, &query],
        );
    }
    let query = graph.node("Unsqueeze", &[&query, &list], &[]);
    let shape = graph.node("Shape", &[&values], &[]);
    let query = graph.node("Expand", &[&query, &shape], &[]);
    let difference = graph.node("Sub", &[&query, &values], &[]);
    let product = graph.node("Mul", &[&query, &values], &[]);
    let read = graph.concat(&[query, values.clone(), difference, product], 2);
    let layer = |graph: &mut Graph, l: usize, xs: &str| -> Result<String> {
        let parameter = |graph: &mut Graph, what: &str| -> Result<String> {
            let name = format!("attention.{name}.{l}.{what}");
            let values = graph.weight(&name)?;
            Ok(graph.tensor(&name, &values)?)
        };
        let (weight, bias) = (parameter(graph, "weight")?, parameter(graph, "bias")?);
        let xs = graph.node("MatMul", &[xs, &weight], &[]);
        Ok(graph.node("Add", &[&xs, &bias], &[]))
    };
    let units = layer(graph, 0, &read)?;
    let units = graph.node("Relu", &[&units], &[]);
    let scores = layer(graph, 1, &units)?;
    let weights = graph.node("Sigmoid", &[&scores], &[]);
    let weighed = graph.node("Mul", &[&weights, &values], &[]);
    let sum = graph.node("ReduceSum", &[&weighed, &list], &[Attribute::int("keepdims", 0)]);
    let count = count(graph, &there, &list);
    let count = graph.node("Max", &[&count, &one], &[]);
    let root = graph.node("Sqrt", &[&count], &[]);
    Ok(graph.node("Div", &[&sum, &root], &[]))
}
