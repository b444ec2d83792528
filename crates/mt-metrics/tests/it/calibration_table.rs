//! The calibration table.

use approx::assert_relative_eq;
use mt_metrics::{CALIBRATION_BINS, calibration_table, regression_table};
use proptest::prelude::*;

/// scikit-learn 1.9.1, whose bins are these where no probabilities are equal and the rows divide evenly:
///
/// ```python
/// import numpy as np
/// from sklearn.calibration import calibration_curve
/// i = np.arange(40)
/// y = (i * 7 % 10 < 3).astype(int)
/// print(calibration_curve(y, (i * 37 + 11) % 64 / 128 + y / 4 + i / 4096, n_bins=10, strategy="quantile"))
/// ```
#[test]
fn the_bins_agree_with_scikit_learn() {
    let rates = [0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25, 1.0, 1.0];
    let means = [
        0.03009033203125,
        0.082763671875,
        0.16217041015625,
        0.22821044921875,
        0.3095703125,
        0.3614501953125,
        0.4007568359375,
        0.4542236328125,
        0.54345703125,
        0.70147705078125,
    ];
    let labels: Vec<f32> = (0..40).map(|i| f32::from(u8::from(i * 7 % 10 < 3))).collect();
    let probability = |(y, i): (&f32, u32)| ((i * 37 + 11) % 64) as f32 / 128.0 + y / 4.0 + i as f32 / 4096.0;
    let probabilities: Vec<f32> = labels.iter().zip(0..).map(probability).collect();
    let table = calibration_table(&probabilities, &labels, CALIBRATION_BINS, None);
    assert_eq!(table.bins.len(), 10);
    let mut gap = 0.0;
    for ((bin, mean), rate) in table.bins.iter().zip(means).zip(rates) {
        assert_eq!(bin.count, 4);
        assert_relative_eq!(bin.mean_prediction, mean, max_relative = 1e-14);
        assert_eq!(bin.observed_rate, rate);
        gap += (mean - rate).abs() / 10.0;
    }
    assert_relative_eq!(table.ece.unwrap(), gap, max_relative = 1e-14);
}

#[test]
fn equal_probabilities_stay_in_one_bin() {
    let table = calibration_table(&[0.5; 9], &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0], 4, None);
    assert_eq!(table.bins.len(), 1);
    assert_relative_eq!(table.ece.unwrap(), 0.5 - 1.0 / 3.0, max_relative = 1e-14);
}

#[test]
fn few_rows_make_few_bins() {
    let table = calibration_table(&[0.3, 0.1], &[1.0, 0.0], 10, None);
    assert_eq!(table.bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn no_rows_and_nan_have_no_bins_and_no_error() {
    for (probabilities, labels) in [(&[][..], &[][..]), (&[0.5, f32::NAN], &[1.0, 0.0])] {
        let table = calibration_table(probabilities, labels, 10, None);
        assert!(table.bins.is_empty() && table.ece.is_none());
    }
    assert!(std::panic::catch_unwind(|| calibration_table(&[0.5], &[1.0, 0.0], 10, None)).is_err());
}

#[test]
fn targets_that_are_numbers_have_means_instead_of_rates() {
    let table = regression_table(&[4.0, 1.0, 3.0, 2.0, 2.0], &[8.0, -1.0, 5.0, 2.0, 3.0], 2, None);
    let bins: Vec<_> =
        table.iter().map(|bin| (bin.count, bin.weight, bin.mean_prediction, bin.mean_target)).collect();
    assert_eq!(bins, [(3, None, 5.0 / 3.0, 4.0 / 3.0), (2, None, 3.5, 6.5)]);
    assert_eq!(regression_table(&[f32::NAN], &[1.0], 2, None), []);
    assert!(std::panic::catch_unwind(|| regression_table(&[0.5], &[1.0], 0, None)).is_err());
}

fn rows() -> impl Strategy<Value = Vec<(f32, u8)>> {
    let probability = prop_oneof![(0u8..9).prop_map(|p| f32::from(p) / 8.0), 0f32..1.0];
    prop::collection::vec((probability, 0u8..2), 1..80)
}

proptest! {
    #[test]
    fn bins_hold_every_row_once_in_order_whatever_the_order_of_rows(mut rows in rows(), bins in 1usize..20) {
        let table = |rows: &[(f32, u8)]| {
            let (probabilities, labels): (Vec<_>, Vec<_>) = rows.iter().map(|r| (r.0, f32::from(r.1))).unzip();
            calibration_table(&probabilities, &labels, bins, None)
        };
        let found = table(&rows);
        prop_assert!(found.bins.len() <= bins);
        prop_assert_eq!(found.bins.iter().map(|bin| bin.count).sum::<usize>(), rows.len());
        let positives: f64 = found.bins.iter().map(|bin| bin.observed_rate * bin.count as f64).sum();
        assert_relative_eq!(positives, f64::from(rows.iter().map(|r| u32::from(r.1)).sum::<u32>()), epsilon = 1e-9);
        prop_assert!(found.bins.windows(2).all(|pair| pair[0].mean_prediction < pair[1].mean_prediction));
        prop_assert!((0.0..=1.0).contains(&found.ece.unwrap()));
        rows.reverse();
        prop_assert_eq!(found, table(&rows));
    }
}
