//! An expression over numbers that have names, such as a final score over the predictions of tasks.

use super::rows::Rows;
use super::tree::{Expression, Mention, Problem};
use crate::epoch::Unit;
use crate::error::Nearest;
use crate::missing::Missing;
use crate::value::Value;

/// A formula such as `like ^ 0.3 * completion`, bound to the names it may use.
///
/// ```
/// let score = mt_features::Formula::parse("like ^ 0.5 * seconds", &["like".into(), "seconds".into()])?;
/// assert_eq!(score.eval(&[0.25, 10.0]), Some(5.0));
/// assert_eq!(score.eval(&[-1.0, 10.0]), None); // no real number
/// # Ok::<(), mt_features::FormulaError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    expression: Expression,
    /// Where the value of each column of the expression is.
    places: Vec<usize>,
}

/// Longer ones are refused, as a service reads them from strangers and the tree is walked by recursion.
const LONGEST: usize = 1000;

/// What is wrong with the text of a formula.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("formula {text:?}, character {at}: {problem}")]
#[non_exhaustive]
pub struct FormulaError {
    /// The formula.
    pub text: String,
    /// Character in it, from 1.
    pub at: usize,
    /// What is wrong there.
    pub problem: String,
}

impl Formula {
    /// Reads a formula: `+ - * / ^`, parentheses, comparisons, `&& || !`, `min`, `max`, `log1p`, `clamp`. A name that is
    /// no word stands in backquotes. At most 1,000 bytes.
    ///
    /// # Errors
    /// For a text that is no formula, a name that is not among `names`, and a comparison with a text.
    pub fn parse(text: &str, names: &[String]) -> Result<Self, FormulaError> {
        let fail = |at: usize, problem: String| FormulaError { text: text.to_owned(), at, problem };
        if text.len() > LONGEST {
            let problem = format!("expected at most {LONGEST} bytes, found {}", text.len());
            return Err(FormulaError {
                text: text.chars().take(20).chain("…".chars()).collect(),
                at: 1,
                problem,
            });
        }
        let parsed = Expression::parse(text).map_err(|Problem { at, problem }| fail(at, problem))?;
        let place = |mention: &Mention| {
            let unknown = || {
                let nearest = Nearest::of(&mention.name, names);
                fail(mention.at, format!("there is no {:?}{nearest}", mention.name))
            };
            names.iter().position(|name| *name == mention.name).ok_or_else(unknown)
        };
        let places = parsed.columns().iter().map(place).collect::<Result<_, _>>()?;
        if parsed.root.needs_texts() {
            return Err(fail(1, "predictions are numbers: no texts, times and lists".to_owned()));
        }
        Ok(Self { expression: parsed, places })
    }

    /// The value where the names have these values; `None` where it is no finite number.
    ///
    /// # Panics
    /// If there are fewer values than names.
    pub fn eval(&self, values: &[f32]) -> Option<f64> {
        self.of(&Predictions { values, width: 0, rows: 1, places: &self.places }).pop().flatten()
    }

    /// The value of each row of `values`, of which `width` are one row's.
    ///
    /// # Panics
    /// If `width` is less than the names.
    pub fn eval_rows(&self, values: &[f32], width: usize) -> Vec<Option<f64>> {
        let rows = values.len() / width.max(1);
        self.of(&Predictions { values, width, rows, places: &self.places })
    }

    fn of(&self, rows: &Predictions<'_>) -> Vec<Option<f64>> {
        let numbers = self.expression.numbers(rows);
        // Only a text can be no number.
        (0..rows.len()).map(|row| numbers.at(row).ok().flatten()).collect()
    }
}

/// Rows of numbers, all in one list.
struct Predictions<'p> {
    values: &'p [f32],
    width: usize,
    rows: usize,
    places: &'p [usize],
}

static NOTHING: Missing = Missing::none();

impl<'a> Rows<'a> for Predictions<'_> {
    fn len(&self) -> usize {
        self.rows
    }

    fn value(&self, column: usize, row: usize) -> Value<'a> {
        Value::Number(self.values[row * self.width + self.places[column]].into())
    }

    fn list<'l>(&self, _: usize, _: usize, _: &'l mut Vec<Value<'a>>) -> Value<'l>
    where
        'a: 'l,
    {
        Value::Missing
    }

    fn unit(&self, _: usize) -> Option<Unit> {
        None
    }

    fn missing(&self) -> &Missing {
        &NOTHING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_a_formula_are_named_with_their_place() {
        let names = ["like".to_owned(), "completion".to_owned()];
        let problem = |text: &str| Formula::parse(text, &names).unwrap_err().to_string();
        let expected = "formula \"2 * lke\", character 5: there is no \"lke\"; did you mean \"like\"?";
        assert_eq!(problem("2 * lke"), expected);
        assert!(problem(&"1+".repeat(5000)).ends_with("expected at most 1000 bytes, found 10000"));
        assert!(problem("like ^").ends_with("character 7: expected a value, found the end"));
        assert!(problem("1 + (like == 'x')").ends_with("predictions are numbers: no texts, times and lists"));
    }
}
