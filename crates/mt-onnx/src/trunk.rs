//! What networks write themselves with: from the input `(B, D)` to a stream `(B, H)` a task.

use candle_core::{Result as TensorResult, Tensor};
use mt_models::Result;

use crate::graph::Graph;
use crate::norm;
use crate::proto::Attribute;

impl mt_models::Graph for Graph {
    fn mlp(&mut self, bank: &str, depth: usize, xs: &str, activate_last: bool) -> Result<String> {
        Ok(mlp(self, bank, depth, xs, activate_last)?)
    }

    fn experts(&mut self, bank: &str, depth: usize, xs: &str) -> Result<String> {
        Ok(experts(self, bank, depth, xs)?)
    }

    fn mixture(&mut self, experts: &str, logits: &str, temperature: f64) -> String {
        mixture(self, experts, logits, temperature)
    }

    fn concat(&mut self, values: &[String], axis: i64) -> String {
        Graph::concat(self, values, axis)
    }

    fn columns(&mut self, value: &str, columns: &[u32]) -> String {
        Graph::columns(self, value, columns)
    }

    fn parameter(&self, name: &str) -> Result<Tensor> {
        Ok(self.weight(name)?)
    }

    fn constant(&mut self, name: &str, values: &Tensor) -> Result<String> {
        Ok(self.tensor(name, values)?)
    }

    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, mt_models::Attribute)],
    ) -> String {
        let attribute = |(name, value): &(&str, mt_models::Attribute)| match value {
            mt_models::Attribute::Ints(values) => Attribute::ints(name, values),
            mt_models::Attribute::Float(value) => Attribute::float(name, *value),
            mt_models::Attribute::Int(value) => Attribute::int(name, *value),
        };
        let attributes: Vec<Attribute> = attributes.iter().map(attribute).collect();
        Graph::node(self, operator, inputs, &attributes)
    }
}

/// A bank of one, `(B, I)` to `(B, O)`: a bottom or a gate. ReLU after every layer, after the last with `activate_last`.
fn mlp(graph: &mut Graph, name: &str, depth: usize, xs: &str, activate_last: bool) -> TensorResult<String> {
    let mut xs = xs.to_owned();
    for l in 0..depth {
        let layer = format!("{name}.{l}");
        xs = dense(graph, &layer, &xs)?;
        xs = norm::over_units(graph, &layer, &xs, |scale| scale.flatten_all())?;
        if activate_last || l + 1 < depth {
            xs = graph.node("Relu", &[&xs], &[]);
        }
    }
    Ok(xs)
}

/// A bank's layer whose members all read `xs`: `(B, I)` to `(B, n·O)`.
fn dense(graph: &mut Graph, name: &str, xs: &str) -> TensorResult<String> {
    let (weight, bias) = norm::folded(graph, name)?;
    let weight = graph.tensor(&format!("{name}.weight"), &weight.flatten_from(1)?)?;
    let bias = graph.tensor(&format!("{name}.bias"), &bias.flatten_all()?)?;
    Ok(graph.node("Gemm", &[xs, &weight, &bias], &[]))
}

/// A bank of experts: `(B, I)` to `(B, n, O)`. The first layer is one product; in those above it each member reads what it
/// made below, as a batch of products with the members in front.
fn experts(graph: &mut Graph, name: &str, depth: usize, xs: &str) -> TensorResult<String> {
    let (_, n, units) = graph.weight(&format!("{name}.0.weight"))?.dims3()?;
    let layer = format!("{name}.0");
    let first = dense(graph, &layer, xs)?;
    let shape = graph.ints(&[0, n as i64, units as i64]);
    let mut xs = graph.node("Reshape", &[&first, &shape], &[]);
    xs = norm::over_units(graph, &layer, &xs, |scale| Ok(scale.clone()))?;
    xs = graph.node("Relu", &[&xs], &[]);
    if depth == 1 {
        return Ok(xs);
    }
    let swap = [Attribute::ints("perm", &[1, 0, 2])];
    xs = graph.node("Transpose", &[&xs], &swap);
    for l in 1..depth {
        let layer = format!("{name}.{l}");
        let (weight, bias) = norm::folded(graph, &layer)?;
        let weight = graph.tensor(&format!("{layer}.weight"), &weight.transpose(0, 1)?)?;
        let bias = graph.tensor(&format!("{layer}.bias"), &bias.unsqueeze(1)?)?;
        xs = graph.node("MatMul", &[&xs, &weight], &[]);
        xs = graph.node("Add", &[&xs, &bias], &[]);
        xs = norm::over_units(graph, &layer, &xs, |scale| scale.unsqueeze(1))?;
        xs = graph.node("Relu", &[&xs], &[]);
    }
    Ok(graph.node("Transpose", &[&xs], &swap))
}

/// `Σ_e softmax(logits / τ)_e · expert_e`: experts `(B, E, H)` and logits `(B, E)` to `(B, H)`.
fn mixture(graph: &mut Graph, experts: &str, logits: &str, temperature: f64) -> String {
    let mut logits = logits.to_owned();
    if temperature != 1.0 {
        let temperature = graph.float(temperature as f32);
        logits = graph.node("Div", &[&logits, &temperature], &[]);
    }
    let weights = graph.node("Softmax", &[&logits], &[Attribute::int("axis", 1)]);
    let axis = graph.ints(&[1]);
    let weights = graph.node("Unsqueeze", &[&weights, &axis], &[]);
    let mixed = graph.node("MatMul", &[&weights, experts], &[]);
    graph.node("Squeeze", &[&mixed, &axis], &[])
}
