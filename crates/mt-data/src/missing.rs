//! What says that a value is missing.

use crate::value::Value;

/// Texts that, like none at all, say that a value is missing, and the numbers that have such a text.
#[derive(Debug)]
pub(crate) struct Missing {
    texts: Vec<Vec<u8>>,
    whole: Vec<i128>,
    numbers: Vec<f64>,
    singles: Vec<f32>,
}

impl Missing {
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

    /// Whether `value` is missing.
    #[inline]
    pub fn holds(&self, value: Value<'_>) -> bool {
        match value {
            Value::Missing => true,
            Value::List(_) => false,
            Value::Text(text) => self.contains(text),
            Value::Number(x) => x.is_nan() || self.numbers.contains(&x),
            Value::Single(x) => x.is_nan() || self.singles.contains(&x),
            Value::Unsigned(x) => self.whole.contains(&x.into()),
            Value::Integer(x) => self.whole.contains(&x.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_missing_where_its_text_would_be() {
        let missing = Missing::new(&["-124", "0.1", "7.0", "x", "inf"].map(str::to_owned));
        let held = [
            Value::Missing,
            Value::Text(b""),
            Value::Text(b"x"),
            Value::Integer(-124),
            Value::Number(-124.0),
            Value::Number(0.1),
            Value::Single(0.1),
            Value::Number(f64::NAN),
            Value::Number(f64::INFINITY),
        ];
        assert!(held.into_iter().all(|value| missing.holds(value)));
        // The text of 7 is "7", and that of 0.1 in single precision is another one in double precision.
        let others =
            [Value::Integer(7), Value::Number(7.0), Value::Number(0.1_f32.into()), Value::Text(b"y")];
        assert!(!others.into_iter().any(|value| missing.holds(value)));
    }
}
