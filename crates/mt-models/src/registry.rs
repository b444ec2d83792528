//! Kinds of networks: those here, and those of anyone else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mt_features::error::Nearest;
use mt_layers::{Initializer, Norm};

use crate::aitm::AitmConfig;
use crate::architecture::Architecture;
use crate::cgc::CgcConfig;
use crate::cross::CrossConfig;
use crate::epnet::EpnetConfig;
use crate::error::Result;
use crate::mmoe::MmoeConfig;
use crate::ple::PleConfig;
use crate::ppnet::PpnetConfig;
use crate::section::Section;
use crate::shared_bottom::SharedBottomConfig;
use crate::single_task::SingleTaskConfig;
use crate::stage::Stage;

/// Reads what is an architecture's own of a model section, or a stage's of its entry.
type Read<T> = dyn Fn(&mut Section<'_>) -> Result<Box<T>> + Send + Sync;

/// Readers by the kind that a section names, in the order in which they were added.
type Readers<T> = Arc<Vec<(String, Arc<Read<T>>)>>;

/// The architectures that `model.kind` may name, and the stages that `model.stages[].kind` may.
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
pub struct Registry {
    architectures: Readers<dyn Architecture>,
    stages: Readers<dyn Stage>,
}

impl Default for Registry {
    /// Those of this crate.
    fn default() -> Self {
        Registry { architectures: Arc::default(), stages: Arc::default() }
            .with("shared-bottom", SharedBottomConfig::read)
            .with("single-task", SingleTaskConfig::read)
            .with("mmoe", MmoeConfig::read)
            .with("cgc", CgcConfig::read)
            .with("ple", PleConfig::read)
            .with("aitm", AitmConfig::read)
            .with("ppnet", PpnetConfig::read)
            .with_stage("cross", CrossConfig::read)
            .with_stage("epnet", EpnetConfig::read)
    }
}

impl Registry {
    /// The same with one more architecture, called `kind`, which comes before another of this name.
    #[must_use]
    pub fn with(
        self,
        kind: &str,
        read: impl Fn(&mut Section<'_>) -> Result<Box<dyn Architecture>> + Send + Sync + 'static,
    ) -> Self {
        Registry { architectures: added(self.architectures, kind, Arc::new(read)), ..self }
    }

    /// The same with one more stage, called `kind`, which comes before another of this name.
    #[must_use]
    pub fn with_stage(
        self,
        kind: &str,
        read: impl Fn(&mut Section<'_>) -> Result<Box<dyn Stage>> + Send + Sync + 'static,
    ) -> Self {
        Registry { stages: added(self.stages, kind, Arc::new(read)), ..self }
    }

    /// What `model.kind` may name, in the order in which they were added.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.architectures.iter().map(|(kind, _)| kind.as_str())
    }

    /// What `model.stages[].kind` may name, likewise.
    pub fn stages(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().map(|(kind, _)| kind.as_str())
    }

    /// The keys of a model section that are the architecture's own, in the order in which it reads them.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) where there is no such kind.
    pub fn keys(&self, kind: &str) -> Result<Vec<&'static str>> {
        let none = BTreeMap::new();
        let mut section = Section::new("model.".to_owned(), kind, &none, Initializer::default(), Norm::None);
        self.read(&mut section)?;
        Ok(section.asked())
    }

    /// The network that a model section describes.
    pub(crate) fn read(&self, section: &mut Section<'_>) -> Result<Box<dyn Architecture>> {
        read(&self.architectures, section)
    }

    /// The stage that an entry describes.
    pub(crate) fn read_stage(&self, section: &mut Section<'_>) -> Result<Box<dyn Stage>> {
        read(&self.stages, section)
    }
}

/// These and another one.
fn added<T: ?Sized>(readers: Readers<T>, kind: &str, read: Arc<Read<T>>) -> Readers<T> {
    let mut all = Arc::unwrap_or_clone(readers);
    all.retain(|(other, _)| other != kind);
    all.push((kind.to_owned(), read));
    Arc::new(all)
}

/// What a section describes, by the kind that it names.
fn read<T: ?Sized>(readers: &Readers<T>, section: &mut Section<'_>) -> Result<Box<T>> {
    let kind = section.kind();
    let Some((_, read)) = readers.iter().find(|(other, _)| other == kind) else {
        let kinds: Vec<String> = readers.iter().map(|(kind, _)| kind.clone()).collect();
        let nearest = Nearest::of(kind, &kinds);
        let problem = format!("unknown value {kind:?}{nearest} (expected one of: {})", kinds.join(", "));
        return Err(section.error("kind", problem));
    };
    read(section)
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds().chain(self.stages())).finish()
    }
}

/// Whether both have the same kinds.
impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        self.kinds().eq(other.kinds()) && self.stages().eq(other.stages())
    }
}
