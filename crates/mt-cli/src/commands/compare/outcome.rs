//! What a test says of a task.

use mt_metrics::PairedTest;
use serde::Serialize;

/// Below this p-value a task wins or loses. Each task of each model is tested by itself, so of twenty that truly stay
/// one is expected to seem to move.
const SIGNIFICANT: f64 = 0.05;

/// What a p-value or an interval takes as drawn by chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// Of one seed: it is about trained models, and another seed may turn it round.
    #[default]
    Rows,
    /// It is about configurations.
    RowsAndSeeds,
}

impl Over {
    /// With so many seeds each.
    pub fn seeds(count: usize) -> Self {
        if count > 1 { Self::RowsAndSeeds } else { Self::Rows }
    }
}

/// What a configuration does to a task, compared with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Wins,
    Loses,
    Stays,
}

impl Outcome {
    /// `None` of a single seed.
    pub fn of(test: &PairedTest) -> Option<Self> {
        test.degrees_of_freedom?;
        Some(match test.difference {
            _ if test.p_value >= SIGNIFICANT => Self::Stays,
            gain if gain > 0.0 => Self::Wins,
            _ => Self::Loses,
        })
    }

    /// Its name, and class in the style sheet.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wins => "wins",
            Self::Loses => "loses",
            Self::Stays => "stays",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_moves_only_where_its_p_value_is_small_and_of_several_seeds() {
        let outcome = |difference, p_value, degrees_of_freedom| {
            let (standard_error, statistic) = (1.0, 1.0);
            Outcome::of(&PairedTest { difference, standard_error, statistic, degrees_of_freedom, p_value })
        };
        assert_eq!(outcome(0.1, 0.049, Some(2.0)), Some(Outcome::Wins));
        assert_eq!(outcome(-0.1, 0.049, Some(2.0)), Some(Outcome::Loses));
        assert_eq!(outcome(-0.1, 0.05, Some(2.0)), Some(Outcome::Stays));
        assert_eq!(outcome(-0.1, 0.0001, None), None);
    }
}
