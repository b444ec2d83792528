//! Normalised layers: batch normalisation is folded into the layer before it, layer normalisation is a node.

use candle_core::{Result as TensorResult, Tensor};
use mt_models::Norm;

use crate::graph::Graph;
use crate::proto::Attribute;

/// Weight and bias of a layer, of a bank `(I, n, O)` and `(n, O)`, of a tower `(O, I)` and `(O)`. With batch normalisation
/// by running statistics each unit is scaled and shifted by constants, so its weights are scaled and its bias is moved.
pub fn folded(graph: &Graph, layer: &str) -> TensorResult<(Tensor, Tensor)> {
    let (weight, bias) = (graph.weight(&format!("{layer}.weight"))?, graph.weight(&format!("{layer}.bias"))?);
    let norm = |what: &str| graph.weight(&format!("{layer}.norm.{what}"));
    // A layer without one has no such tensor.
    let Ok(variance) = norm("running_variance") else { return Ok((weight, bias)) };
    let factor = (norm("scale")? / (variance + Norm::EPSILON)?.sqrt()?)?;
    let bias = (((bias - norm("running_mean")?)? * &factor)? + norm("shift")?)?;
    // The units of a tower are its rows, those of a bank its last axes.
    let factor = if weight.rank() == 2 { factor.unsqueeze(1)? } else { factor };
    Ok((weight.broadcast_mul(&factor)?, bias))
}

/// The sums `xs` of a layer, units last, normalised row by row if it has layer normalisation. `place` gives its scale and
/// shift the axes of `xs`.
pub fn over_units(
    graph: &mut Graph,
    layer: &str,
    xs: &str,
    place: impl Fn(&Tensor) -> TensorResult<Tensor>,
) -> TensorResult<String> {
    let of = |what: &str| format!("{layer}.norm.{what}");
    let (scale, shift) = match (graph.weight(&of("scale")), graph.weight(&of("running_variance"))) {
        (Ok(scale), Err(_)) => (scale, graph.weight(&of("shift"))?),
        _ => return Ok(xs.to_owned()),
    };
    // The operator scales units alike for all members of a bank; theirs differ, so that is done behind it.
    let units = scale.dims().last().copied().unwrap_or(0);
    let ones = format!("/ones/{units}");
    let ones = if graph.has(&ones) { ones } else { graph.floats(&ones, &[units], &vec![1.0; units]) };
    let attributes = [Attribute::int("axis", -1), Attribute::float("epsilon", Norm::EPSILON as f32)];
    let normal = graph.node("LayerNormalization", &[xs, &ones], &attributes);
    let scale = graph.tensor(&of("scale"), &place(&scale)?)?;
    let shift = graph.tensor(&of("shift"), &place(&shift)?)?;
    let scaled = graph.node("Mul", &[&normal, &scale], &[]);
    Ok(graph.node("Add", &[&scaled, &shift], &[]))
}
