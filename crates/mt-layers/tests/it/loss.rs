//! The loss of every kind of task: fused against composed, slopes, optima, extremes, refused labels.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use candle_core::{DType, Device, Result, Tensor, Var};
use mt_layers::{Loss, LossKind, LossTerm, MultiTaskLoss};
use proptest::prelude::*;

pub fn task(logits: usize, kind: LossKind) -> LossTerm {
    LossTerm { logits, weight: 1.0, kind }
}

/// Every kind, in one model.
fn every_kind() -> Vec<LossTerm> {
    [
        task(1, LossKind::CrossEntropy),
        task(2, LossKind::CrossEntropy),
        task(1, LossKind::PaddlerecLog),
        task(2, LossKind::PaddlerecLog),
        task(2, LossKind::Multiclass),
        task(5, LossKind::Multiclass),
        task(1, LossKind::Mse),
        task(1, LossKind::Mae),
        task(1, LossKind::Huber { delta: 0.75 }),
        task(1, LossKind::Quantile { level: 0.8 }),
        task(1, LossKind::Focal { gamma: 2.0 }),
        task(2, LossKind::Focal { gamma: 0.5 }),
        task(2, LossKind::Product),
        task(4, LossKind::Product),
        task(1, LossKind::LogMse),
        task(1, LossKind::WeightedLogistic),
        task(3, LossKind::Ziln),
        task(4, LossKind::Ordinal { thresholds: 4 }),
    ]
    .into_iter()
    .zip(1..)
    .map(|(task, i)| LossTerm { weight: 0.3 * i as f32, ..task })
    .collect()
}

fn width(tasks: &[LossTerm]) -> usize {
    tasks.iter().map(|task| task.logits).sum()
}

/// A label that the task can have, from a number in [0, 1).
fn label(task: &LossTerm, draw: f32) -> f32 {
    match task.kind {
        kind if kind.is_binary() => draw.round(),
        LossKind::Multiclass => (draw * task.logits as f32).floor(),
        LossKind::Ordinal { thresholds } => (draw * (thresholds + 1) as f32).floor(),
        LossKind::LogMse | LossKind::WeightedLogistic => draw.powi(3) * 300.0,
        LossKind::Ziln => (draw * 2.0 - 1.0).max(0.0).powi(3) * 300.0,
        _ => draw * 6.0 - 3.0,
    }
}

/// The loss and its gradient in the logits.
fn outcome(loss: &MultiTaskLoss, logits: &Var) -> Result<(Loss, Vec<f64>)> {
    let found = loss.forward(logits)?;
    let gradient = found.total.backward()?.get(logits).expect("a gradient").to_dtype(DType::F64)?;
    Ok((found, gradient.flatten_all()?.to_vec1()?))
}

fn var(values: &[f32], columns: usize, dtype: DType) -> Result<Var> {
    Var::from_tensor(&Tensor::from_slice(values, ((), columns), &Device::Cpu)?.to_dtype(dtype)?)
}

/// Asserts that the fused loss in float32 is what candle's operations make of the same logits in float64.
fn assert_fused_is_composed(loss: &MultiTaskLoss, logits: &[f32], columns: usize) -> Result<()> {
    let (fused, fused_gradient) = outcome(loss, &var(logits, columns, DType::F32)?)?;
    let (composed, composed_gradient) = outcome(loss, &var(logits, columns, DType::F64)?)?;
    let (fused, composed) = (fused.tasks.to_vec1::<f32>()?, composed.tasks.to_vec1::<f32>()?);
    for (t, (fused, composed)) in fused.into_iter().zip(composed).enumerate() {
        assert!(
            (fused - composed).abs() <= 1e-5 * (1e-2 + composed.abs()),
            "task {t}: {fused} and {composed}"
        );
    }
    let scale = composed_gradient.iter().fold(1e-3f64, |scale, slope| scale.max(slope.abs()));
    for (i, (fused, composed)) in fused_gradient.into_iter().zip(composed_gradient).enumerate() {
        let near = 1e-5 * composed.abs() + 1e-7 * scale;
        assert!((fused - composed).abs() <= near, "logit {i}: {fused} and {composed}");
    }
    Ok(())
}

/// Rows of draws from [0, 1): logits, labels and masks.
fn rows() -> impl Strategy<Value = (Vec<f32>, Vec<f32>, Vec<f32>)> {
    let (columns, tasks) = (width(&every_kind()), every_kind().len());
    (1usize..300).prop_flat_map(move |rows| {
        let many = |count: usize| prop::collection::vec(0f32..1.0, rows * count);
        (many(columns), many(tasks), many(tasks))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_fused_loss_is_the_composed_one_for_every_kind((logits, labels, mask) in rows(), spread in 1f32..30.0) {
        let tasks = every_kind();
        let logits: Vec<f32> = logits.iter().map(|draw| (draw - 0.5) * spread).collect();
        let labels: Vec<f32> = labels.iter().enumerate().map(|(i, &draw)| label(&tasks[i % tasks.len()], draw)).collect();
        // A third missing, a third weighted.
        let mask: Vec<f32> = mask.iter().map(|draw| (draw * 3.0 - 1.0).clamp(0.0, 1.0)).collect();
        let loss = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask };
        assert_fused_is_composed(&loss, &logits, width(&tasks)).unwrap();
    }

    #[test]
    fn a_whole_sample_weight_is_as_many_copies_of_the_row(z in -5f32..5.0, other in -5f32..5.0, copies in 1u8..6) {
        let tasks = [task(1, LossKind::CrossEntropy)];
        let copies = usize::from(copies);
        let weighted = MultiTaskLoss { tasks: &tasks, labels: &[1.0, 0.0], mask: &[copies as f32, 1.0] };
        let (weighted, _) = outcome(&weighted, &var(&[z, other], 1, DType::F32).unwrap()).unwrap();
        let (mut labels, mut logits) = (vec![1.0; copies], vec![z; copies]);
        labels.push(0.0);
        logits.push(other);
        let mask = vec![1.0; copies + 1];
        let repeated = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask };
        let (repeated, _) = outcome(&repeated, &var(&logits, 1, DType::F32).unwrap()).unwrap();
        let of = |loss: Loss| loss.total.to_scalar::<f32>().unwrap();
        assert_relative_eq!(of(weighted), of(repeated), max_relative = 1e-6);
    }
}

#[test]
fn logits_of_zero_and_equal_logits_have_the_composed_slope() -> Result<()> {
    let tasks = every_kind();
    let labels: Vec<f32> = tasks.iter().map(|task| label(task, 0.5)).collect();
    let mask = vec![1.0; tasks.len()];
    let loss = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask };
    assert_fused_is_composed(&loss, &vec![0.0; width(&tasks)], width(&tasks))
}

#[test]
fn every_gradient_is_the_slope_of_the_loss() -> Result<()> {
    let tasks = every_kind();
    let columns = width(&tasks);
    // Multiples of an irrational number keep off every kink.
    let draw = |i: usize| (i as f64 * 0.618_033_988_749_895).fract() as f32;
    let logits: Vec<f32> = (0..3 * columns).map(|i| draw(i) * 4.0 - 2.0).collect();
    let labels: Vec<f32> =
        (0..3 * tasks.len()).map(|i| label(&tasks[i % tasks.len()], draw(i + 7))).collect();
    let mask: Vec<f32> = (0..labels.len()).map(|i| [1.0, 0.5, 2.0][i % 3]).collect();
    let loss = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask };
    let exact = var(&logits, columns, DType::F64)?;
    let (_, fused) = outcome(&loss, &var(&logits, columns, DType::F32)?)?;
    let start = exact.flatten_all()?.to_vec1::<f64>()?;
    let step = 1e-5;
    for (i, gradient) in fused.into_iter().enumerate() {
        let at = |offset: f64| -> Result<f64> {
            let mut values = start.clone();
            values[i] += offset;
            loss.forward(&Tensor::from_vec(values, ((), columns), &Device::Cpu)?)?.total.to_scalar()
        };
        let slope = (at(step)? - at(-step)?) / (2.0 * step);
        assert!(
            (slope - gradient).abs() < 1e-5 * (1.0 + slope.abs()),
            "logit {i}: {gradient} but slope {slope}"
        );
    }
    Ok(())
}

/// The loss and the gradient of one row of one task, fused.
pub fn one(task: LossTerm, logits: &[f32], label: f32) -> Result<(f32, Vec<f64>)> {
    let loss = MultiTaskLoss { tasks: &[task], labels: &[label], mask: &[1.0] };
    let (loss, gradient) = outcome(&loss, &var(logits, logits.len(), DType::F32)?)?;
    Ok((loss.total.to_scalar()?, gradient))
}

#[test]
fn extreme_logits_have_finite_losses_and_gradients() -> Result<()> {
    for size in [17.0, 100.0, 800.0] {
        for (logits, label) in [(size, 0.0), (-size, 1.0)] {
            let (loss, gradient) = one(task(1, LossKind::CrossEntropy), &[logits], label)?;
            assert_relative_eq!(loss, size, max_relative = 1e-6);
            assert_relative_eq!(gradient[0].abs(), 1.0, max_relative = 1e-6);
            let (loss, gradient) = one(task(1, LossKind::CrossEntropy), &[logits], 1.0 - label)?;
            assert!((0.0..1e-7).contains(&loss) && gradient[0].abs() < 1e-7);
        }
        let (loss, gradient) = one(task(3, LossKind::Multiclass), &[size, -size, 0.0], 1.0)?;
        assert_relative_eq!(loss, 2.0 * size, max_relative = 1e-6);
        assert_abs_diff_eq!(gradient[..], [1.0, -1.0, 0.0], epsilon = 1e-7);
        let (loss, gradient) = one(task(3, LossKind::Multiclass), &[size, -size, 0.0], 0.0)?;
        assert!((0.0..1e-7).contains(&loss));
        // Not rounded away: a right but not yet certain prediction still learns.
        assert!(gradient[0] < 0.0 && gradient[0] > -1e-7 && gradient[2] > 0.0);
        // Of a product, the head that is least sure of a wrong positive learns from it.
        let (loss, gradient) = one(task(2, LossKind::Product), &[size, size + 200.0], 0.0)?;
        assert_relative_eq!(loss, size, max_relative = 1e-6);
        assert_abs_diff_eq!(gradient[..], [1.0, 0.0], epsilon = 1e-6);
        let (loss, gradient) = one(task(2, LossKind::Product), &[size, size], 0.0)?;
        assert_relative_eq!(loss, size - 2f32.ln(), max_relative = 1e-6);
        assert_abs_diff_eq!(gradient[..], [0.5, 0.5], epsilon = 1e-6);
        let (loss, gradient) = one(task(3, LossKind::Product), &[-size, size, -size], 1.0)?;
        assert_relative_eq!(loss, 2.0 * size, max_relative = 1e-6);
        assert_abs_diff_eq!(gradient[..], [-1.0, 0.0, -1.0], epsilon = 1e-7);
        let (loss, gradient) = one(task(1, LossKind::WeightedLogistic), &[-size], 3600.0)?;
        assert_relative_eq!(loss, 3600.0 * size, max_relative = 1e-5);
        assert_relative_eq!(gradient[0], -3600.0, max_relative = 1e-5);
        let (loss, gradient) = one(task(1, LossKind::WeightedLogistic), &[size], 3600.0)?;
        assert_relative_eq!(loss, size, max_relative = 1e-4);
        assert_relative_eq!(gradient[0], 1.0, max_relative = 1e-3);
    }
    let (loss, gradient) = one(task(1, LossKind::Mse), &[1e9], -1e9)?;
    assert_relative_eq!(loss, 4e18);
    assert_relative_eq!(gradient[0], 4e9);
    let (loss, gradient) = one(task(1, LossKind::Huber { delta: 2.0 }), &[-1e30], 1e30)?;
    assert_relative_eq!(loss, 4e30);
    assert_eq!(gradient, [-2.0]);
    Ok(())
}

#[test]
fn the_composition_of_extreme_logits_is_finite_too() -> Result<()> {
    let tasks = every_kind();
    let columns = width(&tasks);
    let labels: Vec<f32> = tasks.iter().map(|task| label(task, 0.9)).collect();
    let mask = vec![1.0; labels.len()];
    let loss = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask };
    for size in [-800f32, 800.0] {
        let logits: Vec<f32> = (0..columns).map(|i| if i % 2 == 0 { size } else { -size }).collect();
        // In float32 every other value is read, which the fused loss can't.
        let strided = Var::from_slice(&logits.repeat(2), (columns, 2), &Device::Cpu)?;
        let found = loss.forward(&strided.t()?.narrow(0, 0, 1)?)?;
        let gradient = found.total.backward()?.get(&strided).expect("a gradient").flatten_all()?;
        assert!(found.tasks.to_vec1::<f32>()?.iter().all(|loss| loss.is_finite()), "{}", found.tasks);
        assert!(gradient.to_vec1::<f32>()?.iter().all(|slope| slope.is_finite()), "{gradient}");
    }
    Ok(())
}

#[test]
fn a_task_without_labels_has_no_loss_and_no_gradient() -> Result<()> {
    for other in every_kind() {
        let tasks = [task(1, LossKind::Mse), other];
        let columns = width(&tasks);
        // What isn't there may be anything.
        let loss =
            MultiTaskLoss { tasks: &tasks, labels: &[1.0, f32::NAN, 2.0, -7.0], mask: &[1.0, 0.0, 1.0, 0.0] };
        for dtype in [DType::F32, DType::F64] {
            let (found, gradient) = outcome(&loss, &var(&vec![1e30; 2 * columns], columns, dtype)?)?;
            assert_eq!(found.tasks.to_vec1::<f32>()?[1], 0.0, "{other:?}");
            for (i, slope) in gradient.into_iter().enumerate().filter(|(i, _)| i % columns > 0) {
                assert_eq!(slope, 0.0, "{other:?}, logit {i}");
            }
        }
    }
    Ok(())
}

#[test]
fn two_classes_are_a_binary_task_with_two_logits() -> Result<()> {
    for (logits, label) in [([0.3, -1.0], 0.0), ([0.3, -1.0], 1.0), ([-20.0, 5.0], 1.0)] {
        let (multi, multi_gradient) = one(task(2, LossKind::Multiclass), &logits, label)?;
        let (binary, binary_gradient) = one(task(2, LossKind::CrossEntropy), &logits, label)?;
        assert_relative_eq!(multi, binary, max_relative = 1e-6);
        for (multi, binary) in multi_gradient.into_iter().zip(binary_gradient) {
            assert_relative_eq!(multi, binary, max_relative = 1e-6);
        }
    }
    Ok(())
}

#[test]
fn regression_losses_are_lowest_at_their_prediction_of_the_label() -> Result<()> {
    let huber = LossKind::Huber { delta: 1.0 };
    for (kind, optimum) in [
        (LossKind::Mse, 30.0),
        (LossKind::Mae, 30.0),
        (huber, 30.0),
        (LossKind::Quantile { level: 0.3 }, 30.0),
        (LossKind::LogMse, 31f32.ln()),
        (LossKind::WeightedLogistic, 30f32.ln()),
    ] {
        let (lowest, gradient) = one(task(1, kind), &[optimum], 30.0)?;
        assert_abs_diff_eq!(gradient[0], 0.0, epsilon = 1e-5);
        for z in [optimum - 0.1, optimum + 0.1] {
            assert!(one(task(1, kind), &[z], 30.0)?.0 > lowest, "{kind:?}");
        }
    }
    Ok(())
}

#[test]
fn the_odds_of_weighted_logistic_are_the_mean_watch_time() -> Result<()> {
    let labels = [0.0, 0.0, 12.0, 3.0, 0.0];
    let loss =
        MultiTaskLoss { tasks: &[task(1, LossKind::WeightedLogistic)], labels: &labels, mask: &[1.0; 5] };
    let (_, gradient) = outcome(&loss, &var(&[3f32.ln(); 5], 1, DType::F32)?)?;
    assert_abs_diff_eq!(gradient.iter().sum::<f64>(), 0.0, epsilon = 1e-6);
    Ok(())
}

#[test]
fn a_quantile_has_its_share_of_the_labels_below_it() -> Result<()> {
    let labels: Vec<f32> = (1u8..=10).map(f32::from).collect();
    let tasks = [task(1, LossKind::Quantile { level: 0.8 })];
    let loss = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &[1.0; 10] };
    let slope =
        |z: f32| -> Result<f64> { Ok(outcome(&loss, &var(&[z; 10], 1, DType::F32)?)?.1.iter().sum()) };
    assert!(slope(7.5)? < -0.01 && slope(9.5)? > 0.01);
    assert_abs_diff_eq!(slope(8.5)?, 0.0, epsilon = 1e-6);
    Ok(())
}

#[test]
fn labels_out_of_range_are_refused_with_their_place() {
    let refused = |task: LossTerm, label: f32| {
        let loss = MultiTaskLoss { tasks: &[task], labels: &[0.0, label], mask: &[1.0; 2] };
        let logits = Tensor::zeros((2, task.logits), DType::F32, &Device::Cpu).unwrap();
        loss.forward(&logits).expect_err("refused").to_string()
    };
    for (kind, logits, label, expected) in [
        (LossKind::CrossEntropy, 1, 2.0, "between 0 and 1"),
        (LossKind::PaddlerecLog, 2, -0.1, "between 0 and 1"),
        (LossKind::Product, 2, 1.5, "between 0 and 1"),
        (LossKind::Multiclass, 3, 3.0, "the index of a class"),
        (LossKind::Multiclass, 3, 0.5, "the index of a class"),
        (LossKind::Multiclass, 3, -1.0, "the index of a class"),
        (LossKind::Mse, 1, f32::INFINITY, "a finite number"),
        (LossKind::Mae, 1, f32::NAN, "a finite number"),
        (LossKind::LogMse, 1, -1.0, "above -1"),
        (LossKind::WeightedLogistic, 1, -0.5, "from 0"),
        (LossKind::Ziln, 3, -0.5, "from 0"),
        (LossKind::Ordinal { thresholds: 2 }, 2, f32::NAN, "a finite number"),
    ] {
        let message = refused(task(logits, kind), label);
        assert!(message.contains("task 0, row 1") && message.contains(expected), "{message}");
        assert!(message.contains(&label.to_string()), "{message}");
    }
}

#[test]
fn logits_masks_and_deltas_that_do_not_fit_are_refused() {
    let refused = |task: LossTerm, mask: f32| {
        let loss = MultiTaskLoss { tasks: &[task], labels: &[0.0], mask: &[mask] };
        let logits = Tensor::zeros((1, task.logits), DType::F32, &Device::Cpu).unwrap();
        loss.forward(&logits).expect_err("refused").to_string()
    };
    let unfit = [
        (3, LossKind::CrossEntropy),
        (1, LossKind::Product),
        (1, LossKind::Multiclass),
        (2, LossKind::Mse),
        (1, LossKind::Ziln),
        (3, LossKind::Ordinal { thresholds: 4 }),
    ];
    for (logits, kind) in unfit {
        assert!(refused(task(logits, kind), 1.0).contains("its loss takes"));
    }
    for delta in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(refused(task(1, LossKind::Huber { delta }), 1.0).contains("delta"));
    }
    for level in [0.0, 1.0, -0.5, f32::NAN] {
        assert!(refused(task(1, LossKind::Quantile { level }), 1.0).contains("level"));
    }
    for gamma in [-0.1, f32::NAN, f32::INFINITY] {
        assert!(refused(task(1, LossKind::Focal { gamma }), 1.0).contains("gamma"));
    }
    let nothing = MultiTaskLoss { tasks: &[], labels: &[], mask: &[] };
    assert!(nothing.forward(&Tensor::zeros((2, 0), DType::F32, &Device::Cpu).unwrap()).is_err());
    for mask in [-1.0, f32::NAN, f32::INFINITY] {
        assert!(refused(task(1, LossKind::Mse), mask).contains("mask"));
    }
}

#[test]
fn kinds_have_the_names_that_configurations_use() {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};
    for (name, kind) in [
        ("cross-entropy", LossKind::CrossEntropy),
        ("paddlerec-log", LossKind::PaddlerecLog),
        ("multiclass", LossKind::Multiclass),
        ("mse", LossKind::Mse),
        ("mae", LossKind::Mae),
        ("log-mse", LossKind::LogMse),
        ("weighted-logistic", LossKind::WeightedLogistic),
        ("ziln", LossKind::Ziln),
    ] {
        let name: StrDeserializer<Error> = name.into_deserializer();
        assert_eq!(LossKind::deserialize(name), Ok(kind));
    }
}
