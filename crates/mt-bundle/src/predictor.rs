//! A trained model that only predicts.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use mt_features::{Ids, Numeric, RawRows, RowEncoder};
use mt_layers::Run;
use mt_models::{Features, InputLayer, Inventory, Model, Readout, build, inventory};

use crate::check::Check;
use crate::error::{Error, Result};
use crate::hold::hold;
use crate::predictions::{Outputs, Predictions, outputs};
use crate::signature::Signature;

/// A model with fixed weights, safe to share between threads.
///
/// ```no_run
/// use candle_core::Device;
/// use mt_bundle::{Predictions, Predictor};
/// let predictor = Predictor::load("bundle".as_ref(), &Device::Cpu)?;
/// let (mut rows, mut predictions) = (predictor.rows(), Predictions::default());
/// rows.push([("user_id", 17.into()), ("tags", "a|b".into())])?;
/// predictor.predict_into(&rows, &mut predictions)?;
/// println!("{:?}", predictions.task(0, "like"));
/// # Ok::<(), mt_bundle::Error>(())
/// ```
#[derive(Debug)]
pub struct Predictor {
    signature: Signature,
    encoder: Arc<RowEncoder>,
    layer: InputLayer,
    model: Box<dyn Model>,
    readout: Readout,
    outputs: Outputs,
    device: Device,
    pub(crate) check: Option<Check>,
}

impl Predictor {
    /// The model of this `signature` in `dir`, with files that are as they were written.
    pub(crate) fn of(signature: Signature, dir: &Path, device: &Device) -> Result<Self> {
        let path = dir.join(Signature::WEIGHTS);
        let fail = |problem: String| Error::File { path: path.clone(), problem };
        // Read here, so that the error can name the file.
        let bytes = std::fs::read(&path).map_err(|error| fail(error.to_string()))?;
        let weights =
            candle_core::safetensors::load_buffer(&bytes, device).map_err(|error| fail(error.to_string()))?;
        let Signature { model: cfg, schema, encoders, seed, normalizer, missing, .. } = &signature;
        let damaged = |error: mt_features::Error| Error::File {
            path: dir.join(Signature::FILE),
            problem: error.to_string(),
        };
        let encoder = RowEncoder::new(schema, encoders, normalizer, missing).map_err(damaged)?;
        let (readout, outputs) = (signature.readout(), outputs(&schema.predicted()));
        for (missing, what) in [(readout.width() == 0, "task"), (encoder.columns().is_empty(), "input")] {
            if missing {
                let problem = format!("the model has no {what}");
                return Err(Error::File { path: dir.join(Signature::FILE), problem });
            }
        }
        let layer = if schema.fields.is_empty() {
            InputLayer::numeric(cfg, schema, device)?
        } else {
            let path = dir.join(Signature::TABLES);
            let bytes = hold(&path)
                .map_err(|error| Error::File { path: path.clone(), problem: error.to_string() })?;
            let layer = InputLayer::frozen(cfg, schema, encoders, *seed, bytes, device);
            layer.map_err(|error| Error::File { path, problem: error.to_string() })?
        };
        let inputs = cfg.inputs(schema)?;
        let expected = inventory(cfg, &inputs, &schema.heads())?;
        if let Some(difference) = difference(&expected, &weights) {
            return Err(fail(format!("the weights belong to another model: {difference}")));
        }
        let vb = VarBuilder::from_tensors(weights, DType::F32, device);
        let mut model = build(cfg, &inputs, &schema.heads(), vb)?;
        model.prepare();
        Ok(Self {
            encoder: Arc::new(encoder),
            layer,
            model,
            readout,
            outputs,
            device: device.clone(),
            check: None,
            signature,
        })
    }

    /// All rows `(V, K)` of an embedding table in single precision, those that were never trained included: for
    /// programs that look rows up elsewhere.
    ///
    /// # Errors
    /// [`mt_models::Error::Table`] if there is no such table.
    pub fn table(&self, name: &str) -> Result<Tensor> {
        Ok(self.layer.table(name)?)
    }

    /// What the model is.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// How the rows recorded with a bundle came out when it was loaded; `None` of a checkpoint.
    pub fn check(&self) -> Option<&Check> {
        self.check.as_ref()
    }

    /// Predictions a row, see [`Readout::width`].
    pub fn width(&self) -> usize {
        self.readout.width()
    }

    /// Where the model computes; embedding tables are always on the host.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What turns raw values into rows: the columns that the model asks for.
    pub fn encoder(&self) -> &RowEncoder {
        &self.encoder
    }

    /// A buffer for raw rows, to be used again and again; each thread has its own.
    pub fn rows(&self) -> RawRows {
        RawRows::new(self.encoder.clone())
    }

    /// Predictions of raw rows.
    ///
    /// # Errors
    /// [`mt_models::Error::Width`] for rows of another model's predictor.
    pub fn predict_rows(&self, rows: &RawRows) -> Result<Predictions> {
        let mut predictions = Predictions::default();
        self.predict_into(rows, &mut predictions)?;
        Ok(predictions)
    }

    /// As [`Predictor::predict_rows`], into memory that is used again.
    ///
    /// Encoding and the predictions allocate nothing in the steady state. The network does: some ten short-lived
    /// tensors a call, whatever the number of rows.
    ///
    /// A row comes out the same to the bit in any batch, except where a layer reads 48 and more dense columns: there the
    /// matrix product adds in another order for a single row, and the last digits of it may differ. So may those of a network
    /// or a stage of one's own that multiplies by candle's own product in place of a [`Bank`](mt_layers::Bank).
    ///
    /// # Errors
    /// As [`Predictor::predict_rows`].
    pub fn predict_into(&self, rows: &RawRows, predictions: &mut Predictions) -> Result<()> {
        let values = predictions.reset(&self.outputs);
        if rows.is_empty() {
            return Ok(());
        }
        let features = Features::new(rows.numeric().clone(), rows.fields().to_vec())?;
        self.forward(features, values)
    }

    /// Predictions `(B, P)`, row-major, of rows that [`Signature::normalizer`] has scaled and
    /// [`Signature::encoders`] have encoded.
    ///
    /// # Errors
    /// [`mt_models::Error::Width`] if the rows have another number of columns than the model was trained on, [`mt_models::Error::Table`] if
    /// table rows do not fit.
    pub fn predict(&self, numeric: Numeric, fields: Vec<Ids>) -> Result<Vec<f32>> {
        let mut predictions = Vec::new();
        self.forward(Features::new(numeric, fields)?, &mut predictions)?;
        Ok(predictions)
    }

    fn forward(&self, features: Features, predictions: &mut Vec<f32>) -> Result<()> {
        let expected = self.signature.schema.numeric.len();
        let found = features.numeric.as_ref().map(mt_layers::Input::width).transpose()?.unwrap_or(0);
        if found != expected {
            return Err(mt_models::Error::Width { found, expected }.into());
        }
        let features = features.to_device(&self.device)?;
        let mut run = Run::evaluation();
        let xs = self.model.read(&self.layer.forward(&features, &mut run)?, &mut run)?;
        let logits = self.model.forward(&xs, &mut run)?;
        Ok(self.readout.predictions_into(&logits, predictions)?)
    }
}

/// The first difference between the parameters a model has and those of a file.
fn difference(expected: &Inventory, found: &HashMap<String, Tensor>) -> Option<String> {
    for (name, shape) in expected {
        match found.get(name) {
            None => return Some(format!("parameter {name:?} is missing")),
            Some(tensor) if tensor.shape() != shape => {
                return Some(format!(
                    "parameter {name:?} has shape {:?}, expected {shape:?}",
                    tensor.shape()
                ));
            }
            Some(_) => {}
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the smallest name is the same in any order")]
    let superfluous = found.keys().filter(|name| !expected.contains_key(*name)).min();
    superfluous.map(|name| format!("parameter {name:?} is not in the model"))
}
