//! Errors of weighted metrics: against formulas written out, and against how far the metrics vary from draw to draw.

use approx::assert_relative_eq;
use mt_metrics::{DeLong, Influence, PairedTest, auc};
use proptest::prelude::*;

/// Numbers between 0 and 1 that repeat only after 2⁶⁴: splitmix64 (Steele et al. 2014).
fn uniform(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
}

/// Targets, weights that go with them, and the predictions of two models that are equally good.
fn drawn(rows: usize, levels: f32, state: &mut u64) -> [Vec<f32>; 4] {
    let mut drawn = [const { Vec::new() }; 4];
    for _ in 0..rows {
        let target = (levels * uniform(state)).floor();
        let weight = (2.0 * uniform(state) + target / levels).exp();
        let [one, other] = [(); 2].map(|()| target + levels * uniform(state));
        [target, weight, one, other].into_iter().zip(&mut drawn).for_each(|(value, to)| to.push(value));
    }
    drawn
}

const RUNS: usize = 2000;

/// Of two equal models one in twenty pairs seems to differ, and the standard error is how far the metric varies.
fn holds<M>(
    levels: f32,
    judge: impl Fn(&[f32], &[f32], Option<&[f32]>) -> Option<M>,
    test: impl Fn(&M, &M) -> Option<PairedTest>,
    of: impl Fn(&M) -> (f64, f64),
) {
    let (mut state, mut differ, mut errors, mut values) = (1, 0, 0.0, Vec::new());
    for _ in 0..RUNS {
        let [targets, weights, one, other] = drawn(200, levels, &mut state);
        let [one, other] = [one, other].map(|model| judge(&model, &targets, Some(&weights)).unwrap());
        differ += usize::from(test(&one, &other).unwrap().p_value < 0.05);
        let (value, error) = of(&one);
        errors += error / RUNS as f64;
        values.push(value);
    }
    // 100, and three standard deviations to either side.
    assert!((70..=130).contains(&differ), "{differ} of {RUNS}");
    let mean = values.iter().sum::<f64>() / RUNS as f64;
    let deviation =
        (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (RUNS - 1) as f64).sqrt();
    assert_relative_eq!(errors, deviation, max_relative = 0.05);
}

#[test]
fn weighted_auc_varies_as_its_error_says() {
    holds(2.0, DeLong::new, DeLong::paired, |auc| (auc.auc(), auc.standard_error().unwrap()));
}

#[test]
fn weighted_xauc_varies_as_its_error_says() {
    holds(8.0, Influence::xauc, Influence::paired, |xauc| (xauc.value(), xauc.standard_error()));
}

type Row = (f32, bool, f32);

fn rows() -> impl Strategy<Value = [Vec<f32>; 3]> {
    let row = || ((0u8..12).prop_map(f32::from), prop::bool::ANY, 0.1f32..10.0);
    prop::collection::vec(row(), 2..40).prop_map(|rows| {
        let column = |of: fn(&Row) -> f32| rows.iter().map(of).collect();
        [column(|row| row.0), column(|row| f32::from(u8::from(row.1))), column(|row| row.2)]
    })
}

proptest! {
    /// Rows are left out by a weight of 0.
    #[test]
    fn the_variance_is_that_of_the_jackknife([scores, labels, weights] in rows()) {
        let Some(delong) = DeLong::new(&scores, &labels, Some(&weights)) else { return Ok(()) };
        let mut variance = Some(0.0);
        for class in [0.0, 1.0] {
            let own: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
            let without = |row: usize| {
                let mut weights = weights.clone();
                weights[row] = 0.0;
                Some((auc(&scores, &labels, Some(&weights))? - delong.auc()).powi(2))
            };
            let sum: Option<f64> = own.iter().map(|&row| without(row)).sum();
            let count = own.len() as f64;
            variance = variance.zip(sum).map(|(all, sum)| all + sum * (count - 1.0) / count);
        }
        prop_assert_eq!(delong.standard_error().is_some(), variance.is_some());
        if let (Some(error), Some(variance)) = (delong.standard_error(), variance) {
            assert_relative_eq!(error.powi(2), variance, epsilon = 1e-12);
        }
    }

    /// Σ (w (V - θ) / W)² of both classes, times n/(n-1).
    #[test]
    fn on_two_targets_influence_is_the_linear_part_of_the_jackknife([scores, labels, weights] in rows()) {
        let Some(delong) = DeLong::new(&scores, &labels, Some(&weights)) else { return Ok(()) };
        let part = |placements: &[f64], class: f32| {
            let own = || weights.iter().zip(&labels).filter(|row| *row.1 == class).map(|row| f64::from(*row.0));
            let all: f64 = own().sum();
            let moved = |(placement, weight): (&f64, f64)| (weight * (placement - delong.auc()) / all).powi(2);
            placements.iter().zip(own()).map(moved).sum::<f64>()
        };
        let count = labels.len() as f64;
        let variance = (part(delong.positives(), 1.0) + part(delong.negatives(), 0.0)) * count / (count - 1.0);
        let found = Influence::xauc(&scores, &labels, Some(&weights)).unwrap();
        assert_relative_eq!(found.value(), delong.auc(), epsilon = 1e-12);
        assert_relative_eq!(found.standard_error(), variance.sqrt(), epsilon = 1e-9);
        let probabilities: Vec<f32> = scores.iter().flat_map(|&p| [-p, p]).collect();
        let classes = Influence::macro_auc(&probabilities, &labels, 2, Some(&weights)).unwrap();
        assert_relative_eq!(classes.value(), delong.auc(), epsilon = 1e-12);
        assert_relative_eq!(classes.standard_error(), variance.sqrt(), epsilon = 1e-9);
    }
}

#[test]
fn one_row_with_all_the_weight_has_no_error() {
    let (scores, labels) = ([0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 1.0]);
    for weight in [1e19, 1e37] {
        let delong = DeLong::new(&scores, &labels, Some(&[1.0, weight, 1.0, 1.0])).unwrap();
        assert_relative_eq!(delong.auc(), 0.5, epsilon = 1e-12);
        assert_eq!((delong.standard_error(), delong.interval(0.95)), (None, None));
    }
}

#[test]
fn models_weighed_unlike_are_not_compared() {
    let (scores, labels) = ([0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 1.0]);
    let weighed = |weights: Option<&[f32]>| DeLong::new(&scores, &labels, weights).unwrap();
    let (plain, own) = (weighed(None), weighed(Some(&[1.0, 1.0, 2.0, 1.0])));
    assert_eq!(own.paired(&plain), None);
    assert_eq!(own.covariance(&weighed(Some(&[1.0, 1.0, 3.0, 1.0]))), None);
    assert_eq!(DeLong::mean(&[own.clone(), plain]), None);
    // Twice the weight is the same.
    assert_eq!(own, weighed(Some(&[2.0, 2.0, 4.0, 2.0])));
    assert_eq!(own.paired(&own).unwrap().p_value, 1.0);
}
