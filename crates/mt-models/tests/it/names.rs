//! Parameter names and shapes are public API: weights on disk and other people's code depend on them.

use mt_features::{Task, TaskKind};
use mt_models::{ModelConfig, Norm, count, inventory};

use crate::gradients::{KINDS, tasks};

#[test]
fn names_and_shapes_of_every_model_are_as_published() {
    let mut text = String::new();
    for kind in KINDS {
        let parameters =
            inventory(&ModelConfig::new(kind), 10, &mt_features::heads(&tasks(&["like", "watch"])))
                .expect("an inventory");
        text += &format!("{kind}: {} parameters\n", count(&parameters));
        for (name, shape) in parameters {
            text += &format!("  {name} {:?}\n", shape.dims());
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_normalised_layer_has_a_scale_and_a_shift_a_unit_and_statistics_that_do_not_count() {
    let of = |norm| {
        let cfg = ModelConfig { norm, ..ModelConfig::new("mmoe") }.with("experts", 3);
        inventory(&cfg, 10, &mt_features::heads(&tasks(&["like", "watch"]))).expect("an inventory")
    };
    let (none, layer, batch) = (of(Norm::None), of(Norm::Layer), of(Norm::Batch));
    // Experts of 3 x 16 units, two towers of 8.
    assert_eq!(count(&layer), count(&none) + 2 * (3 * 16 + 2 * 8));
    assert_eq!(count(&batch), count(&layer));
    let more = batch.iter().filter(|(name, _)| !none.contains_key(*name));
    let more: Vec<_> = more.map(|(name, shape)| (name.as_str(), shape.dims().to_vec())).collect();
    let mut expected = Vec::new();
    let what = ["running_mean", "running_variance", "scale", "shift"];
    for (layer, dims) in [("experts.0", vec![3, 16]), ("towers.like.0", vec![8]), ("towers.watch.0", vec![8])]
    {
        expected.extend(what.map(|what| (format!("{layer}.norm.{what}"), dims.clone())));
    }
    assert_eq!(more, expected.iter().map(|(name, dims)| (name.as_str(), dims.clone())).collect::<Vec<_>>());
}

#[test]
fn the_studys_models_have_the_studys_parameter_counts() {
    let of = |cfg: &ModelConfig| {
        let task = |name: &str| Task::new(name, TaskKind::BinarySoftmax);
        count(
            &inventory(cfg, 499, &mt_features::heads(&[task("completion"), task("like")]))
                .expect("an inventory"),
        )
    };
    let levels = |kind| ModelConfig::new(kind).with("experts_per_task", 3);
    assert_eq!(of(&ModelConfig::new("shared-bottom").with("bottom", vec![117])), 60_424);
    assert_eq!(of(&ModelConfig::new("mmoe")), 72_308);
    assert_eq!(of(&levels("cgc")), 69_308);
    assert_eq!(of(&levels("ple")), 75_654);
}
