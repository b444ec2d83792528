//! Errors and comparisons of XAUC and of the mean AUC of classes.

use approx::assert_relative_eq;
use mt_metrics::{DeLong, Influence, multiclass_summary, xauc};
use proptest::prelude::*;

/// Numbers between 0 and 1 that repeat only after 2⁶⁴: splitmix64 (Steele et al. 2014).
fn uniform(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
}

/// Targets, and the predictions of two models that are equally good.
fn drawn(rows: usize, state: &mut u64) -> [Vec<f32>; 3] {
    let mut drawn = [const { Vec::new() }; 3];
    for _ in 0..rows {
        let target = (8.0 * uniform(state)).floor();
        let [one, other] = [(); 2].map(|()| target + 8.0 * uniform(state));
        [target, one, other].into_iter().zip(&mut drawn).for_each(|(value, to)| to.push(value));
    }
    drawn
}

const RUNS: usize = 2000;

#[test]
fn of_two_equal_models_one_in_twenty_pairs_seems_to_differ() {
    let (mut state, mut differ, mut errors, mut values) = (1, 0, 0.0, Vec::new());
    for _ in 0..RUNS {
        let [targets, one, other] = drawn(150, &mut state);
        let [one, other] = [one, other].map(|model| Influence::xauc(&model, &targets, None).unwrap());
        let test = one.paired(&other).unwrap();
        differ += usize::from(test.p_value < 0.05);
        errors += one.standard_error() / RUNS as f64;
        values.push(one.value());
    }
    // 100, and three standard deviations to either side.
    assert!((70..=130).contains(&differ), "{differ} of {RUNS}");
    let mean = values.iter().sum::<f64>() / RUNS as f64;
    let deviation =
        (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (RUNS - 1) as f64).sqrt();
    assert_relative_eq!(errors, deviation, max_relative = 0.05);
}

#[test]
fn what_is_undefined_is_none() {
    for (predictions, targets) in
        [(&[][..], &[][..]), (&[1.0, 2.0], &[3.0, 3.0]), (&[1.0, f32::NAN], &[1.0, 2.0]), (&[1.0], &[1.0])]
    {
        assert_eq!(Influence::xauc(predictions, targets, None), None);
    }
    assert_eq!(Influence::macro_auc(&[0.5, 0.5], &[2.0], 2, None), None);
    assert_eq!(Influence::macro_auc(&[0.5, 0.5, 0.1, 0.9], &[1.0, 1.0], 2, None), None);
    assert_eq!(Influence::mean(&[]), None);
    let [two, three] = [2, 3].map(|n: u8| {
        let values: Vec<f32> = (0..n).map(f32::from).collect();
        Influence::xauc(&values, &values, None).unwrap()
    });
    assert_eq!(two.paired(&three), None);
    assert_eq!(Influence::mean(&[two, three]), None);
}

fn rows() -> impl Strategy<Value = (Vec<f32>, Vec<f32>, Vec<f32>)> {
    let value = || (0u8..9).prop_map(f32::from);
    prop::collection::vec((value(), value(), value()), 2..50).prop_map(|rows| {
        let column = |of: fn(&(f32, f32, f32)) -> f32| rows.iter().map(of).collect();
        (column(|row| row.0), column(|row| row.1), column(|row| row.2))
    })
}

proptest! {
    #[test]
    fn the_value_is_xauc_and_equal_models_do_not_differ((predictions, other, targets) in rows()) {
        let found = Influence::xauc(&predictions, &targets, None);
        prop_assert_eq!(found.as_ref().map(Influence::value), xauc(&predictions, &targets, None));
        let Some(found) = found else { return Ok(()) };
        prop_assert_eq!(found.paired(&found).unwrap().p_value, 1.0);
        prop_assert_eq!(Influence::mean(&[found.clone(), found.clone()]).unwrap(), found.clone());
        let other = Influence::xauc(&other, &targets, None).unwrap();
        prop_assert_eq!(found.paired(&other).unwrap().difference, found.value() - other.value());
    }

    /// Var = n/(n-1) · (S₁₀ (P-1)/P² + S₀₁ (N-1)/N²), where DeLong's is S₁₀/P + S₀₁/N.
    #[test]
    fn on_two_targets_the_error_is_that_of_delong((predictions, _, targets) in rows()) {
        let labels: Vec<f32> = targets.iter().map(|&target| f32::from(u8::from(target > 3.0))).collect();
        let Some(delong) = DeLong::new(&predictions, &labels, None) else { return Ok(()) };
        let part = |placements: &[f64]| {
            let count = placements.len() as f64;
            placements.iter().map(|placement| (placement - delong.auc()).powi(2)).sum::<f64>() / count / count
        };
        let count = labels.len() as f64;
        let variance = (part(delong.positives()) + part(delong.negatives())) * count / (count - 1.0);
        let found = Influence::xauc(&predictions, &labels, None).unwrap();
        assert_relative_eq!(found.standard_error(), variance.sqrt(), epsilon = 1e-12);
        // Two classes rank alike from both sides.
        let probabilities: Vec<f32> = predictions.iter().flat_map(|&p| [-p, p]).collect();
        let classes = Influence::macro_auc(&probabilities, &labels, 2, None).unwrap();
        assert_relative_eq!(classes.value(), delong.auc(), epsilon = 1e-12);
        assert_relative_eq!(classes.standard_error(), variance.sqrt(), epsilon = 1e-12);
    }

    #[test]
    fn the_mean_over_classes_is_that_of_the_summary((first, second, labels) in rows()) {
        let labels: Vec<f32> = labels.iter().map(|label| label % 3.0).collect();
        let probabilities: Vec<f32> = first.iter().zip(&second).flat_map(|(&a, &b)| [a, b, a * b]).collect();
        let (summary, found) =
            (multiclass_summary(&probabilities, &labels, 3, None), Influence::macro_auc(&probabilities, &labels, 3, None));
        prop_assert_eq!(summary.macro_auc.is_some(), found.is_some());
        if let (Some(expected), Some(found)) = (summary.macro_auc, found) {
            assert_relative_eq!(found.value(), expected, epsilon = 1e-12);
        }
    }
}
