//! A trained model that only predicts.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use mt_data::{Encoders, Ids, Normalizer, Numeric, Schema};
use mt_layers::RowOptimizer;
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::input::{Features, InputLayer};
use crate::inventory::{Inventory, inventory};
use crate::model::{Model, build};
use crate::readout::{Link, Readout};

/// Everything about a trained model but its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Version of the folder's format.
    pub format: u32,
    /// The network.
    pub model: ModelConfig,
    /// Its inputs and tasks.
    pub schema: Schema,
    /// How raw columns are scaled before they enter the network.
    pub normalizer: Normalizer,
    /// How values of its fields become table rows.
    #[serde(default)]
    pub encoders: Encoders,
    /// How outputs of regressions become predictions, by task; the identity where nothing is said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, Link>,
    /// Seed of the start values, which table rows that were never trained still have.
    #[serde(default)]
    pub seed: u64,
}

impl Signature {
    /// The format this version writes, and the newest it reads.
    pub const FORMAT: u32 = 1;
    /// Name of the file inside a model's folder.
    pub const FILE: &str = "model.json";
    /// Name of the weights' file beside it.
    pub const WEIGHTS: &str = "weights.safetensors";
    /// Name of the file with the trained rows of embedding tables; only there for a schema with fields.
    pub const TABLES: &str = "tables.safetensors";

    /// Reads the signature of the model in `dir`.
    ///
    /// # Errors
    /// [`Error::File`] if it is missing, damaged or of a newer format.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(Self::FILE);
        let fail = |problem: String| Error::File { path: path.clone(), problem };
        let text = std::fs::read(&path).map_err(|error| fail(error.to_string()))?;
        let signature: Self = serde_json::from_slice(&text).map_err(|error| fail(error.to_string()))?;
        if signature.format > Self::FORMAT {
            let (found, known) = (signature.format, Self::FORMAT);
            return Err(fail(format!("format {found} is newer than this version reads, {known}")));
        }
        Ok(signature)
    }
}

/// A model with fixed weights, safe to share between threads.
#[derive(Debug)]
pub struct Predictor {
    signature: Signature,
    layer: InputLayer,
    model: Box<dyn Model>,
    readout: Readout,
    device: Device,
}

impl Predictor {
    /// Loads the model in `dir`.
    ///
    /// # Errors
    /// [`Error::File`] if a file is missing or damaged, or the weights are those of another model.
    pub fn load(dir: &Path, device: &Device) -> Result<Self> {
        let signature = Signature::read(dir)?;
        let path = dir.join(Signature::WEIGHTS);
        let fail = |problem: String| Error::File { path: path.clone(), problem };
        // Read here, so that the error can name the file.
        let bytes = std::fs::read(&path).map_err(|error| fail(error.to_string()))?;
        let weights =
            candle_core::safetensors::load_buffer(&bytes, device).map_err(|error| fail(error.to_string()))?;
        let Signature { model: cfg, schema, encoders, links, seed, .. } = &signature;
        encoders.check(schema).map_err(|error| fail(error.to_string()))?;
        let layer = InputLayer::new(cfg, schema, encoders, RowOptimizer::Sgd {}, *seed, device)?;
        if let Some(embeddings) = layer.embeddings() {
            let path = dir.join(Signature::TABLES);
            let tables = candle_core::safetensors::load(&path, &Device::Cpu);
            let imported = tables
                .map_err(Error::from)
                .and_then(|tables| Ok(embeddings.import(&tables.into_iter().collect())?));
            imported.map_err(|error| Error::File { path, problem: error.to_string() })?;
        }
        let expected = inventory(cfg, layer.width(), &schema.tasks)?;
        if let Some(difference) = difference(&expected, &weights) {
            return Err(fail(format!("the weights belong to another model: {difference}")));
        }
        let vb = VarBuilder::from_tensors(weights, DType::F32, device);
        let model = build(cfg, layer.width(), &schema.tasks, vb)?;
        let readout = Readout::new(&schema.tasks, links);
        Ok(Self { signature, layer, model, readout, device: device.clone() })
    }

    /// What the model is.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Predictions a row, see [`Readout::width`].
    pub fn width(&self) -> usize {
        self.readout.width()
    }

    /// Predictions `(B, P)`, row-major, of rows that [`Signature::normalizer`] has scaled and
    /// [`Signature::encoders`] have encoded.
    ///
    /// # Errors
    /// [`Error::Width`] if the rows have another number of columns than the model was trained on, [`Error::Table`] if
    /// table rows do not fit.
    pub fn predict(&self, numeric: Numeric, fields: Vec<Ids>) -> Result<Vec<f32>> {
        let (found, expected) = (numeric.width(), self.signature.schema.numeric.len());
        if found != expected {
            return Err(Error::Width { found, expected });
        }
        let features = Features::new(numeric, fields)?.to_device(&self.device)?;
        self.readout.predictions(&self.model.forward(&self.layer.forward(&features)?)?)
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
