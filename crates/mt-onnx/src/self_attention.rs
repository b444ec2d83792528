//! A block of self-attention over lists and their candidates, see [`mt_models::SelfAttention`]. A list of more values than there are
//! positions is an error of the runtime: `Gather` finds none.

use mt_models::{Newest, SelfAttention};

use crate::error::Result;
use crate::graph::Graph;
use crate::norm;
use crate::proto::{Attribute, BOOL, INT64};

/// What the block `name` makes of `values` `(B, N, S)`, of which those count that are `there` `(B, N, 1)`, and of the candidates
/// `query` `(B, S)`: `(B, S)`.
pub(crate) fn block(
    graph: &mut Graph,
    name: &str,
    sizes: &SelfAttention,
    [values, there, query]: [&str; 3],
) -> Result<String> {
    let parameter = |graph: &mut Graph, what: &str| {
        let name = format!("{name}.{what}");
        let values = graph.weight(&name)?;
        graph.tensor(&name, &values)
    };
    let (zero, one, list, width) = (graph.int(0), graph.int(1), graph.ints(&[1]), graph.ints(&[2]));
    let counted = graph.node("Cast", &[there], &[Attribute::int("to", i64::from(INT64))]);
    let mut place = graph.node("CumSum", &[&counted, &one], &[]);
    if sizes.newest == Newest::Last {
        let count = graph.node("ReduceSum", &[&counted, &list], &[]);
        let before = graph.node("Sub", &[&count, &place], &[]);
        place = graph.node("Add", &[&before, &one], &[]);
    }
    let place = graph.node("Where", &[there, &place, &zero], &[]);
    let place = graph.node("Squeeze", &[&place, &width], &[]);
    let positions = parameter(graph, "position")?;
    let position =
        |graph: &mut Graph, of: &str| graph.node("Gather", &[&positions, of], &[Attribute::int("axis", 0)]);
    let (own, first) = (position(graph, &place), position(graph, &zero));
    let values = graph.node("Add", &[values, &own], &[]);
    let candidate = graph.node("Add", &[query, &first], &[]);
    let last = graph.node("Unsqueeze", &[&candidate, &list], &[]);
    let elements = graph.concat(&[values, last], 1);
    let ends = graph.ints(&[0, 0, 0, 0, 1, 0]);
    let there = graph.node("Pad", &[&counted, &ends, &one], &[]);
    let there = graph.node("Cast", &[&there], &[Attribute::int("to", i64::from(BOOL))]);
    let there = graph.node("Unsqueeze", &[&there, &list], &[]);

    let columns = graph.weight(&format!("{name}.query.weight"))?.dim(0)?;
    let (heads, depth) = (sizes.heads as i64, (columns / sizes.heads) as i64);
    let product = |graph: &mut Graph, xs: &str, layer: &str| -> Result<String> {
        let weight = parameter(graph, &format!("{layer}.weight"))?;
        Ok(graph.node("MatMul", &[xs, &weight], &[]))
    };
    let of_heads = |graph: &mut Graph, layer: &str| -> Result<String> {
        let (xs, shape) = (product(graph, &elements, layer)?, graph.ints(&[0, -1, heads, depth]));
        let xs = graph.node("Reshape", &[&xs, &shape], &[]);
        Ok(graph.node("Transpose", &[&xs], &[Attribute::ints("perm", &[0, 2, 1, 3])]))
    };
    let asked = product(graph, &candidate, "query")?;
    let (column, over) = (graph.ints(&[0, heads, depth, 1]), graph.float(1.0 / (depth as f32).sqrt()));
    let asked = graph.node("Reshape", &[&asked, &column], &[]);
    let asked = graph.node("Mul", &[&asked, &over], &[]);
    let keys = of_heads(graph, "key")?;
    let scores = graph.node("MatMul", &[&keys, &asked], &[]);
    let least = graph.float(f32::MIN);
    let scores = graph.node("Where", &[&there, &scores, &least], &[]);
    let shares = graph.node("Softmax", &[&scores], &[Attribute::int("axis", 2)]);
    let values = of_heads(graph, "value")?;
    let weighed = graph.node("Mul", &[&shares, &values], &[]);
    let mixed = graph.node("ReduceSum", &[&weighed, &width], &[Attribute::int("keepdims", 0)]);
    let flat = graph.ints(&[0, heads * depth]);
    let mixed = graph.node("Reshape", &[&mixed, &flat], &[]);

    let made = product(graph, &mixed, "output")?;
    let sum = graph.node("Add", &[&candidate, &made], &[]);
    let middle = norm::over_units(graph, &format!("{name}.output"), &sum, |scale| Ok(scale.clone()))?;
    let layer = |graph: &mut Graph, xs: &str, layer: &str| -> Result<String> {
        let (xs, bias) = (product(graph, xs, layer)?, parameter(graph, &format!("{layer}.bias"))?);
        Ok(graph.node("Add", &[&xs, &bias], &[]))
    };
    let units = layer(graph, &middle, "0")?;
    let units = graph.node("Relu", &[&units], &[]);
    let fed = layer(graph, &units, "1")?;
    let sum = graph.node("Add", &[&middle, &fed], &[]);
    Ok(norm::over_units(graph, &format!("{name}.1"), &sum, |scale| Ok(scale.clone()))?)
}
