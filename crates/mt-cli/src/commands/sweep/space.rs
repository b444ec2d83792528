//! What a sweep varies: keys of the configuration, each with the values it may have.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Decimals of a drawn number behind its first digit: more would say more than a trial can tell.
const DIGITS: usize = 3;

/// A key with the values it may have; as text `key=[a, b]`, `key=uniform(0, 0.5)`, `key=log(1e-4, 1e-1)`, `key=int(1, 8)`
/// or `key=log-int(8, 512)`, bounds included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Dimension {
    pub key: String,
    pub domain: Domain,
    text: String,
}

/// The values of a key. A *place* is a value on the unit interval: what is drawn, and what densities are about.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// As they were typed.
    Choice(Vec<String>),
    Range {
        low: f64,
        high: f64,
        log: bool,
        integer: bool,
    },
}

impl From<Dimension> for String {
    fn from(dimension: Dimension) -> Self {
        dimension.text
    }
}

impl TryFrom<String> for Dimension {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected KEY=[A, B, ...], or KEY= uniform, log, int or log-int with (LOW, HIGH)";
        let (key, values) = text.split_once('=').ok_or(expected)?;
        let (key, values) = (key.trim().to_owned(), values.trim());
        // The data is read once for all trials, and all are judged alike.
        if !(key.starts_with("model.") || key.starts_with("train.")) || key.starts_with("train.select") {
            return Err(format!("{key}: expected a key of model or train, without train.select"));
        }
        let domain = match values.strip_prefix('[').and_then(|values| values.strip_suffix(']')) {
            Some(list) => Domain::Choice(choices(list)?),
            None => range(values, expected)?,
        };
        Ok(Self { key, domain, text: text.to_owned() })
    }
}

/// The entries of a list, which may be lists and texts themselves.
fn choices(list: &str) -> Result<Vec<String>, String> {
    let (mut depth, mut quote, mut from, mut choices) = (0i32, None, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                choices.push(list[from..at].trim().to_owned());
                from = at + 1;
            }
            (None, _) => {}
        }
    }
    choices.push(list[from..].trim().to_owned());
    if depth != 0 || quote.is_some() || choices.iter().any(String::is_empty) {
        return Err(format!("[{list}]: expected values with commas between them"));
    }
    if let Some(i) = (1..choices.len()).find(|&i| choices[..i].contains(&choices[i])) {
        return Err(format!("[{list}]: {} is there twice", choices[i]));
    }
    Ok(choices)
}

fn range(text: &str, expected: &str) -> Result<Domain, String> {
    let parts = text.split_once('(').and_then(|(kind, rest)| Some((kind.trim(), rest.strip_suffix(')')?)));
    let (kind, bounds) = parts.ok_or(expected)?;
    let (low, high) = bounds.split_once(',').ok_or(expected)?;
    let number = |text: &str| {
        let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| format!("{}: expected a number", text.trim()))
    };
    let (low, high) = (number(low)?, number(high)?);
    let (log, integer) = match kind {
        "uniform" => (false, false),
        "log" => (true, false),
        "int" => (false, true),
        "log-int" => (true, true),
        _ => return Err(format!("{kind:?}: {expected}")),
    };
    let problem = match (low < high, log && low <= 0.0, integer && (low.fract(), high.fract()) != (0.0, 0.0))
    {
        (false, ..) => "expected LOW below HIGH",
        (_, true, _) => "expected LOW above 0",
        (.., true) => "expected whole numbers",
        _ => return Ok(Domain::Range { low, high, log, integer }),
    };
    Err(format!("{text}: {problem}"))
}

impl Dimension {
    /// As it is said to `--set`.
    pub fn set(&self, place: f64) -> String {
        format!("{}={}", self.key, self.domain.value(place))
    }

    /// The place of what [`Dimension::set`] wrote.
    pub fn place(&self, set: &str) -> Option<f64> {
        self.domain.place(set.strip_prefix(&self.key)?.strip_prefix('=')?)
    }
}

impl Domain {
    /// Number of values, if it is finite.
    pub fn size(&self) -> Option<usize> {
        match self {
            Self::Choice(choices) => Some(choices.len()),
            Self::Range { low, high, integer: true, .. } => Some((high - low) as usize + 1),
            Self::Range { .. } => None,
        }
    }

    /// All values of a list, both ends of a range.
    pub fn ends(&self) -> Vec<f64> {
        match self {
            Self::Choice(choices) => {
                (0..choices.len()).map(|i| (i as f64 + 0.5) / choices.len() as f64).collect()
            }
            Self::Range { .. } => vec![0.0, 1.0],
        }
    }

    /// The value at a place from 0 to 1, as YAML.
    pub fn value(&self, place: f64) -> String {
        match self {
            Self::Choice(choices) => {
                let at = (place * choices.len() as f64) as usize;
                choices[at.min(choices.len() - 1)].clone()
            }
            Self::Range { low, high, integer, .. } => {
                let (from, to) = self.scaled();
                let value = self.unscale(from + place * (to - from));
                if *integer {
                    return format!("{}", value.round().clamp(*low, *high));
                }
                let rounded = format!("{value:.DIGITS$e}").parse().unwrap_or(value);
                format!("{}", rounded.clamp(*low, *high))
            }
        }
    }

    /// The place of a value; of an integer or a choice the middle of its share.
    pub fn place(&self, value: &str) -> Option<f64> {
        match self {
            Self::Choice(choices) => {
                let at = choices.iter().position(|choice| choice == value)?;
                Some((at as f64 + 0.5) / choices.len() as f64)
            }
            Self::Range { log, .. } => {
                let (from, to) = self.scaled();
                let value: f64 = value.parse().ok()?;
                let scaled = if *log { value.ln() } else { value };
                Some(((scaled - from) / (to - from)).clamp(0.0, 1.0))
            }
        }
    }

    /// The ends of a range where places are even; whole numbers have half a step more on both sides.
    fn scaled(&self) -> (f64, f64) {
        let Self::Range { low, high, log, integer } = self else { return (0.0, 1.0) };
        let half = if *integer { 0.5 } else { 0.0 };
        let (low, high) = (low - half, high + half);
        if *log { (low.ln(), high.ln()) } else { (low, high) }
    }

    fn unscale(&self, scaled: f64) -> f64 {
        if matches!(self, Self::Range { log: true, .. }) { scaled.exp() } else { scaled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimension(text: &str) -> Dimension {
        text.parse().expect("good")
    }

    #[test]
    fn places_and_values_lead_to_each_other() {
        let rate = dimension("train.optimizer.lr=log(1e-4, 1e-2)");
        assert_eq!([0.0, 0.5, 1.0].map(|place| rate.domain.value(place)), ["0.0001", "0.001", "0.01"]);
        assert!((rate.place("train.optimizer.lr=0.001").expect("a place") - 0.5).abs() < 1e-12);
        let experts = dimension("model.experts=int(1,4)");
        assert_eq!([0.0, 0.3, 0.99].map(|place| experts.domain.value(place)), ["1", "2", "4"]);
        let gate = dimension("model.gate=[[], [32, 16],'a,b']");
        assert_eq!(
            [0.0, 0.5, 1.0].map(|place| gate.set(place)),
            ["model.gate=[]", "model.gate=[32, 16]", "model.gate='a,b'"]
        );
        assert_eq!(gate.place("model.gate=[32, 16]"), Some(0.5));
        for dimension in [&rate, &experts, &gate] {
            assert_eq!(dimension.text.parse(), Ok(dimension.clone()));
        }
    }

    #[test]
    fn what_is_no_space_is_refused_with_what_was_expected() {
        let refused = |text: &str| text.parse::<Dimension>().expect_err("must be refused");
        assert!(refused("train.epochs").starts_with("expected KEY="));
        assert_eq!(refused("train.dropout=uniform(0.5, 0)"), "uniform(0.5, 0): expected LOW below HIGH");
        assert_eq!(refused("train.dropout=log(0, 1)"), "log(0, 1): expected LOW above 0");
        assert_eq!(refused("model.experts=int(1, 2.5)"), "int(1, 2.5): expected whole numbers");
        assert_eq!(refused("model.experts=int(1, x)"), "x: expected a number");
        assert!(refused("model.experts=normal(1, 2)").starts_with("\"normal\": expected KEY="));
        assert_eq!(refused("model.experts=[1, 1]"), "[1, 1]: 1 is there twice");
        assert_eq!(refused("model.experts=[1,, 2]"), "[1,, 2]: expected values with commas between them");
        let other = "data.csv.train: expected a key of model or train, without train.select";
        assert_eq!(refused("data.csv.train=[a, b]"), other);
    }
}
