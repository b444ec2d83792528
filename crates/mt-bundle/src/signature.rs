//! What a trained model is, its weights aside.

use std::collections::BTreeMap;
use std::path::Path;

use mt_features::{Coverage, Encoders, Fitted, MissingPolicy, Normalizer, Schema, TaskKind};
use mt_models::{Link, ModelConfig, Readout, Registry, Target};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

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
    /// How labels of regressions were scaled, by task; as they are where nothing is said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, Target>,
    /// Which raw values are missing, and what a missing number is.
    #[serde(default, skip_serializing_if = "MissingPolicy::is_default")]
    pub missing: MissingPolicy,
    /// How much of its training rows the encoders knew, to compare with what comes; `None` of a model that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Seed of the start values, which table rows that were never trained still have.
    #[serde(default)]
    pub seed: u64,
}

impl Signature {
    /// The format of a model with this schema and normaliser, by what older versions would overlook or do not know: 3 where the
    /// prediction of a task is a product of heads, a head is read in training alone, a task is [`TaskKind::ZeroInflated`] or [`TaskKind::Ordinal`] or a list is read with attention, 2 where
    /// something is taken off numbers in double precision, else 1.
    pub fn format_of(schema: &Schema, normalizer: &Normalizer) -> u32 {
        let several = |kind| matches!(kind, TaskKind::ZeroInflated | TaskKind::Ordinal { .. });
        match () {
            () if schema.tasks.iter().any(|task| several(task.kind)) => 3,
            () if schema.tasks.iter().any(|task| task.prediction.is_some() || task.imputed.is_some()) => 3,
            () if schema.fields.iter().any(|field| field.attention().is_some()) => 3,
            () if normalizer.columns.iter().any(|column| column.base != 0.0) => 2,
            () => 1,
        }
    }

    /// The newest format that this version reads.
    pub const FORMAT: u32 = 3;
    /// Name of the file inside a model's folder.
    pub const FILE: &str = "model.json";
    /// Name of the weights' file beside it.
    pub const WEIGHTS: &str = "weights.safetensors";
    /// Name of the file with the trained rows of embedding tables; only there for a schema with fields.
    pub const TABLES: &str = "tables.safetensors";

    /// The same of a network of one of the kinds of `registry`.
    #[must_use]
    pub fn with(mut self, registry: &Registry) -> Self {
        self.model.registry = registry.clone();
        self
    }

    /// What was fitted for the model, to read more rows as it reads them.
    pub fn fitted(&self) -> Fitted<'_> {
        Fitted { schema: &self.schema, normalizer: &self.normalizer, encoders: &self.encoders }
    }

    /// Reads the signature of the model in `dir`, and looks at nothing else there.
    ///
    /// # Errors
    /// [`Error::File`] if it is missing, damaged or of a newer format.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(Self::FILE);
        let fail = |problem: String| Error::File { path: path.clone(), problem };
        let text = std::fs::read(&path).map_err(|error| fail(error.to_string()))?;
        Self::from_bytes(&text, &path)
    }

    /// The signature that is the content of the file `path`.
    pub(crate) fn from_bytes(text: &[u8], path: &Path) -> Result<Self> {
        let fail = |problem: String| Error::File { path: path.to_owned(), problem };
        let signature: Self = serde_json::from_slice(text).map_err(|error| fail(error.to_string()))?;
        if signature.format > Self::FORMAT {
            let (found, known) = (signature.format, Self::FORMAT);
            return Err(fail(format!("format {found} is newer than this version reads, {known}")));
        }
        if let Some((task, target)) = signature.targets.iter().find(|(_, target)| !target.is_sound()) {
            return Err(fail(format!(
                "targets.{task}: expected a finite mean, sd and smearing above 0, and thresholds in order, found {target:?}"
            )));
        }
        for task in &signature.schema.tasks {
            let TaskKind::Ordinal { thresholds: expected } = task.kind else { continue };
            let ordinal = signature.targets.get(&task.name).and_then(|target| target.ordinal.as_ref());
            let found = ordinal.map_or(0, |ordinal| ordinal.thresholds.len());
            if found != expected as usize {
                return Err(fail(format!(
                    "targets.{}: expected {expected} thresholds, found {found}",
                    task.name
                )));
            }
        }
        Ok(signature)
    }

    /// From the model's logits to what is predicted of its tasks and of heads without a label.
    pub fn readout(&self) -> Readout {
        Readout::scaled(&self.schema.tasks, &self.links, &self.targets)
    }
}
