//! Kinds of networks: those here, and those of anyone else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use candle_core::Result as TensorResult;
use candle_nn::VarBuilder;
use mt_features::error::Nearest;
use mt_layers::Columns;
use serde_json::Value;

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::section::Section;
use crate::{CgcConfig, MmoeConfig, PleConfig, SharedBottomConfig, SingleTaskConfig, Sizes, Trunk};

/// A network with all its sizes: what a model section describes.
pub trait Architecture: fmt::Debug + Send + Sync {
    /// Builds the trunk. The gate of task `t`, if the network has gates, reads `gates[t]` of the input, all of it where that is
    /// `None` or there is no entry.
    ///
    /// # Errors
    /// If `vb` cannot provide a parameter, or sizes do not hold together.
    fn build(
        &self,
        sizes: Sizes<'_>,
        gates: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> TensorResult<Box<dyn Trunk>>;

    /// What others want to know of it.
    fn facts(&self, tasks: &[&str]) -> Facts;

    /// Changes its keys so that its widest layer has `widest` units, and those that grow with it as many in proportion: what
    /// `model.budget` varies.
    fn scale(&self, widest: usize, keys: &mut BTreeMap<String, Value>);

    /// Writes the trunk into a graph of ONNX: the stream of each task. `xs` is the input, `gates` what the gate of each task reads.
    ///
    /// # Errors
    /// If a parameter is not there, or there is no such form of the network.
    fn graph(&self, graph: &mut dyn Graph, tasks: &[&str], xs: &str, gates: &[String])
    -> Result<Vec<String>>;
}

/// What reports, budgets, warm starts and balancing methods want to know of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Of each level of gates, from the input up, the names of the experts that they weigh, in order; empty without gates.
    pub levels: Vec<Vec<String>>,
    /// Why the tasks share nothing, if they do not: `single-task has none`.
    pub nothing_shared: Option<String>,
    /// Weights `(I, …)` of layers that read the input, with the number of the task whose gate it is, if it is one.
    pub reads_input: Vec<(String, Option<usize>)>,
}

/// Keys of every kind of model with gates; the first is of these alone.
const GATED: [&str; 7] = ["gate_fields", "embedding", "tower", "tower_fields", "init", "norm", "budget"];

/// Reads what is an architecture's own of a model section.
type Read = dyn Fn(&mut Section<'_>) -> Result<Box<dyn Architecture>> + Send + Sync;

/// The architectures that `model.kind` may name.
///
/// ```
/// use mt_models::{MmoeConfig, ModelConfig, Registry};
///
/// // As a kind of its own, an MMoE that always has four experts.
/// let registry = Registry::default().with("four-experts", |section| {
///     let (expert, gate) = (section.layers("expert", &[16])?, section.units("gate", &[])?);
///     let (init, norm) = (section.init(), section.norm());
///     Ok(Box::new(MmoeConfig { experts: 4, expert, gate, temperature: 1.0, init, norm }))
/// });
/// let mut cfg = ModelConfig::new("four-experts").with("expert", vec![8]);
/// cfg.registry = registry;
/// assert_eq!(cfg.resolve()?.facts(&["like"]).levels[0].len(), 4);
/// # Ok::<(), mt_models::Error>(())
/// ```
#[derive(Clone)]
pub struct Registry(Arc<Vec<(String, Arc<Read>)>>);

impl Default for Registry {
    /// The architectures of this crate.
    fn default() -> Self {
        Registry(Arc::default())
            .with("shared-bottom", SharedBottomConfig::read)
            .with("single-task", SingleTaskConfig::read)
            .with("mmoe", MmoeConfig::read)
            .with("cgc", CgcConfig::read)
            .with("ple", PleConfig::read)
    }
}

impl Registry {
    /// The same with one more, called `kind`, which comes before another of this name.
    #[must_use]
    pub fn with(
        self,
        kind: &str,
        read: impl Fn(&mut Section<'_>) -> Result<Box<dyn Architecture>> + Send + Sync + 'static,
    ) -> Self {
        let mut all = Arc::unwrap_or_clone(self.0);
        all.retain(|(other, _)| other != kind);
        all.push((kind.to_owned(), Arc::new(read)));
        Registry(Arc::new(all))
    }

    /// What `model.kind` may name, in the order in which they were added.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(kind, _)| kind.as_str())
    }

    /// The keys of a model section that are the architecture's own, in the order in which it reads them.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no such kind.
    pub fn keys(&self, kind: &str) -> Result<Vec<&'static str>> {
        let model = ModelConfig { registry: self.clone(), ..ModelConfig::new(kind) };
        let mut section = Section::new(&model);
        self.find(kind)?(&mut section)?;
        Ok(section.asked())
    }

    fn find(&self, kind: &str) -> Result<&Read> {
        if let Some((_, read)) = self.0.iter().find(|(other, _)| other == kind) {
            return Ok(read.as_ref());
        }
        let kinds: Vec<String> = self.kinds().map(str::to_owned).collect();
        let nearest = Nearest::of(kind, &kinds);
        let problem = format!("unknown value {kind:?}{nearest} (expected one of: {})", kinds.join(", "));
        Err(Error::Config { key: "model.kind".to_owned(), problem })
    }

    /// The network of a model section.
    pub(crate) fn read(&self, model: &ModelConfig) -> Result<Box<dyn Architecture>> {
        let mut section = Section::new(model);
        let architecture = self.find(&model.kind)?(&mut section)?;
        let gates = !architecture.facts(&[]).levels.is_empty();
        let also: &[&str] = if gates { &GATED } else { &GATED[1..] };
        section.end(also)?;
        match gates || model.gate_fields.is_empty() {
            true => Ok(architecture),
            false => Err(section.unknown(GATED[0], also)),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds()).finish()
    }
}

/// Whether both have the same kinds.
impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        self.kinds().eq(other.kinds())
    }
}

/// Units in proportion to the largest of some, which become `widest`.
pub(crate) fn scaled(units: &[usize], largest: usize, widest: usize) -> Value {
    units.iter().map(|&units| ((units * widest + largest / 2) / largest).max(1)).collect()
}

/// The largest of some units.
pub(crate) fn largest(units: &[usize]) -> usize {
    units.iter().copied().max().unwrap_or(1)
}
