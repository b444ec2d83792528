//! Output tensors.

use mt_bundle::Predictions;
use mt_features::error::Nearest;
use serde::{Deserialize, Serialize};

use super::parameters::{Parameters, SCORE};
use crate::fault::Fault;
use crate::models::Model;

/// An output that is asked for.
#[derive(Deserialize)]
pub(super) struct Wanted {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

/// Predictions of one task.
pub(super) struct Output {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

#[derive(Serialize)]
struct Response<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    outputs: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Binary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a [f32]>,
}

#[derive(Serialize)]
struct Binary {
    binary_data_size: usize,
}

impl Output {
    /// With the values, unless they follow as binary.
    fn tensor(&self, parameters: Option<Binary>) -> Tensor<'_> {
        let Self { name, shape, values } = self;
        let data = parameters.is_none().then_some(&values[..]);
        Tensor { name, datatype: "FP32", shape, parameters, data }
    }
}

/// The predictions of each task and each head without a label, and the final score where there is one; NaN where it is no number.
pub(super) fn outputs(
    model: &Model,
    predictions: &Predictions,
    scores: Option<&[Option<f64>]>,
) -> Vec<Output> {
    let rows = predictions.len();
    let mut outputs = Vec::with_capacity(model.keys.len() + 1);
    for (task, (_, at)) in model.predicted.iter().zip(&model.keys) {
        let all = predictions.values().chunks_exact(predictions.width());
        let values = all.flat_map(|row| row[at.clone()].iter().copied()).collect();
        let shape = if at.len() == 1 { vec![rows] } else { vec![rows, at.len()] };
        outputs.push(Output { name: task.name.clone(), shape, values });
    }
    if let Some(scores) = scores {
        let values = scores.iter().map(|score| score.map_or(f32::NAN, |score| score as f32)).collect();
        outputs.push(Output { name: SCORE.to_owned(), shape: vec![rows], values });
    }
    outputs
}

/// The body, and how much of it is JSON if the rest is binary. All outputs where none is asked for.
pub(super) fn write<'o>(
    model: &Model,
    id: Option<String>,
    wanted: &[Wanted],
    parameters: &Parameters,
    outputs: &'o [Output],
) -> Result<(Vec<u8>, Option<usize>), Fault> {
    // Or a small request would have an answer as large as it likes.
    if wanted.len() > outputs.len() {
        return Err(Fault::bad(format!(
            "{} outputs are asked for, there are {}",
            wanted.len(),
            outputs.len()
        )));
    }
    let whole = parameters.binary_data_output.unwrap_or(false);
    let mut chosen: Vec<(&'o Output, bool)> = Vec::with_capacity(outputs.len());
    for Wanted { name, parameters } in wanted {
        let output = outputs.iter().find(|output| output.name == *name).ok_or_else(|| {
            let names: Vec<String> = outputs.iter().map(|output| output.name.clone()).collect();
            Fault::bad(format!("there is no output {name:?}{}", Nearest::of(name, &names)))
        })?;
        chosen.push((output, parameters.binary_data.unwrap_or(whole)));
    }
    if wanted.is_empty() {
        chosen.extend(outputs.iter().map(|output| (output, whole)));
    }
    let mut tail = Vec::new();
    let tensor = |&(output, binary): &(&'o Output, bool)| {
        if binary {
            tail.extend(output.values.iter().flat_map(|value| value.to_le_bytes()));
        }
        let parameters =
            binary.then_some(Binary { binary_data_size: output.values.len() * size_of::<f32>() });
        output.tensor(parameters)
    };
    let outputs = chosen.iter().map(tensor).collect();
    let mut body = Vec::new();
    let (model_name, model_version) = (model.name(), model.version.as_str());
    crate::predict::json(&mut body, &Response { model_name, model_version, id, outputs });
    let binary = chosen.iter().any(|(_, binary)| *binary).then_some(body.len());
    body.extend(tail);
    Ok((body, binary))
}
