//! Each network is a special case of the next: PLE with one level is CGC, CGC without task experts is MMoE, MMoE
//! with one expert is ShareBottom. The first of AITM's tasks has a network of its own,
//! and a single task of DBMTL ShareBottom or MMoE, with more layers.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use mt_features::Task;
use mt_layers::{Input, Params, Run};
use mt_models::{Model, ModelConfig, build};
use proptest::prelude::*;
use serde_json::json;

use crate::gradients::{rows, tasks};

/// Logits of `to` after it took the weights of `from` under other names.
fn both(
    from: &ModelConfig,
    to: &ModelConfig,
    tasks: &[Task],
    rename: impl Fn(&str) -> String,
) -> Result<[Vec<f32>; 2]> {
    let xs = Input::from(rows(9)?);
    let (a, b) = (Params::new(1), Params::new(2));
    let first =
        build(from, 9, &mt_features::heads(tasks), a.builder(DType::F32, &Device::Cpu)).expect("a model");
    let second =
        build(to, 9, &mt_features::heads(tasks), b.builder(DType::F32, &Device::Cpu)).expect("a model");
    let given: BTreeMap<String, Tensor> =
        a.all().into_iter().map(|p| (rename(&p.name), p.var.as_tensor().clone())).collect();
    // Gates over a single expert weigh it 1 whatever they hold, and have no counterpart.
    let own = b.all().into_iter().map(|p| {
        let value = given.get(&p.name).unwrap_or(p.var.as_tensor()).copy()?;
        Ok((p.name, value))
    });
    b.assign(&own.collect::<Result<_>>()?)?;
    let logits = |model: &dyn Model| model.forward(&xs, &mut Run::evaluation())?.flatten_all()?.to_vec1();
    Ok([logits(&*first)?, logits(&*second)?])
}

fn assert_equal([a, b]: [Vec<f32>; 2]) {
    for (a, b) in a.into_iter().zip(b) {
        approx::assert_relative_eq!(a, b, epsilon = 1e-5, max_relative = 1e-5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn ple_with_one_level_is_cgc(own in 1usize..4, shared in 0usize..4, width in 1usize..20, hidden in 0usize..5) {
        let gate = if hidden == 0 { vec![] } else { vec![hidden] };
        let cgc = ModelConfig::new("cgc").with("experts_per_task", own).with("shared_experts", shared).with("expert", vec![width]).with("gate", gate);
        let ple = ModelConfig { kind: "ple".to_owned(), ..cgc.clone() }.with("levels", 1);
        let rename = |name: &str| match name.strip_prefix("towers") {
            Some(_) => name.to_owned(),
            None => format!("levels.0.{name}"),
        };
        assert_equal(both(&cgc, &ple, &tasks(&["like", "share", "watch"]), rename)?);
    }

    #[test]
    fn cgc_without_task_experts_is_mmoe(experts in 1usize..9, width in 1usize..20) {
        let mmoe = ModelConfig::new("mmoe").with("experts", experts).with("expert", vec![width, 5]);
        let cgc = ModelConfig::new("cgc").with("experts_per_task", 0).with("shared_experts", experts).with("expert", vec![width, 5]);
        let rename = |name: &str| name.replacen("experts.", "experts.shared.", 1);
        assert_equal(both(&mmoe, &cgc, &tasks(&["like", "share"]), rename)?);
    }

    #[test]
    fn mmoe_with_one_expert_is_shared_bottom(width in 1usize..20, tower in 1usize..9) {
        let bottom = ModelConfig { tower: vec![tower], ..ModelConfig::new("shared-bottom") }.with("bottom", vec![width]);
        let mmoe = ModelConfig { tower: vec![tower], ..ModelConfig::new("mmoe") }.with("experts", 1).with("expert", vec![width]);
        assert_equal(both(&bottom, &mmoe, &tasks(&["like", "share"]), |name| name.replacen("bottom", "experts", 1))?);
    }

    #[test]
    fn aitm_of_one_task_is_single_task(width in 1usize..20) {
        let single = ModelConfig::new("single-task").with("bottom", vec![width, 5]);
        let aitm = ModelConfig { kind: "aitm".to_owned(), ..single.clone() };
        assert_equal(both(&single, &aitm, &tasks(&["like"]), str::to_owned)?);
    }

    #[test]
    fn dbmtl_of_one_task_is_shared_bottom_and_with_one_expert_the_same(width in 1usize..20, own in 1usize..9) {
        let bottom = ModelConfig::new("shared-bottom").with("bottom", vec![width, own]);
        let dbmtl = ModelConfig::new("dbmtl").with("specific", vec![own]);
        let rename = |name: &str| name.replacen("bottom.1", "specific.like.0", 1);
        assert_equal(both(&bottom, &dbmtl.clone().with("bottom", vec![width]), &tasks(&["like"]), rename)?);
        let rename = |name: &str| rename(name).replacen("bottom", "experts", 1);
        assert_equal(both(&bottom, &dbmtl.with("experts", 1).with("expert", vec![width]), &tasks(&["like"]), rename)?);
    }

    #[test]
    fn gates_sum_to_one(logits in proptest::collection::vec(-50f32..50.0, 12), temperature in 0.1f64..10.0) {
        let mixture = mt_layers::Mixture::new(1, vec![vec![0, 1, 2], vec![2]], temperature)?;
        let weights = mixture.weights(&Tensor::from_vec(logits.clone(), (3, 4), &Device::Cpu)?)?.to_vec2::<f32>()?;
        // Experts that all put out 1 are mixed to 1.
        let ones = Tensor::ones((3, 3), DType::F32, &Device::Cpu)?;
        let logits = Tensor::from_vec(logits, (3, 4), &Device::Cpu)?;
        let mixed = mixture.forward(&ones, &logits, &mut Run::evaluation())?.to_vec2::<f32>()?;
        for (weights, mixed) in weights.iter().zip(mixed) {
            prop_assert!((weights[..3].iter().sum::<f32>() - 1.0).abs() < 1e-5 && weights[3] == 1.0);
            prop_assert!((mixed[0] - 1.0).abs() < 1e-5 && (mixed[1] - 1.0).abs() < 1e-5);
        }
    }
}

#[test]
fn levels_of_a_ple_may_differ() -> Result<()> {
    let levels = json!([{"experts_per_task": 3, "expert": [12]}, {"experts_per_task": 1, "expert": [5]}]);
    let cfg = ModelConfig::new("ple").with("levels", levels);
    let tasks = tasks(&["like", "share"]);
    let model = build(&cfg, 9, &mt_features::heads(&tasks), Params::new(1).builder(DType::F32, &Device::Cpu))
        .expect("a model");
    assert_eq!(model.forward(&Input::from(rows(9)?), &mut Run::evaluation())?.dims(), [40, 2]);
    Ok(())
}
