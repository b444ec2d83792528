//! The generator's columns.

use super::{SynthConfig, TASKS};

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
