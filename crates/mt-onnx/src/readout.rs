//! Towers, and from their logits to what a task predicts: an output a task.

use mt_features::{Task, TaskKind};
use mt_models::{Link, Signature};

use crate::error::Result;
use crate::graph::{Graph, Size};
use crate::norm;
use crate::proto::Attribute;

/// Adds the outputs; `streams` are what the towers read.
pub fn outputs(graph: &mut Graph, signature: &Signature, streams: &[String]) -> Result<()> {
    let Signature { model, schema, links, targets, .. } = signature;
    for (task, stream) in schema.tasks.iter().zip(streams) {
        let logits = tower(graph, &task.name, model.tower.len() + 1, stream)?;
        let link = links.get(&task.name).copied().unwrap_or_default();
        let logits = match targets.get(&task.name) {
            Some(target) => unscaled(graph, target.undo(link), &logits),
            None => logits,
        };
        readout(graph, task, link, &logits);
    }
    Ok(())
}

/// A stream `(B, H)` to logits `(B, K)`.
fn tower(graph: &mut Graph, task: &str, depth: usize, stream: &str) -> Result<String> {
    let mut xs = stream.to_owned();
    for l in 0..depth {
        if l > 0 {
            xs = graph.node("Relu", &[&xs], &[]);
        }
        let layer = format!("towers.{task}.{l}");
        let (weight, bias) = norm::folded(graph, &layer)?;
        let weight = graph.tensor(&format!("{layer}.weight"), &weight)?;
        let bias = graph.tensor(&format!("{layer}.bias"), &bias)?;
        // Plain linear layers are (out, in).
        xs = graph.node("Gemm", &[&xs, &weight, &bias], &[Attribute::int("transB", 1)]);
        xs = norm::over_units(graph, &layer, &xs, |scale| Ok(scale.clone()))?;
    }
    Ok(xs)
}

/// A regression's output before its link, whose labels were scaled.
fn unscaled(graph: &mut Graph, (factor, summand): (f32, f32), logits: &str) -> String {
    let [factor, summand] = [graph.float(factor), graph.float(summand)];
    let product = graph.node("Mul", &[logits, &factor], &[]);
    graph.node("Add", &[&product, &summand], &[])
}

/// As [`mt_models::Readout`] does it.
fn readout(graph: &mut Graph, task: &Task, link: Link, logits: &str) {
    let softmax = [Attribute::int("axis", 1)];
    let one_value = match task.kind {
        TaskKind::Multiclass { classes } => {
            graph.named("Softmax", &[logits], &softmax, &task.name);
            let sizes = vec![Size::batch(), Size::Fixed(classes as usize)];
            return graph.output(&task.name, sizes, "probability of each class".to_owned());
        }
        TaskKind::Binary => graph.node("Sigmoid", &[logits], &[]),
        TaskKind::BinarySoftmax => {
            let both = graph.node("Softmax", &[logits], &softmax);
            let positive = graph.ints(&[1]);
            graph.node("Gather", &[&both, &positive], &[Attribute::int("axis", 1)])
        }
        TaskKind::Regression => match link {
            Link::Identity => logits.to_owned(),
            Link::Exp => graph.node("Exp", &[logits], &[]),
            Link::ExpM1 => {
                let one = graph.float(1.0);
                let exp = graph.node("Exp", &[logits], &[]);
                graph.node("Sub", &[&exp, &one], &[])
            }
        },
    };
    let axis = graph.ints(&[1]);
    graph.named("Squeeze", &[&one_value, &axis], &[], &task.name);
    let doc = if task.kind.is_binary() { "probability" } else { "predicted number" };
    graph.output(&task.name, vec![Size::batch()], doc.to_owned());
}
