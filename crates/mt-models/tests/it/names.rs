//! Parameter names and shapes are public API: weights on disk and other people's code depend on them.

use mt_data::{Task, TaskKind};
use mt_models::{ModelConfig, count, inventory};

use crate::gradients::{KINDS, tasks};

#[test]
fn names_and_shapes_of_every_model_are_as_published() {
    let mut text = String::new();
    for kind in KINDS {
        let parameters =
            inventory(&ModelConfig::new(kind), 10, &tasks(&["like", "watch"])).expect("an inventory");
        text += &format!("{kind}: {} parameters\n", count(&parameters));
        for (name, shape) in parameters {
            text += &format!("  {name} {:?}\n", shape.dims());
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_studys_models_have_the_studys_parameter_counts() {
    use mt_models::ModelKind::{Cgc, Mmoe, Ple, SharedBottom};
    let of = |cfg: &ModelConfig| {
        let task = |name: &str| Task { name: name.into(), kind: TaskKind::BinarySoftmax };
        count(&inventory(cfg, 499, &[task("completion"), task("like")]).expect("an inventory"))
    };
    let levels = |kind| ModelConfig { experts_per_task: Some(3), ..ModelConfig::new(kind) };
    assert_eq!(of(&ModelConfig { bottom: Some(vec![117]), ..ModelConfig::new(SharedBottom) }), 60_424);
    assert_eq!(of(&ModelConfig::new(Mmoe)), 72_308);
    assert_eq!(of(&levels(Cgc)), 69_308);
    assert_eq!(of(&levels(Ple)), 75_654);
}
