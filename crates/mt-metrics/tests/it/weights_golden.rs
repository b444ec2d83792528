//! Weighted metrics against scikit-learn 1.9.1 with `sample_weight`.
//!
//! ```python
//! # pip install scikit-learn==1.9.1
//! import numpy as np
//! from sklearn.metrics import *
//! i = np.arange(40)
//! y = (i * 7 % 10 < 3).astype(int)
//! a = np.clip(((i * 37 + 11) % 64) / 128 + y * 0.25, 1 / 128, 127 / 128)
//! b = np.clip(((i * 23 + 5) % 32) / 64 + y * 0.125, 1 / 128, 127 / 128)
//! w = i * 5 % 9 / 4
//! for s in (a, b):
//!     loss = log_loss(y, s, sample_weight=w)
//!     base = log_loss(y, np.full(40, np.average(y, weights=w)), sample_weight=w)
//!     print(roc_auc_score(y, s, sample_weight=w), average_precision_score(y, s, sample_weight=w), loss, loss / base,
//!           (w * s).sum() / (w * y).sum(), accuracy_score(y, s >= 0.5, sample_weight=w))
//! fpr, tpr, _ = roc_curve(y, b, sample_weight=w, drop_intermediate=False)
//! print(len(fpr), *fpr[[1, 7, 20]], *tpr[[1, 7, 20]])
//! g = i * i % 7
//! groups = [g == c for c in sorted(set(g))]
//! both = [c for c in groups if (w[c] @ y[c]) * (w[c] @ (1 - y[c])) > 0]
//! aucs = [roc_auc_score(y[c], b[c], sample_weight=w[c]) for c in both]
//! for by in ([w[c].sum() for c in both], [w[c] @ y[c] for c in both], [1] * len(both)):
//!     print(np.average(aucs, weights=by))
//! grades, tied, v = i * 3 % 5, (i * 23 + 5) % 8 / 8, np.array([1, 0, 2.5, 0.25])
//! print(np.average([ndcg_score([2.0 ** grades[c] - 1], [tied[c]], k=5) for c in groups], weights=v))
//! p = np.stack([(i * 5 + 3) % 16 + 1, i * 11 % 16 + 1, (i * 7 + 9) % 16 + 1]) / 64
//! p[2] = 1 - p[0] - p[1]
//! c, p = (i * 7 + i // 5) % 3, p.T
//! print(log_loss(c, p, sample_weight=w), accuracy_score(c, p.argmax(1), sample_weight=w),
//!       roc_auc_score(c, p, multi_class="ovr", sample_weight=w))
//! t = i * 13 % 17 * 1.5
//! r = np.abs(t - 4 + (i * 7 % 11) / 2).round()
//! print(np.average(t, weights=w), np.average(r, weights=w), np.sqrt(mean_squared_error(t, r, sample_weight=w)),
//!       mean_absolute_error(t, r, sample_weight=w))
//! # XAUC is AUC over the rows of each pair of targets, by the weight of the pairs.
//! levels, pairs = np.unique(t[w > 0]), []
//! for low in levels:
//!     for high in levels[levels > low]:
//!         rows = np.isin(t, (low, high)) & (w > 0)
//!         weight = w[t == low].sum() * w[t == high].sum()
//!         pairs.append((roc_auc_score(t[rows] == high, r[rows], sample_weight=w[rows]), weight))
//! print(np.average([p[0] for p in pairs], weights=[p[1] for p in pairs]))
//! # The jackknife within classes (Yao et al. 2015), of an AUC and of a difference, without the rows that weigh nothing.
//! def jackknife(of):
//!     rows = np.flatnonzero(w > 0)
//!     variance = 0
//!     for label in (0, 1):
//!         own = rows[y[rows] == label]
//!         left = np.array([of(rows[rows != row]) for row in own])
//!         variance += (len(own) - 1) / len(own) * ((left - of(rows)) ** 2).sum()
//!     return variance ** 0.5
//! auc = lambda s: lambda k: roc_auc_score(y[k], s[k], sample_weight=w[k])
//! print(jackknife(auc(a)), jackknife(auc(b)), jackknife(lambda k: auc(a)(k) - auc(b)(k)))
//! ```
//!
//! prints
//!
//! ```text
//! 0.9628628628628628 0.9366484272734272 0.37694618172588834 0.6274400788919433 1.0758680555555555 0.8589743589743589
//! 0.8468468468468469 0.7111250250972243 0.45217817275912464 0.7526663543590808 0.9845486111111111 0.7564102564102564
//! 27 0.0 0.17117117117117117 0.7027027027027027 0.06666666666666667 0.6222222222222222 1.0
//! 0.859903381642512
//! 0.918840579710145
//! 0.7971014492753623
//! 0.5542973737896904
//! 1.928914752888191 0.21153846153846154 0.48014376292139965
//! 11.326923076923077 10.102564102564102 2.0167567261094463 1.6153846153846154
//! 0.933503162333099
//! 0.02994402746990246 0.07512468970729558 0.08289801459389384
//! ```

use approx::assert_relative_eq;
use mt_metrics::{
    DeLong, GroupWeighting, Influence, binary_summary, group_auc, multiclass_summary, ndcg,
    regression_summary, roc_curve,
};

use crate::samples::{b, cut, each, label};

fn a() -> Vec<f32> {
    each(|i| cut(((i * 37 + 11) % 64) as f32 / 128.0 + label(i) * 0.25))
}

fn weights() -> Vec<f32> {
    each(|i| (i * 5 % 9) as f32 / 4.0)
}

#[track_caller]
fn close(found: Option<f64>, expected: f64) {
    assert_relative_eq!(found.unwrap(), expected, max_relative = 1e-12);
}

#[test]
fn the_binary_summary_agrees() {
    for (scores, [auc, pr_auc, log_loss, entropy, calibration, accuracy]) in [
        (
            a(),
            [
                0.9628628628628628,
                0.9366484272734272,
                0.37694618172588834,
                0.6274400788919433,
                1.0758680555555555,
                0.8589743589743589,
            ],
        ),
        (
            b(),
            [
                0.8468468468468469,
                0.7111250250972243,
                0.45217817275912464,
                0.7526663543590808,
                0.9845486111111111,
                0.7564102564102564,
            ],
        ),
    ] {
        let found = binary_summary(&scores, &each(label), Some(&weights()));
        // Five rows weigh nothing, two of them positive.
        assert_eq!((found.rows, found.positives, found.weight), (35, 10, Some(39.0)));
        close(found.auc, auc);
        close(found.pr_auc, pr_auc);
        close(found.log_loss, log_loss);
        close(found.normalised_entropy, entropy);
        close(found.calibration, calibration);
        close(found.accuracy, accuracy);
    }
}

#[test]
fn the_curve_agrees() {
    let curve = roc_curve(&b(), &each(label), 1000, Some(&weights())).unwrap();
    assert_eq!(curve.len(), 27);
    for (point, [x, y]) in [1, 7, 20].into_iter().zip([
        [0.0, 0.06666666666666667],
        [0.17117117117117117, 0.6222222222222222],
        [0.7027027027027027, 1.0],
    ]) {
        assert_relative_eq!(curve[point].false_positive_rate, x, max_relative = 1e-14);
        assert_relative_eq!(curve[point].true_positive_rate, y, max_relative = 1e-14);
    }
}

#[test]
fn the_metrics_within_groups_agree() {
    let groups = each(|i| i * i % 7);
    for (weighting, expected) in [
        (GroupWeighting::Impressions, 0.859903381642512),
        (GroupWeighting::Positives, 0.918840579710145),
        (GroupWeighting::Equal, 0.7971014492753623),
    ] {
        let found = group_auc(&b(), &each(label), &groups, weighting, Some(&weights()));
        close(found.value, expected);
        assert_eq!((found.groups, found.skipped), (3, 1));
    }
    let (grades, scores) = (each(|i| (i * 3 % 5) as f32), each(|i| ((i * 23 + 5) % 8) as f32 / 8.0));
    // Of the groups 0, 1, 2 and 4, for scikit-learn a row each.
    let weights = each(|i| [1.0, 0.0, 2.5, 0.0, 0.25][(i * i % 7) as usize]);
    let found = ndcg(&scores, &grades, &groups, 5, Some(&weights));
    close(found.value, 0.5542973737896904);
    assert_eq!((found.groups, found.skipped), (3, 0));
}

#[test]
fn the_summary_of_classes_agrees() {
    let row = |i: u32| {
        let (first, second) = (((i * 5 + 3) % 16 + 1) as f32 / 64.0, (i * 11 % 16 + 1) as f32 / 64.0);
        [first, second, 1.0 - first - second]
    };
    let probabilities: Vec<f32> = (0..40).flat_map(row).collect();
    let found =
        multiclass_summary(&probabilities, &each(|i| ((i * 7 + i / 5) % 3) as f32), 3, Some(&weights()));
    assert_eq!((found.rows, found.weight), (35, Some(39.0)));
    close(found.log_loss, 1.928914752888191);
    close(found.accuracy, 0.21153846153846154);
    close(found.macro_auc, 0.48014376292139965);
}

#[test]
fn the_summary_of_numbers_agrees() {
    let targets = each(|i| (i * 13 % 17) as f32 * 1.5);
    let noise = |i: u32| (i * 7 % 11) as f32 / 2.0 - 4.0;
    let predictions = each(|i| (targets[i as usize] + noise(i)).abs().round_ties_even());
    let found = regression_summary(&predictions, &targets, Some(&weights()));
    assert_eq!((found.count, found.weight), (35, Some(39.0)));
    close(found.mean_target, 11.326923076923077);
    close(found.mean_prediction, 10.102564102564102);
    close(found.rmse, 2.0167567261094463);
    close(found.mae, 1.6153846153846154);
    close(found.xauc, 0.933503162333099);
    let influence = Influence::xauc(&predictions, &targets, Some(&weights()));
    close(influence.map(|influence| influence.value()), 0.933503162333099);
}

#[test]
fn errors_are_those_of_the_jackknife() {
    let [a, b] = [a(), b()].map(|scores| DeLong::new(&scores, &each(label), Some(&weights())).unwrap());
    close(a.standard_error(), 0.02994402746990246);
    close(b.standard_error(), 0.07512468970729558);
    let test = a.paired(&b).unwrap();
    assert_relative_eq!(test.difference, 0.9628628628628628 - 0.8468468468468469, max_relative = 1e-12);
    assert_relative_eq!(test.standard_error, 0.08289801459389384, max_relative = 1e-12);
    assert_eq!(test.degrees_of_freedom, None);
}
