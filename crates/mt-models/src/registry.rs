//! Kinds of networks, stages and losses: those here, and those of anyone else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mt_features::error::Nearest;
use mt_layers::{Initializer, Norm};

use crate::aitm::AitmConfig;
use crate::architecture::Architecture;
use crate::cgc::CgcConfig;
use crate::cross::CrossConfig;
use crate::dbmtl::DbmtlConfig;
use crate::epnet::EpnetConfig;
use crate::error::{Error, Result};
use crate::fm::FmConfig;
use crate::loss::{JointLoss, KINDS, LossConfig, TaskLoss, jrc, order, ranknet};
use crate::mmoe::MmoeConfig;
use crate::ple::PleConfig;
use crate::ppnet::PpnetConfig;
use crate::section::Section;
use crate::shared_bottom::SharedBottomConfig;
use crate::single_task::SingleTaskConfig;
use crate::stage::Stage;

/// Reads what is an architecture's own of a model section, or a stage's or a loss's of its entry.
type Read<T> = dyn Fn(&mut Section<'_>) -> Result<Box<T>> + Send + Sync;

/// Readers by the kind that a section names, in the order in which they were added.
type Readers<T> = Arc<Vec<(String, Arc<Read<T>>)>>;

/// The architectures that `model.kind` may name, the stages that `model.stages[].kind` may, and the losses that
/// `train.task_losses` and `train.joint_losses` may.
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
    losses: Readers<dyn TaskLoss>,
    joint_losses: Readers<dyn JointLoss>,
}

impl Default for Registry {
    /// Those of this crate.
    fn default() -> Self {
        let none = Registry {
            architectures: Arc::default(),
            stages: Arc::default(),
            losses: Arc::default(),
            joint_losses: Arc::default(),
        };
        let kinds = KINDS.into_iter().fold(none, |registry, (name, read)| {
            registry.with_loss(name, move |section| Ok(Box::new(read(section)?)))
        });
        kinds
            .with_loss("ranknet", ranknet)
            .with_loss("jrc", jrc)
            .with_joint_loss("order", order)
            .with("shared-bottom", SharedBottomConfig::read)
            .with("single-task", SingleTaskConfig::read)
            .with("mmoe", MmoeConfig::read)
            .with("cgc", CgcConfig::read)
            .with("ple", PleConfig::read)
            .with("aitm", AitmConfig::read)
            .with("ppnet", PpnetConfig::read)
            .with("dbmtl", DbmtlConfig::read)
            .with_stage("cross", CrossConfig::read)
            .with_stage("epnet", EpnetConfig::read)
            .with_stage("fm", FmConfig::read)
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

    /// The same with one more loss, called `name`, which comes before another of this name.
    ///
    /// ```
    /// use mt_models::candle_core::{Device, Result, Tensor};
    /// use mt_models::{LossConfig, LossRows, Registry, TaskKind, TaskLoss};
    ///
    /// /// What a probability's logit lacks to be on its side by a margin.
    /// #[derive(Debug)]
    /// struct Hinge(f64);
    ///
    /// impl TaskLoss for Hinge {
    ///     fn is_for(&self, kind: TaskKind) -> bool {
    ///         kind == TaskKind::Binary
    ///     }
    ///
    ///     fn forward(&self, rows: &LossRows<'_>) -> Result<Tensor> {
    ///         let side = ((rows.targets()? * 2.0)? - 1.0)?;
    ///         let lacks = ((side * rows.logits)?.neg()? + self.0)?.relu()?;
    ///         rows.mean(&lacks)
    ///     }
    /// }
    ///
    /// let registry = Registry::default().with_loss("hinge", |section| {
    ///     Ok(Box::new(Hinge(section.above_zero("margin", 1.0)?)))
    /// });
    /// // `train.task_losses: {like: {hinge: {margin: 2}}}`
    /// let loss = registry.loss("train.task_losses.like", &LossConfig::new("hinge").with("margin", 2))?;
    /// let logits = Tensor::new(&[[0.5f32], [-3.0]], &Device::Cpu)?;
    /// let rows = LossRows::new(&logits, (&[1.0, 0.0], &[1.0, 3.0]), None)?;
    /// assert_eq!(loss.forward(&rows)?.to_scalar::<f32>()?, 1.5 / 4.0);
    /// # Ok::<(), mt_models::Error>(())
    /// ```
    #[must_use]
    pub fn with_loss(
        self,
        name: &str,
        read: impl Fn(&mut Section<'_>) -> Result<Box<dyn TaskLoss>> + Send + Sync + 'static,
    ) -> Self {
        Registry { losses: added(self.losses, name, Arc::new(read)), ..self }
    }

    /// The same with one more joint loss, called `name`, which comes before another of this name.
    ///
    /// ```
    /// use mt_models::candle_core::{Device, Result, Tensor};
    /// use mt_models::{JointLoss, JointRows, LossConfig, Registry, TaskKind};
    ///
    /// /// How far two tasks are from saying the same.
    /// #[derive(Debug)]
    /// struct Agree(Vec<String>);
    ///
    /// impl JointLoss for Agree {
    ///     fn tasks(&self) -> &[String] {
    ///         &self.0
    ///     }
    ///
    ///     fn is_for(&self, kind: TaskKind) -> bool {
    ///         kind == TaskKind::Binary
    ///     }
    ///
    ///     fn forward(&self, rows: &JointRows<'_>) -> Result<Tensor> {
    ///         rows.mean(&(&rows.logits[0] - &rows.logits[1])?.sqr()?, &rows.weights[0])
    ///     }
    /// }
    ///
    /// let registry = Registry::default().with_joint_loss("agree", |section| {
    ///     Ok(Box::new(Agree(section.names("tasks", "two tasks")?)))
    /// });
    /// // `train.joint_losses: [agree: {tasks: [like, share], weight: 0.1}]`
    /// let written = LossConfig::new("agree").with("tasks", vec!["like", "share"]).with("weight", 0.1);
    /// let (weight, loss) = registry.joint_loss("train.joint_losses[0]", &written)?;
    /// let logits = [1.0f32, 3.0].map(|z| Tensor::new(&[[z]], &Device::Cpu).unwrap());
    /// let (labels, weights) = (vec![vec![0.0]; 2], vec![vec![1.0]; 2]);
    /// let rows = JointRows::new(&logits, (&labels, &weights), None)?;
    /// assert_eq!((weight, loss.forward(&rows)?.to_scalar::<f32>()?), (0.1, 4.0));
    /// # Ok::<(), mt_models::Error>(())
    /// ```
    #[must_use]
    pub fn with_joint_loss(
        self,
        name: &str,
        read: impl Fn(&mut Section<'_>) -> Result<Box<dyn JointLoss>> + Send + Sync + 'static,
    ) -> Self {
        Registry { joint_losses: added(self.joint_losses, name, Arc::new(read)), ..self }
    }

    /// What `model.kind` may name, in the order in which they were added.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.architectures.iter().map(|(kind, _)| kind.as_str())
    }

    /// What `model.stages[].kind` may name, likewise.
    pub fn stages(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().map(|(kind, _)| kind.as_str())
    }

    /// What `train.task_losses` may name, likewise.
    pub fn losses(&self) -> impl Iterator<Item = &str> {
        self.losses.iter().map(|(name, _)| name.as_str())
    }

    /// What `train.joint_losses` may name, likewise.
    pub fn joint_losses(&self) -> impl Iterator<Item = &str> {
        self.joint_losses.iter().map(|(name, _)| name.as_str())
    }

    /// The joint loss that is written at a key, such as `train.joint_losses[0]`, and its weight, by default 1.
    ///
    /// # Errors
    /// As [`Registry::loss`].
    pub fn joint_loss(&self, key: &str, written: &LossConfig) -> Result<(f64, Box<dyn JointLoss>)> {
        let mut weight = 1.0;
        let loss = written_at(&self.joint_losses, key, written, |section| {
            weight = section.above_zero("weight", weight)?;
            Ok(())
        })?;
        Ok((weight, loss))
    }

    /// The loss that is written at a key, such as `train.task_losses.like`.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no such loss, or for a key of it that cannot be.
    pub fn loss(&self, key: &str, written: &LossConfig) -> Result<Box<dyn TaskLoss>> {
        written_at(&self.losses, key, written, |_| Ok(()))
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

/// What is written at a key as a name with keys, of which `also` reads those that all have.
fn written_at<T: ?Sized>(
    readers: &Readers<T>,
    key: &str,
    LossConfig { name, keys }: &LossConfig,
    also: impl FnOnce(&mut Section<'_>) -> Result<()>,
) -> Result<Box<T>> {
    let read = named(readers, name).map_err(|problem| Error::Config { key: key.to_owned(), problem })?;
    let mut section = Section::new(format!("{key}.{name}."), name, keys, Initializer::default(), Norm::None);
    let found = read(&mut section)?;
    also(&mut section)?;
    section.end(&[])?;
    Ok(found)
}

/// What a section describes, by the kind that it names.
fn read<T: ?Sized>(readers: &Readers<T>, section: &mut Section<'_>) -> Result<Box<T>> {
    let read = named(readers, section.kind());
    read.map_err(|problem| section.error("kind", problem))?(section)
}

/// The reader of this name, or what is wrong with the name.
fn named<'a, T: ?Sized>(
    readers: &'a Readers<T>,
    name: &str,
) -> std::result::Result<&'a Arc<Read<T>>, String> {
    let found = readers.iter().find(|(other, _)| other == name);
    found.map(|(_, read)| read).ok_or_else(|| {
        let names: Vec<String> = readers.iter().map(|(name, _)| name.clone()).collect();
        let nearest = Nearest::of(name, &names);
        format!("unknown value {name:?}{nearest} (expected one of: {})", names.join(", "))
    })
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let losses = self.losses().chain(self.joint_losses());
        f.debug_list().entries(self.kinds().chain(self.stages()).chain(losses)).finish()
    }
}

/// Whether both have the same names.
impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        let losses = self.losses().eq(other.losses()) && self.joint_losses().eq(other.joint_losses());
        losses && self.stages().eq(other.stages()) && self.kinds().eq(other.kinds())
    }
}
