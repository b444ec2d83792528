//! The five trunks: from the input `(B, D)` to a stream `(B, H)` a task.

use mt_models::{Architecture, CgcConfig, ModelConfig, TaskColumns};

use crate::error::Result;
use crate::graph::Graph;
use crate::norm;
use crate::proto::Attribute;

/// The stream of each task.
pub fn streams(
    graph: &mut Graph,
    model: &ModelConfig,
    tasks: &[&str],
    columns: &TaskColumns,
    xs: &str,
) -> Result<Vec<String>> {
    // What each task's gate reads, on the first level.
    let gates: Vec<String> = columns.gates.iter().map(|own| gathered(graph, xs, own)).collect();
    match model.resolve()? {
        Architecture::SharedBottom(cfg) => {
            let stream = mlp(graph, "bottom", cfg.bottom.len(), xs, true)?;
            Ok(vec![stream; tasks.len()])
        }
        Architecture::SingleTask(cfg) => {
            let depth = cfg.bottom.len();
            tasks.iter().map(|task| mlp(graph, &format!("bottoms.{task}"), depth, xs, true)).collect()
        }
        Architecture::Mmoe(cfg) => {
            let experts = experts(graph, "experts", cfg.expert.len(), xs)?;
            let mut streams = Vec::with_capacity(tasks.len());
            for (task, read) in tasks.iter().zip(&gates) {
                let logits = mlp(graph, &format!("gates.{task}"), cfg.gate.len() + 1, read, false)?;
                streams.push(mixture(graph, &experts, &logits, cfg.temperature));
            }
            Ok(streams)
        }
        Architecture::Cgc(cfg) => {
            level(graph, &cfg, "", tasks, &vec![xs.to_owned(); tasks.len() + 1], &gates, false)
        }
        Architecture::Ple(cfg) => {
            let mut streams = vec![xs.to_owned(); tasks.len() + 1];
            for (l, own) in cfg.levels.iter().enumerate() {
                // As in the model: a shared stream that no level above reads has no gate.
                let read_above = cfg.levels[l + 1..].iter().any(|level| level.shared_experts > 0);
                let prefix = format!("levels.{l}.");
                let gates = if l == 0 { gates.clone() } else { streams.clone() };
                streams = level(graph, own, &prefix, tasks, &streams, &gates, read_above)?;
            }
            Ok(streams)
        }
    }
}

/// These columns of what the trunk reads; all of it where there are none.
fn gathered(graph: &mut Graph, xs: &str, columns: &Option<Vec<u32>>) -> String {
    columns.as_ref().map_or_else(|| xs.to_owned(), |columns| graph.columns(xs, columns))
}

/// A level of CGC: `streams` are what each task and, last, the shared part read, `gates` what the tasks' gates do; the
/// result is like the first. A shared stream that nothing reads is left out: the result has one with `shared_gate` only.
fn level(
    graph: &mut Graph,
    cfg: &CgcConfig,
    prefix: &str,
    tasks: &[&str],
    streams: &[String],
    gates: &[String],
    shared_gate: bool,
) -> Result<Vec<String>> {
    let names = || tasks.iter().copied().chain(["shared"]).zip(streams);
    // Those of each task, then the shared ones; where there are any.
    let mut groups: Vec<Option<String>> = vec![None; tasks.len() + 1];
    for (i, (name, xs)) in names().enumerate() {
        let members = if i == tasks.len() { cfg.shared_experts } else { cfg.experts_per_task };
        let bank = format!("{prefix}experts.{name}");
        groups[i] = (members > 0).then(|| experts(graph, &bank, cfg.expert.len(), xs)).transpose()?;
    }
    let mut mixed = Vec::with_capacity(streams.len());
    for (i, (name, xs)) in names().enumerate() {
        let chosen: Vec<String> = match i < tasks.len() {
            true => [&groups[i], &groups[tasks.len()]].into_iter().flatten().cloned().collect(),
            false if shared_gate => groups.iter().flatten().cloned().collect(),
            false => break,
        };
        let chosen = graph.concat(&chosen, 1);
        let read = if i < tasks.len() { &gates[i] } else { xs };
        let logits = mlp(graph, &format!("{prefix}gates.{name}"), cfg.gate.len() + 1, read, false)?;
        mixed.push(mixture(graph, &chosen, &logits, cfg.temperature));
    }
    Ok(mixed)
}

/// A bank of one, `(B, I)` to `(B, O)`: a bottom or a gate. ReLU after every layer, after the last with `activate_last`.
fn mlp(graph: &mut Graph, name: &str, depth: usize, xs: &str, activate_last: bool) -> Result<String> {
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
fn dense(graph: &mut Graph, name: &str, xs: &str) -> Result<String> {
    let (weight, bias) = norm::folded(graph, name)?;
    let weight = graph.tensor(&format!("{name}.weight"), &weight.flatten_from(1)?)?;
    let bias = graph.tensor(&format!("{name}.bias"), &bias.flatten_all()?)?;
    Ok(graph.node("Gemm", &[xs, &weight, &bias], &[]))
}

/// A bank of experts: `(B, I)` to `(B, n, O)`. The first layer is one product; in those above it each member reads what it
/// made below, as a batch of products with the members in front.
fn experts(graph: &mut Graph, name: &str, depth: usize, xs: &str) -> Result<String> {
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
