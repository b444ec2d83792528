//! Widths for a parameter budget.

use mt_models::{ModelConfig, count, fit_budget, inventory};

use crate::gradients::{KINDS, tasks};

#[test]
fn the_widest_model_within_the_budget_is_chosen() {
    let tasks = tasks(&["like", "watch"]);
    for kind in KINDS {
        let cfg = ModelConfig { budget: Some(60_000), ..ModelConfig::new(kind) };
        let fitted = fit_budget(&cfg, 499, &mt_features::heads(&tasks)).expect("a width");
        let found = count(&inventory(&fitted, 499, &mt_features::heads(&tasks)).expect("an inventory"));
        // One more unit in each of at most ten expert columns of 499 inputs would not fit.
        assert!((54_000..=60_000).contains(&found), "{kind}: {found}");
        assert_eq!(fitted.budget, None);
    }
}

#[test]
fn a_budget_below_the_smallest_model_is_refused() {
    let cfg = ModelConfig { budget: Some(100), ..ModelConfig::new(KINDS[2]) };
    let message =
        fit_budget(&cfg, 499, &mt_features::heads(&tasks(&["like"]))).expect_err("too small").to_string();
    assert!(message.starts_with("model.budget: expected at least"), "{message}");
}
