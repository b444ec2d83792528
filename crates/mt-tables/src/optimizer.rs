//! How the rows of a table are updated.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::records::Records;
use crate::rules::{Adam, Ftrl, RowAdagrad, Sgd, Update, adam, ftrl, row_adagrad, sgd};

/// The update rule of a table's rows. Only rows with a gradient change, and only their state.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RowOptimizer {
    /// Adagrad (Duchi et al. 2011) with one accumulator a row, the sum of the mean squared gradients, as FBGEMM's
    /// exact row-wise Adagrad, TorchRec's default: `s += mean(g²)`, `w -= rate · g / (√s + ε)`.
    RowAdagrad {
        /// `ε`. Default 1e-8.
        epsilon: f64,
    },
    /// Adam (Kingma & Ba 2015) whose moments decay only when a row has a gradient, with the bias correction of the
    /// table's number of updates: `torch.optim.SparseAdam`. `ε` is added before the correction, as there.
    Adam {
        /// Decay of the gradient's mean. Default 0.9.
        beta1: f64,
        /// Decay of the squared gradient's mean. Default 0.999.
        beta2: f64,
        /// Added to the denominator. Default 1e-8.
        epsilon: f64,
    },
    /// Plain gradient descent: `w -= rate · g`.
    Sgd {},
    /// FTRL-proximal (McMahan et al. 2013, algorithm 1), with the rate as `α`. A row's sums start where they give its
    /// start value, so that the first gradient does not wipe it out. The rate must stay the same: the sums are in
    /// units of it. At rate 0 nothing is updated.
    Ftrl {
        /// `β`, which holds back the first steps. Default 1.
        beta: f64,
        /// `λ₁`, which makes values exactly zero. Default 0.
        l1: f64,
        /// `λ₂`, which pulls values to zero. Default 0.
        l2: f64,
    },
}

impl Default for RowOptimizer {
    fn default() -> Self {
        Self::RowAdagrad { epsilon: 1e-8 }
    }
}

/// The rules' names, as written.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    RowAdagrad,
    Adam,
    Sgd,
    Ftrl,
}

impl Kind {
    /// The keys beside which no other may stand.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::RowAdagrad => &["kind", "epsilon"],
            Self::Adam => &["kind", "beta1", "beta2", "epsilon"],
            Self::Sgd => &["kind"],
            Self::Ftrl => &["kind", "beta", "l1", "l2"],
        }
    }
}

impl<'de> Deserialize<'de> for RowOptimizer {
    // By hand: serde reads all of a tagged enum before it looks at it, and an error has lost its place by then.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Section;
        impl<'de> Visitor<'de> for Section {
            type Value = RowOptimizer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping with the optimizer's `kind`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RowOptimizer, A::Error> {
                let (mut kind, mut numbers) = (None::<Kind>, BTreeMap::<String, f64>::new());
                while let Some(key) = map.next_key::<String>()? {
                    if key == "kind" {
                        kind = Some(map.next_value()?);
                    } else {
                        let number = map.next_value()?;
                        numbers.insert(key, number);
                    }
                }
                let kind = kind.ok_or_else(|| A::Error::missing_field("kind"))?;
                if let Some(key) = numbers.keys().find(|key| !kind.keys().contains(&key.as_str())) {
                    return Err(A::Error::unknown_field(key, kind.keys()));
                }
                let number = |key: &str, default| numbers.get(key).copied().unwrap_or(default);
                let epsilon = number("epsilon", 1e-8);
                Ok(match kind {
                    Kind::RowAdagrad => RowOptimizer::RowAdagrad { epsilon },
                    Kind::Adam => {
                        let (beta1, beta2) = (number("beta1", 0.9), number("beta2", 0.999));
                        RowOptimizer::Adam { beta1, beta2, epsilon }
                    }
                    Kind::Sgd => RowOptimizer::Sgd {},
                    Kind::Ftrl => {
                        let (l1, l2) = (number("l1", 0.0), number("l2", 0.0));
                        RowOptimizer::Ftrl { beta: number("beta", 1.0), l1, l2 }
                    }
                })
            }
        }
        deserializer.deserialize_map(Section)
    }
}

impl RowOptimizer {
    /// Names of what is kept for each value of a row.
    pub(crate) fn per_value(self) -> &'static [&'static str] {
        match self {
            Self::Adam { .. } => &["mean", "square"],
            Self::Ftrl { .. } => &["z", "n"],
            Self::RowAdagrad { .. } | Self::Sgd {} => &[],
        }
    }

    /// Names of what is kept for a row as a whole.
    pub(crate) fn per_row(self) -> &'static [&'static str] {
        if matches!(self, Self::RowAdagrad { .. }) { &["sum"] } else { &[] }
    }

    /// Checks the values of all keys.
    ///
    /// # Errors
    /// The first key whose value cannot be, and why.
    pub fn check(self) -> Result<(), (&'static str, String)> {
        let positive = |key, x: f64| match x.is_finite() && x > 0.0 {
            true => Ok(()),
            false => Err((key, format!("expected a number above 0, found {x}"))),
        };
        let from_zero = |key, x: f64| match x.is_finite() && x >= 0.0 {
            true => Ok(()),
            false => Err((key, format!("expected a number from 0, found {x}"))),
        };
        let share = |key, x: f64| match (0.0..1.0).contains(&x) {
            true => Ok(()),
            false => Err((key, format!("expected a number from 0 to below 1, found {x}"))),
        };
        match self {
            Self::RowAdagrad { epsilon } => positive("epsilon", epsilon),
            Self::Adam { beta1, beta2, epsilon } => {
                share("beta1", beta1).and(share("beta2", beta2)).and(positive("epsilon", epsilon))
            }
            Self::Sgd {} => Ok(()),
            Self::Ftrl { beta, l1, l2 } => {
                // Without β the start value would have no weight at all against the first gradient.
                positive("beta", beta).and(from_zero("l1", l1)).and(from_zero("l2", l2))
            }
        }
    }

    /// Updates rows.
    pub(crate) fn update(self, rate: f64, records: Records, update: Update) {
        match self {
            Self::RowAdagrad { epsilon } => {
                row_adagrad(RowAdagrad { rate: rate as f32, epsilon: epsilon as f32 }, records, update);
            }
            Self::Adam { beta1, beta2, epsilon } => {
                let t = i32::try_from(update.step).unwrap_or(i32::MAX);
                let step = rate * (1.0 - beta2.powi(t)).sqrt() / (1.0 - beta1.powi(t));
                let rule = Adam {
                    step: step as f32,
                    beta1: beta1 as f32,
                    beta2: beta2 as f32,
                    gain1: (1.0 - beta1) as f32,
                    gain2: (1.0 - beta2) as f32,
                    least: (f64::from(f32::MIN_POSITIVE) / (1.0 - beta2)).sqrt() as f32,
                    epsilon: epsilon as f32,
                };
                adam(rule, records, update);
            }
            Self::Sgd {} => sgd(Sgd { rate: rate as f32 }, records, update),
            Self::Ftrl { .. } if rate <= 0.0 => {}
            Self::Ftrl { beta, l1, l2 } => {
                let inverse = 1.0 / rate;
                let rule =
                    Ftrl { inverse: inverse as f32, base: (beta * inverse + l2) as f32, l1: l1 as f32 };
                ftrl(rule, records, update);
            }
        }
    }
}
