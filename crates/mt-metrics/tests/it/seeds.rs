//! Comparisons of configurations over several seeds.
//!
//! numpy 2.4.6 and scipy 1.17.1, with the covariances of all pairs of runs, as in the paper:
//!
//! ```python
//! # pip install numpy==2.4.6 scipy==1.17.1
//! import numpy as np
//! from scipy.stats import t
//! i = np.arange(40)
//! y = (i * 7 % 10 < 3).astype(int)
//! z = i * 13 % 7
//! def scores(step, lift, seeds):
//!     return {s: ((i * step + 11 * s) % 64) / 128 + y * lift * s for s in seeds}
//! def auc(s):
//!     d = s[y == 1][:, None] - s[y == 0][None]
//!     return (d > 0) + (d == 0) / 2
//! def xauc(s):
//!     ahead = np.sign(z[:, None] - z[None]) * np.sign(s[:, None] - s[None])
//!     counts = z[:, None] != z[None]
//!     wins = ((1 + ahead) / 2 * counts).sum(1)
//!     value = wins.sum() / counts.sum()
//!     return value, 2 * (wins - value * counts.sum(1)) / counts.sum(1).mean()
//! def compare(own, other, kind):
//!     k, l, runs = len(own), len(other), [*own.values(), *other.values()]
//!     if kind == "auc":
//!         wins = [auc(s) for s in runs]
//!         values = np.array([w.mean() for w in wins])
//!         cov = np.cov([w.mean(1) for w in wins]) / y.sum() + np.cov([w.mean(0) for w in wins]) / (1 - y).sum()
//!     else:
//!         values, rows = map(np.array, zip(*[xauc(s) for s in runs]))
//!         cov = np.cov(rows) / len(i)
//!     cov2 = lambda c: (c.sum() - np.trace(c)) / (len(c) * (len(c) - 1))
//!     a, b, aa, bb, ab = values[:k], values[k:], cov[:k, :k], cov[k:, k:], cov[:k, k:]
//!     if own.keys() == other.keys():
//!         samples, shared = [a - b], cov2(aa + bb - ab - ab.T)
//!     else:
//!         samples, shared = [a, b], cov2(aa) + cov2(bb) - 2 * ab.mean()
//!     signs = np.r_[np.full(k, 1 / k), np.full(l, -1 / l)]
//!     between = [(x.var(ddof=1) / len(x), len(x) - 1) for x in samples]
//!     v = sum(s2 for s2, _ in between) + max(shared, 0)
//!     df = v**2 / sum(s2**2 / n for s2, n in between)
//!     d, se = signs @ values, np.sqrt(max(v, signs @ cov @ signs))
//!     print(d, se, df, 2 * t.sf(abs(d) / se, df), d - t.isf(0.025, df) * se)
//!     s2 = a.var(ddof=1) / k
//!     v = s2 + max(cov2(aa), 0)
//!     print(a.mean() - t.isf(0.025, v**2 / (s2**2 / (k - 1))) * np.sqrt(max(v, aa.mean())))
//! compare(scores(37, 0.25, [1, 2, 3]), scores(23, 0.0625, [1, 2, 3]), "auc")
//! compare(scores(37, 0.25, [1, 2, 3]), scores(23, 0.0625, [2, 3, 4]), "auc")
//! compare(scores(37, 0.125, [1, 2, 3]), scores(23, 0.0625, [1, 2]), "auc")  # the rows alone are more
//! compare(scores(3, 0.125, [1, 2, 3]), scores(5, 0.0625, [1, 2, 3]), "xauc")  # as well
//! compare(scores(3, 0.125, [1, 2, 3]), scores(37, 0.125, [4, 5, 6]), "xauc")  # C is below 0
//! ```

use approx::assert_relative_eq;
use mt_metrics::{DeLong, Influence, OverRows, Seeds};

/// Of each seed.
type Runs = Vec<(u64, Vec<f32>)>;

fn scores(step: u16, lift: f32, seeds: &[u16]) -> Runs {
    let score = |s: u16, i: u16| {
        f32::from((i * step + 11 * s) % 64) / 128.0 + if i * 7 % 10 < 3 { lift * f32::from(s) } else { 0.0 }
    };
    seeds.iter().map(|&s| (u64::from(s), (0..40).map(|i| score(s, i)).collect())).collect()
}

fn seeds<M: OverRows>(runs: &Runs, judge: impl Fn(&[f32]) -> Option<M>) -> Seeds<M> {
    let runs: Option<Vec<(u64, M)>> = runs.iter().map(|(seed, run)| Some((*seed, judge(run)?))).collect();
    Seeds::new(runs.expect("defined")).expect("comparable")
}

fn auc(scores: &[f32]) -> Option<DeLong> {
    let labels: Vec<f32> = (0..40).map(|i| f32::from(u8::from(i * 7 % 10 < 3))).collect();
    DeLong::new(scores, &labels, None)
}

fn xauc(scores: &[f32]) -> Option<Influence> {
    let targets: Vec<f32> = (0..40u16).map(|i| f32::from(i * 13 % 7)).collect();
    Influence::xauc(scores, &targets, None)
}

fn assert_agrees<M: OverRows>(own: &Seeds<M>, other: &Seeds<M>, [d, se, df, p, low]: [f64; 5], own_low: f64) {
    let test = own.paired(other).expect("the same rows");
    assert_relative_eq!(test.difference, d, max_relative = 1e-10);
    assert_relative_eq!(test.standard_error, se, max_relative = 1e-10);
    assert_relative_eq!(test.degrees_of_freedom.expect("several seeds"), df, max_relative = 1e-9);
    assert_relative_eq!(test.p_value, p, max_relative = 1e-9);
    assert_relative_eq!(test.interval(0.95).0, low, max_relative = 1e-9);
    assert_relative_eq!(own.interval(0.95).expect("defined").0, own_low, max_relative = 1e-9);
}

#[test]
fn the_test_over_seeds_agrees_with_covariances_written_out() {
    let a = seeds(&scores(37, 0.25, &[1, 2, 3]), auc);
    let b = seeds(&scores(23, 0.0625, &[1, 2, 3]), auc);
    assert_agrees(
        &a,
        &b,
        [
            0.3010912698412697,
            0.0607209323461549,
            2.5584658945343453,
            0.022710356079961753,
            0.08754288023038659,
        ],
        0.8737463635773939,
    );
    let b = seeds(&scores(23, 0.0625, &[2, 3, 4]), auc);
    assert_agrees(
        &a,
        &b,
        [
            0.18849206349206335,
            0.09768733452049332,
            2.561702131087931,
            0.164758955377596,
            -0.15476166597263655,
        ],
        0.8737463635773939,
    );
    let (a, b) = (seeds(&scores(37, 0.125, &[1, 2, 3]), auc), seeds(&scores(23, 0.0625, &[1, 2]), auc));
    assert_agrees(
        &a,
        &b,
        [
            0.27752976190476186,
            0.0784671557896877,
            3.254827903214669,
            0.03373414171267853,
            0.03851641488722324,
        ],
        0.6796300234763147,
    );
    let (a, b) = (seeds(&scores(3, 0.125, &[1, 2, 3]), xauc), seeds(&scores(5, 0.0625, &[1, 2, 3]), xauc));
    assert_agrees(
        &a,
        &b,
        [-0.023114355231143524, 0.03409368079484575, 2.0, 0.5677128671307486, -0.16980762397029348],
        0.35069258772895995,
    );
    let b = seeds(&scores(37, 0.125, &[4, 5, 6]), xauc);
    assert_agrees(
        &a,
        &b,
        [
            -0.01605839416058394,
            0.055492057649546095,
            3.9968985178224483,
            0.7866792738711824,
            -0.170176207388135,
        ],
        0.35069258772895995,
    );
}

#[test]
fn runs_of_one_seed_are_compared_with_each_other_in_whatever_order_they_come() {
    let judged = |step, seeds: [u16; 3]| -> Vec<(u64, DeLong)> {
        scores(step, 0.0625, &seeds).iter().map(|(seed, run)| (*seed, auc(run).unwrap())).collect()
    };
    let [a, b, turned] = [(37, [1, 2, 3]), (23, [1, 2, 3]), (23, [3, 1, 2])]
        .map(|(step, seeds)| Seeds::new(judged(step, seeds)).unwrap());
    assert_eq!(a.paired(&b), a.paired(&turned));
    let renumbered = judged(23, [1, 2, 3]).into_iter().map(|(seed, run)| (seed + 3, run)).collect();
    let nested = a.paired(&Seeds::new(renumbered).unwrap()).unwrap();
    assert_ne!(a.paired(&b).unwrap().standard_error, nested.standard_error);
}

#[test]
fn a_single_seed_tells_of_rows_alone_and_no_seed_of_nothing() {
    let run = |s: u16| (u64::from(s), auc(&scores(37, 0.125, &[s])[0].1).unwrap());
    let of = |seeds: &[u16]| Seeds::new(seeds.iter().map(|&s| run(s)).collect()).unwrap();
    let (one, other, all) = (of(&[1]), of(&[2]), of(&[1, 2, 3]));
    let test = one.paired(&other).unwrap();
    assert_eq!((test.degrees_of_freedom, test), (None, run(1).1.paired(&run(2).1).unwrap()));
    assert_eq!(one.paired(&all).unwrap().degrees_of_freedom, None);
    assert_eq!(one.paired(&one).unwrap().p_value, 1.0);
    assert_relative_eq!(one.interval(0.95).unwrap().0, run(1).1.interval(0.95).unwrap().0, epsilon = 1e-12);
    assert!(Seeds::<DeLong>::new(Vec::new()).is_none());
    let fewer = DeLong::new(&[0.1, 0.2, 0.3, 0.4], &[0.0, 0.0, 1.0, 1.0], None).unwrap();
    assert!(Seeds::new(vec![run(1), (2, fewer.clone())]).is_none());
    assert_eq!(all.paired(&Seeds::new(vec![(1, fewer.clone()), (2, fewer)]).unwrap()), None);
}

#[test]
fn seeds_that_agree_leave_the_rows() {
    let judged = |step| auc(&scores(step, 0.0625, &[1])[0].1).unwrap();
    let [one, other] = [37, 23].map(|step| Seeds::new(vec![(1, judged(step)), (2, judged(step))]).unwrap());
    let test = one.paired(&other).unwrap();
    assert_eq!(test.degrees_of_freedom, Some(f64::INFINITY));
    assert_relative_eq!(test.p_value, judged(37).paired(&judged(23)).unwrap().p_value, max_relative = 1e-12);
    let same = one.paired(&one).unwrap();
    assert_eq!((same.difference, same.statistic, same.p_value), (0.0, 0.0, 1.0));
}

/// A generator of uniform numbers: splitmix64 (Steele et al. 2014).
struct Draws(u64);

impl Draws {
    /// Between 0 and 1.
    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
    }

    /// Nearly normal, of mean 0 and variance 1.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }
}

/// How much runs vary, in units of what a row's score has of chance that all runs share.
struct Effects {
    /// Of the skill, from seed to seed.
    seed: f32,
    /// Of a row's score, from configuration to configuration.
    configuration: f32,
    /// Of a row's score, from run to run.
    run: f32,
    /// The skill of the second configuration beyond that of the first.
    gain: f32,
}

/// Whose seeds they are.
#[derive(Debug, Clone, Copy)]
enum Numbers {
    /// The same of both configurations, whose skills have so much in common (0 to 1) where the seed is the same.
    Same(f32),
    Different,
}

const ROWS: usize = 200;
const COMPARISONS: usize = 1000;

impl Effects {
    /// How many comparisons of two configurations have p < 0.05: over seeds, and over rows alone of the first run of each.
    fn differ<M: OverRows + Clone>(
        &self,
        (count, numbers): (usize, Numbers),
        judge: impl Fn(&[f32], &[f32], Option<&[f32]>) -> Option<M>,
    ) -> [usize; 2] {
        let (mut draws, mut differ) = (Draws(1), [0; 2]);
        let (common, apart) = match numbers {
            Numbers::Same(common) => (common, 0),
            Numbers::Different => (0.0, 100),
        };
        for _ in 0..COMPARISONS {
            let labels: Vec<f32> = (0..ROWS).map(|_| f32::from(u8::from(draws.uniform() < 0.3))).collect();
            let shared: Vec<f32> = (0..ROWS).map(|_| draws.normal()).collect();
            let of_seeds: Vec<f32> = (0..count).map(|_| draws.normal()).collect();
            let [own, other] = [(1.0, 0), (1.0 + self.gain, apart)].map(|(skill, first)| {
                let of_rows: Vec<f32> = (0..ROWS).map(|_| self.configuration * draws.normal()).collect();
                let run = |(seed, of_seed): (u64, &f32)| {
                    let of_seed = common.sqrt() * of_seed + (1.0 - common).sqrt() * draws.normal();
                    let skill = skill + self.seed * of_seed;
                    let score = |row: usize| {
                        skill * labels[row] + shared[row] + of_rows[row] + self.run * draws.normal()
                    };
                    let scores: Vec<f32> = (0..ROWS).map(score).collect();
                    (seed, judge(&scores, &labels, None).expect("both classes"))
                };
                (first..).zip(&of_seeds).map(run).collect::<Vec<(u64, M)>>()
            });
            for (seen, differ) in [count, 1].into_iter().zip(&mut differ) {
                let [own, other] =
                    [&own, &other].map(|runs| Seeds::new(runs[..seen].to_vec()).expect("comparable"));
                *differ += usize::from(own.paired(&other).expect("the same rows").p_value < 0.05);
            }
        }
        differ
    }
}

/// 50 are expected of a test that is exact, with a standard deviation of 7; over rows alone, two in five and more.
#[test]
fn a_configuration_compared_with_itself_differs_in_one_of_twenty_comparisons() {
    let itself = Effects { seed: 0.3, configuration: 0.0, run: 0.3, gain: 0.0 };
    let each = [2, 3, 5].map(|seeds| (seeds, Numbers::Different));
    for seeds in each.into_iter().chain([(3, Numbers::Same(0.0)), (5, Numbers::Same(0.9))]) {
        let [over_seeds, over_rows] = itself.differ(seeds, DeLong::new);
        let most = if matches!(seeds.1, Numbers::Different) { 65 } else { 80 };
        assert!((5..=most).contains(&over_seeds), "{seeds:?}: {over_seeds}");
        assert!(
            over_rows > if matches!(seeds.1, Numbers::Same(0.9)) { 100 } else { 400 },
            "{seeds:?}: {over_rows}"
        );
    }
    let [over_seeds, _] = itself.differ((3, Numbers::Different), Influence::xauc);
    assert!((5..=65).contains(&over_seeds), "XAUC: {over_seeds}");
}

/// Where rows and seeds matter alike, three differences by seed let the crossed test err in up to 8 % (Hillis' degrees of
/// freedom are an approximation), five in 5 %.
#[test]
fn configurations_that_are_equally_good_differ_in_one_of_twenty_comparisons() {
    for (seed, run) in [(0.3, 0.3), (0.1, 0.3), (0.0, 0.1)] {
        let equal = Effects { seed, configuration: 0.5, run, gain: 0.0 };
        for (seeds, most) in
            [((3, Numbers::Different), 70), ((3, Numbers::Same(0.0)), 90), ((5, Numbers::Same(0.5)), 70)]
        {
            let [differ, _] = equal.differ(seeds, DeLong::new);
            assert!((5..=most).contains(&differ), "{seed}, {run}, {seeds:?}: {differ}");
        }
    }
}

#[test]
fn a_gain_of_several_deviations_between_seeds_is_found() {
    let better = Effects { seed: 0.1, configuration: 0.1, run: 0.1, gain: 0.6 };
    for seeds in [(3, Numbers::Different), (5, Numbers::Different), (5, Numbers::Same(0.0))] {
        let [differ, _] = better.differ(seeds, DeLong::new);
        assert!(differ >= 900, "{seeds:?}: {differ}");
    }
    // Far below the deviation between seeds, where these err alike.
    let better = Effects { seed: 0.5, configuration: 0.05, run: 0.05, gain: 0.3 };
    let [crossed, nested] =
        [Numbers::Same(0.99), Numbers::Different].map(|numbers| better.differ((5, numbers), DeLong::new)[0]);
    assert!(crossed >= 900 && nested < 300, "{crossed}, {nested}");
}
