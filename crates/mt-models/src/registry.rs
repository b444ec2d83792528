//! Kinds of networks: those here, and those of anyone else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mt_features::error::Nearest;
use mt_layers::{Initializer, Norm};

use crate::architecture::Architecture;
use crate::cgc::CgcConfig;
use crate::error::{Error, Result};
use crate::mmoe::MmoeConfig;
use crate::ple::PleConfig;
use crate::section::Section;
use crate::shared_bottom::SharedBottomConfig;
use crate::single_task::SingleTaskConfig;

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
        let none = BTreeMap::new();
        let mut section = Section::new(kind, &none, Initializer::default(), Norm::None);
        self.read(&mut section)?;
        Ok(section.asked())
    }

    /// The network that a model section describes.
    pub(crate) fn read(&self, section: &mut Section<'_>) -> Result<Box<dyn Architecture>> {
        let kind = section.kind();
        let Some((_, read)) = self.0.iter().find(|(other, _)| other == kind) else {
            let kinds: Vec<String> = self.kinds().map(str::to_owned).collect();
            let nearest = Nearest::of(kind, &kinds);
            let problem = format!("unknown value {kind:?}{nearest} (expected one of: {})", kinds.join(", "));
            return Err(Error::Config { key: "model.kind".to_owned(), problem });
        };
        read(section)
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
