//! What the server and its models are.

use mt_models::TaskKind;
use serde::Serialize;

use super::parameters::SCORE;
use crate::models::Model;

/// The server runs.
#[derive(Serialize)]
pub(crate) struct Live {
    pub live: bool,
}

/// Requests are taken.
#[derive(Serialize)]
pub(crate) struct Ready {
    pub ready: bool,
}

#[derive(Serialize)]
pub(crate) struct Server {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; 2],
}

#[derive(Serialize)]
pub(crate) struct Indexed<'a> {
    name: &'a str,
    version: &'a str,
    state: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Metadata<'a> {
    name: &'a str,
    versions: [&'a str; 1],
    platform: &'static str,
    inputs: Vec<Tensor<'a>>,
    outputs: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: Vec<i64>,
}

/// The server.
pub(crate) fn server() -> Server {
    let extensions = ["binary_tensor_data", "model_repository"];
    Server { name: "mt-serve", version: env!("CARGO_PKG_VERSION"), extensions }
}

/// The models that are served.
pub(crate) fn index<'a>(models: impl Iterator<Item = &'a Model>) -> Vec<Indexed<'a>> {
    models.map(|model| Indexed { name: model.name(), version: &model.version, state: "READY" }).collect()
}

/// Inputs and outputs of a model. Numbers are `FP32` and fields `BYTES`; any other type that fits is taken too.
pub(crate) fn metadata(model: &Model) -> Metadata<'_> {
    let encoder = model.predictor.encoder();
    let input = |name: &'_ String| {
        let (mut datatype, mut shape) = ("BYTES", vec![-1]);
        if let Ok(column) = encoder.column(name) {
            if encoder.is_number(column) {
                datatype = "FP32";
            }
            shape.resize(1 + usize::from(encoder.is_list(column)), -1);
        }
        (datatype, shape)
    };
    let inputs = encoder.columns().iter().map(|name| {
        let (datatype, shape) = input(name);
        Tensor { name, datatype, shape }
    });
    let inputs = inputs.collect();
    let output = |task: &'_ mt_models::Task| match task.kind {
        TaskKind::Multiclass { classes } => vec![-1, i64::from(classes)],
        _ => vec![-1],
    };
    let mut outputs: Vec<Tensor<'_>> = model
        .predicted
        .iter()
        .map(|task| Tensor { name: &task.name, datatype: "FP32", shape: output(task) })
        .collect();
    if model.score.is_some() {
        outputs.push(Tensor { name: SCORE, datatype: "FP32", shape: vec![-1] });
    }
    let versions = [model.version.as_str()];
    Metadata { name: model.name(), versions, platform: "mt", inputs, outputs }
}
