//! The models that are served, replaced as a whole.

mod model;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use mt_models::Registry;
use tracing::{info, warn};

pub(crate) use model::{Buffers, Model};
pub use source::Source;
use source::{Found, State};

use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// What is served of some sources.
#[derive(Debug)]
pub(crate) struct Models {
    sources: Vec<Source>,
    score: Option<String>,
    registry: Registry,
    /// By name. A request takes its model once, and so is answered by one version.
    current: ArcSwap<BTreeMap<String, Arc<Model>>>,
}

/// Folders that could not be loaded, as they were, and when: tried again once they have changed, or after [`AGAIN`].
pub(crate) type Refused = BTreeMap<std::path::PathBuf, (State, Instant)>;

/// What kept a bundle from being loaded may be elsewhere: no memory, no file handles, a full disk for temporary files.
const AGAIN: Duration = Duration::from_secs(60);

impl Models {
    /// Loads what the sources hold.
    pub fn load(
        sources: Vec<Source>,
        score: Option<String>,
        registry: Registry,
        metrics: &Metrics,
    ) -> Result<(Self, Refused)> {
        let mut names = std::collections::BTreeSet::new();
        for name in sources.iter().filter_map(Source::name) {
            source::check_name(name)?;
            if !names.insert(name) {
                return Err(Error::Twice { name: name.to_owned() });
            }
        }
        let models = Self { sources, score, registry, current: ArcSwap::default() };
        let mut refused = Refused::new();
        for source in &models.sources {
            let found = source.find().map_err(|source_error| Error::Look {
                path: source.dir().to_owned(),
                source: source_error,
            })?;
            let mut problem = None;
            for versions in found {
                problem = problem.or(models.replace(&versions, &mut refused, metrics));
            }
            let served = models.current.load();
            match (source.name(), problem) {
                (Some(name), Some(problem)) if !served.contains_key(name) => return Err(problem),
                (None, Some(problem)) if served.is_empty() => return Err(problem),
                (_, None) if served.is_empty() => {
                    return Err(Error::NoModel { path: source.dir().to_owned() });
                }
                _ => {}
            }
        }
        Ok((models, refused))
    }

    /// Looks for new versions and puts them in the place of old ones.
    pub fn look(&self, refused: &mut Refused, metrics: &Metrics) {
        for source in &self.sources {
            match source.find() {
                Ok(found) => {
                    for versions in found {
                        let _told = self.replace(&versions, refused, metrics);
                    }
                }
                // Perhaps in the middle of being replaced: what is served stays.
                Err(error) => warn!(path = %source.dir().display(), %error, "cannot look for bundles"),
            }
        }
    }

    /// Serves the newest version that can be loaded; the first that cannot is returned.
    fn replace(&self, versions: &[Found], refused: &mut Refused, metrics: &Metrics) -> Option<Error> {
        let mut problem = None;
        for found in versions {
            let current = self.current.load().get(&found.name).cloned();
            if current.as_ref().is_some_and(|model| model.found == *found) {
                return problem;
            }
            // What is served of a folder that was damaged since is better than an older version.
            let ours = current.as_ref().is_some_and(|model| model.found.dir == found.dir);
            let as_before =
                |(state, when): &(State, Instant)| *state == found.state && when.elapsed() < AGAIN;
            if refused.get(&found.dir).is_some_and(as_before) {
                match ours {
                    true => return problem,
                    false => continue,
                }
            }
            match load(found, self.score.as_deref(), &self.registry) {
                Ok(model) => {
                    let check = model.predictor.check().map(ToString::to_string);
                    info!(model = %model.name(), version = %model.version, check, "serves");
                    metrics.served(&model, current.as_deref());
                    let mut next = BTreeMap::clone(&self.current.load());
                    next.insert(found.name.clone(), Arc::new(model));
                    // One thread at a time loads, so nothing is overwritten.
                    self.current.store(Arc::new(next));
                    return problem;
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    warn!(model = %found.name, dir = %found.dir.display(), cause, "refuses a bundle: {error}");
                    metrics.refused(&found.name);
                    refused.insert(found.dir.clone(), (found.state.clone(), Instant::now()));
                    problem.get_or_insert(error);
                    if ours {
                        return problem;
                    }
                }
            }
        }
        problem
    }

    /// All models by name.
    pub fn all(&self) -> Arc<BTreeMap<String, Arc<Model>>> {
        self.current.load_full()
    }

    /// The model of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Model>> {
        self.current.load().get(name).cloned()
    }

    /// The only model, if there are not several.
    pub fn only(&self) -> Option<Arc<Model>> {
        let models = self.current.load();
        let first = models.values().next().filter(|_| models.len() == 1);
        first.cloned()
    }
}

/// Loads a bundle. A panic is its fault, too, and must not end the thread that looks for the next one.
fn load(found: &Found, score: Option<&str>, registry: &Registry) -> Result<Model> {
    let load = || Model::load(found.clone(), score, registry);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(load)).unwrap_or_else(|_| {
        let problem = "is damaged: loading it panicked".to_owned();
        let source = Box::new(mt_bundle::Error::File { path: found.dir.clone(), problem });
        Err(Error::Model { name: found.name.clone(), source })
    })
}
