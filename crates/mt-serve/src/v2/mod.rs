//! The Open Inference Protocol v2, as KServe and Triton speak it over HTTP, with the extensions `binary_tensor_data`
//! (what their clients send unless told otherwise) and `model_repository` (the index).
//!
//! A tensor is a column: `(B)` or `(B, 1)` for values, `(B, n)` for lists of `n` of a field that holds several. Outputs
//! are `FP32`, `(B)` a task and `(B, classes)` for a multiclass one; with a final score of the server's there is `score`.

mod metadata;
mod parameters;
mod response;
mod tensor;

pub(crate) use metadata::{Live, Ready, index, metadata, server};

use mt_features::{Column, FieldCoverage};
use serde::Deserialize;

use self::parameters::Parameters;
use self::response::Wanted;
use self::tensor::Tensor;
use crate::cell::{Cell, push};
use crate::fault::Fault;
use crate::models::{Buffers, Model};
use crate::predict::{Answered, scores};

/// The header that says how many bytes of a body are JSON, where binary tensors follow.
pub(crate) const JSON_BYTES: &str = "inference-header-content-length";

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow)]
    inputs: Vec<Tensor<'a>>,
    #[serde(default)]
    outputs: Vec<Wanted>,
    #[serde(default)]
    parameters: Parameters,
}

/// Predicts the rows of a request of at most `limit` rows. Of its body, the first `json` bytes are JSON.
pub(crate) fn answer(
    model: &Model,
    body: &[u8],
    json: Option<usize>,
    limit: usize,
) -> Result<Answered, Fault> {
    let (text, binary) = body
        .split_at_checked(json.unwrap_or(body.len()))
        .ok_or_else(|| Fault::bad(format!("header {JSON_BYTES}: the body has only {} bytes", body.len())))?;
    let request: Request<'_> = serde_json::from_slice(text).map_err(Fault::bad)?;
    model.with_buffers(|buffers| {
        fill(buffers, request.inputs, binary, limit)?;
        let Buffers { rows, predictions } = buffers;
        model.predictor.predict_into(rows, predictions).map_err(|error| Fault::failed(&error))?;
        let scores = model.score.as_ref().map(|score| scores(score, predictions));
        let outputs = response::outputs(model, predictions, scores.as_deref());
        let (body, json) =
            response::write(model, request.id, &request.outputs, &request.parameters, &outputs)?;
        let fields = rows.fields().iter().map(FieldCoverage::of).collect();
        Ok(Answered { body, rows: rows.len(), fields, json })
    })
}

/// Turns columns into rows.
fn fill<'a>(
    buffers: &mut Buffers,
    inputs: Vec<Tensor<'a>>,
    mut binary: &'a [u8],
    limit: usize,
) -> Result<(), Fault> {
    let Buffers { rows, .. } = buffers;
    let encoder = rows.encoder().clone();
    // Or a small request could claim as many rows of nothing as it likes.
    let (found, expected) = (inputs.len(), encoder.columns().len());
    if found > expected {
        return Err(Fault::bad(format!("{found} inputs are given, there are {expected}")));
    }
    let mut columns: Vec<(Column, std::vec::IntoIter<Cell<'_>>)> = Vec::with_capacity(inputs.len());
    let mut batch = None;
    for input in inputs {
        let column = encoder.column(&input.name).map_err(Fault::bad)?;
        let found = input.rows()?;
        let (first, expected) = batch.get_or_insert_with(|| (input.name.clone(), found));
        if found != *expected {
            let name = &input.name;
            return Err(Fault::bad(format!("input {name:?} has {found} rows, {first:?} has {expected}")));
        }
        if found > limit {
            return Err(Fault::too_large(format!("expected at most {limit} rows a request, found {found}")));
        }
        columns.push((column, input.cells(&mut binary)?.into_iter()));
    }
    if !binary.is_empty() {
        return Err(Fault::bad(format!("{} bytes of binary data belong to no input", binary.len())));
    }
    let mut row = Vec::with_capacity(columns.len());
    for _ in 0..batch.map_or(0, |(_, rows)| rows) {
        row.clear();
        row.extend(columns.iter_mut().filter_map(|(column, cells)| Some((*column, cells.next()?))));
        push(rows, &row).map_err(Fault::bad)?;
    }
    Ok(())
}
