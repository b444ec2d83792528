//! The generator's settings, and the columns that they give.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The generator's tasks, in the order of its label columns.
pub const TASKS: [&str; 2] = ["completion", "like"];

/// The generator's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SynthConfig {
    /// Number of rows. Default 100,000.
    pub rows: usize,
    /// Decides preference vectors and rows. Default 1.
    pub seed: u64,
    /// Cosine between the two tasks' preference vectors, from -1 to 1. Default 0.5.
    pub correlation: f64,
    /// Standard deviation of the score, in logits: how much of a label is no chance. Default 2.
    pub signal: f64,
    /// Share of the score's variance that is products of a taste and a trait, from 0 to 1. Default 0.5.
    pub interaction: f64,
    /// Share of the score's variance that is a sum of sines of its linear part, from 0 to `1 - interaction`.
    /// Default 0.
    pub sinusoids: f64,
    /// Tabs, from 1 to 8, in each of which the tasks follow other motives. Default 1: no columns of tabs.
    pub contexts: usize,
}

impl Default for SynthConfig {
    fn default() -> Self {
        SynthConfig {
            rows: 100_000,
            seed: 1,
            correlation: 0.5,
            signal: 2.0,
            interaction: 0.5,
            sinusoids: 0.0,
            contexts: 1,
        }
    }
}

impl SynthConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let fits = |ok: bool, key, expected, found: &dyn ToString| match ok {
            true => Ok(()),
            false => Err(Error::Setting { key, expected, found: found.to_string() }),
        };
        let rows = (1..=u32::MAX as usize).contains(&self.rows);
        fits(rows, "data.synth.rows", "1 to 4294967295", &self.rows)?;
        let correlation = (-1.0..=1.0).contains(&self.correlation);
        fits(correlation, "data.synth.correlation", "-1 to 1", &self.correlation)?;
        let signal = self.signal >= 0.0 && self.signal.is_finite();
        fits(signal, "data.synth.signal", "a number from 0", &self.signal)?;
        let interaction = (0.0..=1.0).contains(&self.interaction);
        fits(interaction, "data.synth.interaction", "0 to 1", &self.interaction)?;
        let sinusoids = (0.0..=1.0).contains(&self.sinusoids);
        fits(sinusoids, "data.synth.sinusoids", "0 to 1", &self.sinusoids)?;
        let sum = self.interaction + self.sinusoids;
        fits(sum <= 1.0 + 1e-9, "data.synth.interaction + data.synth.sinusoids", "a sum of at most 1", &sum)?;
        // Motives at right angles to each other: as many as there are products.
        let contexts = (1..=TRAITS).contains(&self.contexts);
        fits(contexts, "data.synth.contexts", "1 to 8", &self.contexts)
    }

    /// Columns of the features.
    pub fn width(&self) -> usize {
        FEATURES + self.tabs()
    }

    /// Columns that say which tab: none where there is one.
    pub(super) fn tabs(&self) -> usize {
        if self.contexts > 1 { self.contexts } else { 0 }
    }
}

/// Tastes a user has, and traits a video has.
pub(super) const TRAITS: usize = 8;
/// Names of the context columns, between the traits and the columns that tell nothing new.
pub(super) const CONTEXT: [&str; 7] =
    ["duration_s", "hour", "video_age_days", "plays", "is_weekend", "is_mobile", "is_new_user"];
/// Number of feature columns that are always there; the tabs come behind them.
pub(super) const FEATURES: usize = 4 * TRAITS + CONTEXT.len() + 1;

/// The feature columns, in order: tastes, traits, context, noisy copies of the tastes, noisy mixtures of the
/// traits, pure noise; then, with several contexts, a column of 0 and 1 a tab.
pub fn feature_names(config: &SynthConfig) -> Vec<String> {
    let numbered = |name: &str| (0..TRAITS).map(|i| format!("{name}_{i}")).collect::<Vec<_>>();
    let mut names = numbered("user_taste");
    names.extend(numbered("video_trait"));
    names.extend(CONTEXT.map(str::to_owned));
    names.extend(numbered("user_history"));
    names.extend(numbered("video_mix"));
    names.push("noise".to_owned());
    names.extend((0..config.tabs()).map(|tab| format!("tab_{tab}")));
    names
}

/// All columns of the generator's file: labels, then features.
pub fn column_names(config: &SynthConfig) -> Vec<String> {
    TASKS.map(str::to_owned).into_iter().chain(feature_names(config)).collect()
}
