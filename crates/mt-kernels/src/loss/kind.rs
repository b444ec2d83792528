//! What a task predicts, and how a row of it is scored.

use std::ops::RangeInclusive;

/// The loss of a row, from the task's logits `z` and its label `y`, and what the logits then predict.
///
/// | kind | logits | label | loss of a row | prediction |
/// |---|---|---|---|---|
/// | [`CrossEntropy`](Self::CrossEntropy) | 1 or 2 | 0 to 1 | `-y·ln p - (1 - y)·ln(1 - p)` | `p`, see below |
/// | [`PaddlerecLog`](Self::PaddlerecLog) | 1 or 2 | 0 to 1 | the same with 1e-4 in the logarithms | `p`, see below |
/// | [`Focal`](Self::Focal) | 1 or 2 | 0 to 1 | `-y·(1 - p)^γ·ln p - (1 - y)·p^γ·ln(1 - p)` | `p`, but not calibrated |
/// | [`Product`](Self::Product) | n ≥ 2 | 0 to 1 | that of cross-entropy | `p = Π 1 / (1 + e^-z)` |
/// | [`Multiclass`](Self::Multiclass) | n ≥ 2 | class, 0 to n - 1 | `-ln softmax(z)[y]` | `softmax(z)` |
/// | [`Mse`](Self::Mse) | 1 | any | `(z - y)²` | `z`, the mean |
/// | [`Mae`](Self::Mae) | 1 | any | `abs(z - y)` | `z`, the median |
/// | [`Huber`](Self::Huber) | 1 | any | one or the other, by their distance | `z`, between the two |
/// | [`Quantile`](Self::Quantile) | 1 | any | `max(q·(y - z), (q - 1)·(y - z))` | `z`, the quantile `q` |
/// | [`LogMse`](Self::LogMse) | 1 | above -1 | `(z - ln(1 + y))²` | `e^z - 1` |
/// | [`WeightedLogistic`](Self::WeightedLogistic) | 1 | from 0 | `(1 + y)·ln(1 + e^z) - y·z` | `e^z`, the mean |
/// | [`Ordinal`](Self::Ordinal) | K | 0 to K | the mean over `k` of that of cross-entropy of `y > k` | `Σ_k 1 / (1 + e^-(z_k + b_k))` |
/// | [`Ziln`](Self::Ziln) | 3 | from 0 | that a label is above 0, and how large it is then | `p·e^(μ + σ²/2)`, the mean |
///
/// For a binary task with one logit `p = 1 / (1 + e^-z)`; with two, `p = softmax(z)[1]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Binary cross-entropy, exact from the logit `z`: `max(z, 0) - z·y + ln(1 + e^-|z|)`. Finite, with a useful
    /// gradient, for any logit. A label between 0 and 1 is the probability of a positive.
    #[default]
    CrossEntropy,
    /// PaddleRec's `-y·ln(p + 1e-4) - (1 - y)·ln(1 - p + 1e-4)`, whose gradient vanishes on confident mistakes. For
    /// parity runs only.
    PaddlerecLog,
    /// Cross-entropy that counts rows less the better they are predicted (T.-Y. Lin et al., "Focal Loss for Dense Object
    /// Detection", ICCV 2017, eq. 4), for tasks with few positives among many easy negatives. `p` ranks, but is no
    /// probability: its optimum is nearer to ½ than the share of positives is.
    Focal {
        /// How much less, from 0, which is cross-entropy; 2 in the paper.
        gamma: f32,
    },
    /// Binary cross-entropy of a product of probabilities, `p = Π_h 1 / (1 + e^-z_h)`, exact from the logits: `-ln p` is a sum,
    /// and `1 - p` one of positive terms where it is small. Finite, with a useful gradient, for any logits. For chains such as
    /// `p(click) · p(buy | click)` (X. Ma et al., "Entire Space Multi-Task Model", SIGIR 2018, eq. 3); one logit is
    /// [`CrossEntropy`](Self::CrossEntropy). Not written in a file: tasks with a `prediction` have it.
    #[serde(skip)]
    Product,
    /// Cross-entropy of `n` exclusive classes, exact from the logits: `ln Σ e^z - z[y]`, the largest exponent taken
    /// out. The label is the index of the class.
    Multiclass,
    /// Squared error, without a factor ½. Its optimum is the mean of the labels.
    Mse,
    /// Absolute error; its slope is 0 where the error is. Its optimum is the median of the labels.
    Mae,
    /// Squared error near the label, absolute error far from it (P. J. Huber, "Robust estimation of a location
    /// parameter", Ann. Math. Statist. 35(1), 1964): with `e = z - y`, `e²/2` up to `|e| = delta`, then
    /// `delta·(|e| - delta/2)`.
    Huber {
        /// Where the two meet, in the unit of the label; above 0.
        delta: f32,
    },
    /// The check function of a quantile (R. Koenker and G. Bassett, "Regression Quantiles", Econometrica 46(1), 1978): an error
    /// costs `level` a unit below the label, `1 - level` above it; its slope is 0 where the error is.
    Quantile {
        /// The share of labels that are below the prediction, between 0 and 1; ½ is half of [`Mae`](Self::Mae).
        level: f32,
    },
    /// Squared error of `ln(1 + y)`, for labels over several orders of magnitude, such as watch times and counts. The
    /// prediction `e^z - 1` is nearer to the median than to the mean, which the long tail of such labels pulls up.
    LogMse,
    /// Logistic regression on watch times `y ≥ 0`: each row is a negative of weight 1, and a positive of weight `y`.
    ///
    /// The slope `(1 + y)·p - y`, `p = 1 / (1 + e^-z)`, is 0 at `e^z = y`, and over rows at `e^z` = mean of `y`: the
    /// odds are the expected watch time. From P. Covington et al., "Deep neural networks for YouTube recommendations",
    /// RecSys 2016, section 4.2, where a row with watch time is a positive only: their odds are
    /// `Σ y / (rows - positives)`, which is more than the mean by a factor of about 1 + the share of positives.
    WeightedLogistic,
    /// The likelihood of labels that are often exactly 0 and else log-normal, such as what customers spend: cross-entropy of
    /// `y > 0`, and for those above 0 the log-normal `ln(y·σ·√2π) + (ln y - μ)² / 2σ²`. Of the logits `(z, m, s)` `p = 1 / (1 +
    /// e^-z)`, `μ = m`, `σ = ln(1 + e^s) +` [`LEAST_SIGMA`](super::LEAST_SIGMA). From X. Wang, T. Liu and J. Miao, "A Deep
    /// Probabilistic Model for Customer Lifetime Value Prediction", arXiv:1912.07753, 2019; σ is cut at
    /// 3e-4 in its code, where it has no slope. As any density's, the loss may be below 0.
    Ziln,
    /// Ordinal regression: of each of `K` thresholds whether a label is above it, by cross-entropy, and of these the mean. The label
    /// is the number of thresholds that it is above, so that the first logit is of `y > 0`. To each logit
    /// [`ordinal_base`](super::ordinal_base) is added first. From X. Sun et al., "CREAD", AAAI 2024,
    /// eq. 3, without its losses of the restored number and of the logits' order.
    Ordinal {
        /// Number of thresholds `K`, at least 1.
        thresholds: u32,
    },
}

impl LossKind {
    /// The value that the logits are compared with.
    #[inline]
    pub fn target(self, label: f32) -> f32 {
        if self == Self::LogMse { libm::log1p(label.into()) as f32 } else { label }
    }

    /// How many logits a task scored this way has, and that in words.
    pub fn logits(self) -> (RangeInclusive<usize>, &'static str) {
        match self {
            Self::CrossEntropy | Self::PaddlerecLog | Self::Focal { .. } => (1..=2, "1 or 2 logits"),
            Self::Product => (2..=usize::MAX, "a logit for each of 2 heads or more"),
            Self::Multiclass => (2..=usize::MAX, "a logit for each of 2 classes or more"),
            Self::Ziln => (3..=3, "3 logits"),
            Self::Ordinal { thresholds } => {
                (thresholds as usize..=thresholds as usize, "a logit for each of its thresholds")
            }
            Self::Mse
            | Self::Mae
            | Self::Huber { .. }
            | Self::Quantile { .. }
            | Self::LogMse
            | Self::WeightedLogistic => (1..=1, "1 logit"),
        }
    }

    /// Whether a task with so many logits can have it.
    pub fn takes(self, logits: usize) -> bool {
        self.logits().0.contains(&logits)
    }

    /// Whether it is one of binary tasks: of a probability.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::CrossEntropy | Self::PaddlerecLog | Self::Focal { .. } | Self::Product)
    }

    /// Its number and what that has to be, if it is something else.
    pub fn problem(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
                Some(("delta", "a number above 0"))
            }
            Self::Quantile { level } if !(level > 0.0 && level < 1.0) => {
                Some(("level", "a number between 0 and 1"))
            }
            Self::Ordinal { thresholds: 0 } => Some(("thresholds", "at least 1")),
            Self::Focal { gamma } if !(gamma >= 0.0 && gamma.is_finite()) => {
                Some(("gamma", "a number from 0"))
            }
            _ => None,
        }
    }

    /// The first of the labels of a task with so many `logits`, given with their masks, that is present and can't be, and
    /// what it should be.
    pub fn first_refused(
        self,
        logits: usize,
        mut labels: impl Iterator<Item = (f32, f32)>,
    ) -> (Option<usize>, &'static str) {
        // One loop a kind: a choice for every label takes longer than the loss itself.
        macro_rules! first_not {
            ($allowed:expr) => {
                labels.position(|(label, mask)| mask > 0.0 && !$allowed(label))
            };
        }
        match self {
            Self::CrossEntropy | Self::PaddlerecLog | Self::Focal { .. } | Self::Product => {
                (first_not!(|y: f32| (0.0..=1.0).contains(&y)), "between 0 and 1")
            }
            Self::Multiclass => {
                let classes = logits as f32;
                (
                    first_not!(|y: f32| y >= 0.0 && y < classes && y.fract() == 0.0),
                    "the index of a class, from 0 to one less than its logits",
                )
            }
            Self::Mse | Self::Mae | Self::Huber { .. } | Self::Quantile { .. } | Self::Ordinal { .. } => {
                (first_not!(f32::is_finite), "a finite number")
            }
            Self::LogMse => (first_not!(|y: f32| y > -1.0 && y.is_finite()), "a finite number above -1"),
            Self::WeightedLogistic | Self::Ziln => {
                (first_not!(|y: f32| (0.0..=f32::MAX).contains(&y)), "a finite number from 0")
            }
        }
    }
}
