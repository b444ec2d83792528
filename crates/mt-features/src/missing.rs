//! What says that a value is missing, and what a missing number is.

use serde::{Deserialize, Serialize};

/// What an empty cell of a numeric column is, and so each of the texts in `data.csv.missing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NumericMissing {
    /// An error. The default.
    #[default]
    Fail,
    /// The number 0, before normalisation.
    Zero,
    /// The column's mean over the training rows that have a value: after `standard`, 0.
    Mean,
}

/// Which values are missing, and what a missing number is; stored with the model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingPolicy {
    /// What a missing number is. Default: an error.
    #[serde(default)]
    pub numeric: NumericMissing,
    /// Texts that, like an empty one, say that a value is missing. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
}

impl MissingPolicy {
    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl NumericMissing {
    /// The number in its place, NaN for the mean; `None` where it is an error.
    pub fn number(self) -> Option<f32> {
        match self {
            Self::Fail => None,
            Self::Zero => Some(0.0),
            Self::Mean => Some(f32::NAN),
        }
    }
}

/// Texts that, like none at all, say that a value is missing, and the numbers that have such a text.
#[derive(Debug)]
pub struct Missing {
    texts: Vec<Vec<u8>>,
    whole: Vec<i128>,
    numbers: Vec<f64>,
    singles: Vec<f32>,
}

impl Missing {
    /// Of these texts.
    pub fn new(texts: &[String]) -> Self {
        // Those that a number would be written as.
        fn of<T: std::str::FromStr + ToString>(texts: &[String]) -> Vec<T> {
            let number = |text: &String| text.parse().ok().filter(|x: &T| x.to_string() == *text);
            texts.iter().filter_map(number).collect()
        }
        let listed = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        Missing { texts: listed, whole: of(texts), numbers: of(texts), singles: of(texts) }
    }

    /// No texts.
    pub const fn none() -> Self {
        Missing { texts: Vec::new(), whole: Vec::new(), numbers: Vec::new(), singles: Vec::new() }
    }

    /// Whether no texts are listed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether `text` says that a value is missing.
    #[inline]
    pub fn contains(&self, text: &[u8]) -> bool {
        // Most texts differ from a listed one in their first byte, which spares a call to compare them.
        let same = |listed: &Vec<u8>| listed.first() == text.first() && listed == text;
        text.is_empty() || self.texts.iter().any(same)
    }

    /// Whether a number is listed.
    #[inline]
    pub(crate) fn contains_number(&self, x: f64) -> bool {
        self.numbers.contains(&x)
    }

    /// Whether a number in single precision is listed.
    #[inline]
    pub(crate) fn contains_single(&self, x: f32) -> bool {
        self.singles.contains(&x)
    }

    /// Whether a whole number is listed.
    #[inline]
    pub(crate) fn contains_whole(&self, x: i128) -> bool {
        self.whole.contains(&x)
    }
}
