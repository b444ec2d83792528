//! Towers, and from their logits to what is predicted: an output for each task and each head without a label.

use candle_core::{Device, Tensor};
use mt_bundle::Signature;
use mt_features::{Task, TaskKind};
use mt_models::{LEAST_SIGMA, Link, Ordinal, ordinal_base};

use crate::error::Result;
use crate::graph::{Graph, Size};
use crate::norm;
use crate::proto::Attribute;

/// Adds the outputs; `streams` are what the towers of the heads read.
pub fn outputs(graph: &mut Graph, signature: &Signature, streams: &[String]) -> Result<()> {
    let Signature { model, schema, links, targets, .. } = signature;
    let mut values = Vec::new();
    for (head, stream) in schema.heads().into_iter().zip(streams) {
        let logits = tower(graph, &head.name, model.tower.len() + 1, stream)?;
        let link = links.get(&head.name).copied().unwrap_or_default();
        let logits = match head.kind {
            TaskKind::ZeroInflated => log_mean(graph, &logits),
            _ => logits,
        };
        let target = targets.get(&head.name);
        if let TaskKind::Ordinal { thresholds } = head.kind {
            let fitted = target.and_then(|target| target.ordinal.clone());
            let fitted = fitted.unwrap_or_else(|| Ordinal::numbered(thresholds as usize));
            values.push((head.name.clone(), restored(graph, &head.name, fitted.steps(), &logits)?));
            continue;
        }
        let logits = match target {
            Some(target) => unscaled(graph, target.undo(link), &logits),
            None => logits,
        };
        let value = value(graph, head.kind, link, logits);
        values.push((head.name, value));
    }
    for task in schema.predicted() {
        let own = [task.name.clone()];
        let factors = task.prediction.as_ref().map_or(&own[..], |product| product.heads());
        let of = |name: &String| values.iter().find(|(head, _)| head == name).map(|(_, value)| value.clone());
        let product = factors.iter().filter_map(of).reduce(|a, b| graph.node("Mul", &[&a, &b], &[]));
        output(graph, &task, &product.unwrap_or_default());
    }
    Ok(())
}

/// A stream `(B, H)` to logits `(B, K)`.
fn tower(graph: &mut Graph, head: &str, depth: usize, stream: &str) -> Result<String> {
    let mut xs = stream.to_owned();
    for l in 0..depth {
        if l > 0 {
            xs = graph.node("Relu", &[&xs], &[]);
        }
        let layer = format!("towers.{head}.{l}");
        let (weight, bias) = norm::folded(graph, &layer)?;
        let weight = graph.tensor(&format!("{layer}.weight"), &weight)?;
        let bias = graph.tensor(&format!("{layer}.bias"), &bias)?;
        // Plain linear layers are (out, in).
        xs = graph.node("Gemm", &[&xs, &weight, &bias], &[Attribute::int("transB", 1)]);
        xs = norm::over_units(graph, &layer, &xs, |scale| Ok(scale.clone()))?;
    }
    Ok(xs)
}

/// The logits `(B, 3)` of a zero-inflated log-normal to the logarithm of its mean, `(B, 1)`, as
/// [`mt_models::Readout`] takes it.
fn log_mean(graph: &mut Graph, logits: &str) -> String {
    let column = |graph: &mut Graph, at: i64| {
        let at = graph.ints(&[at]);
        graph.node("Gather", &[logits, &at], &[Attribute::int("axis", 1)])
    };
    let [z, mu, s] = [0, 1, 2].map(|at| column(graph, at));
    let against = graph.node("Neg", &[&z], &[]);
    let missed = graph.node("Softplus", &[&against], &[]);
    let spread = graph.node("Softplus", &[&s], &[]);
    let least = graph.float(LEAST_SIGMA as f32);
    let sigma = graph.node("Add", &[&spread, &least], &[]);
    let variance = graph.node("Mul", &[&sigma, &sigma], &[]);
    let half = graph.float(0.5);
    let half = graph.node("Mul", &[&variance, &half], &[]);
    let of_positive = graph.node("Add", &[&mu, &half], &[]);
    graph.node("Sub", &[&of_positive, &missed], &[])
}

/// The logits `(B, K)` of thresholds to the number `(B, 1)` that is restored of them.
fn restored(graph: &mut Graph, head: &str, (least, steps): (f32, Vec<f32>), logits: &str) -> Result<String> {
    let base = (0..steps.len()).map(|k| ordinal_base(k, steps.len())).collect::<Vec<_>>();
    let base = graph.tensor(&format!("{head}.base"), &Tensor::new(base, &Device::Cpu)?.unsqueeze(0)?)?;
    let logits = graph.node("Add", &[logits, &base], &[]);
    let above = graph.node("Sigmoid", &[&logits], &[]);
    let steps = Tensor::new(steps, &Device::Cpu)?.unsqueeze(1)?;
    let steps = graph.tensor(&format!("{head}.steps"), &steps)?;
    let sum = graph.node("MatMul", &[&above, &steps], &[]);
    let least = graph.float(least);
    Ok(graph.node("Add", &[&sum, &least], &[]))
}

/// A regression's output before its link, whose labels were scaled.
fn unscaled(graph: &mut Graph, (factor, summand): (f32, f32), logits: &str) -> String {
    let [factor, summand] = [graph.float(factor), graph.float(summand)];
    let product = graph.node("Mul", &[logits, &factor], &[]);
    graph.node("Add", &[&product, &summand], &[])
}

/// What is predicted with a head's logits, `(B, 1)`, as [`mt_models::Readout`] does it; of several classes, the logits.
fn value(graph: &mut Graph, kind: TaskKind, link: Link, logits: String) -> String {
    match (kind, link) {
        (TaskKind::Binary, _) => graph.node("Sigmoid", &[&logits], &[]),
        (TaskKind::BinarySoftmax, _) => {
            let both = graph.node("Softmax", &[&logits], &[Attribute::int("axis", 1)]);
            let positive = graph.ints(&[1]);
            graph.node("Gather", &[&both, &positive], &[Attribute::int("axis", 1)])
        }
        (TaskKind::Multiclass { .. }, _)
        | (TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. }, Link::Identity) => {
            logits
        }
        (TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. }, Link::Exp) => {
            graph.node("Exp", &[&logits], &[])
        }
        (TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. }, Link::ExpM1) => {
            let one = graph.float(1.0);
            let exp = graph.node("Exp", &[&logits], &[]);
            graph.node("Sub", &[&exp, &one], &[])
        }
    }
}

/// The output of a task, or of a head without a label.
fn output(graph: &mut Graph, task: &Task, value: &str) {
    if let TaskKind::Multiclass { classes } = task.kind {
        graph.named("Softmax", &[value], &[Attribute::int("axis", 1)], &task.name);
        let sizes = vec![Size::batch(), Size::Fixed(classes as usize)];
        return graph.output(&task.name, sizes, "probability of each class".to_owned());
    }
    let axis = graph.ints(&[1]);
    graph.named("Squeeze", &[value, &axis], &[], &task.name);
    let doc = if task.kind.is_binary() { "probability" } else { "predicted number" };
    graph.output(&task.name, vec![Size::batch()], doc.to_owned());
}
