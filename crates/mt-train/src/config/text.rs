//! The only place that knows the library that reads configurations: `serde_yaml`, or, without the feature `yaml`,
//! `serde_json` for the JSON in it.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed};

use self::format::{Map, Value};
use super::depth::too_deep;
use crate::error::{Error, Result};

#[cfg(feature = "yaml")]
mod format {
    pub use serde_yaml::{Error, Mapping as Map, Value, from_str, from_value};

    pub fn write<T: serde::Serialize>(value: &T) -> Result<String, Error> {
        serde_yaml::to_string(value)
    }

    /// The value of a key, made if it is not there; `None` if `value` is no map.
    pub fn entry<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
        Some(value.as_mapping_mut()?.entry(key.into()).or_insert(Value::Null))
    }

    pub fn list(value: &mut Value) -> Option<&mut Vec<Value>> {
        value.as_sequence_mut()
    }

    pub fn position(error: &Error) -> Option<(usize, usize)> {
        error.location().map(|at| (at.line(), at.column()))
    }

    pub fn walk<'de, S: serde::de::DeserializeSeed<'de>>(text: &'de str, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(serde_yaml::Deserializer::from_str(text))
    }
}

#[cfg(not(feature = "yaml"))]
mod format {
    pub use serde_json::{Error, Value, from_str, from_value};

    /// No keys.
    pub type Map = serde_json::Map<String, Value>;

    pub fn write<T: serde::Serialize>(value: &T) -> Result<String, Error> {
        serde_json::to_string_pretty(value)
    }

    pub fn entry<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
        Some(value.as_object_mut()?.entry(key).or_insert(Value::Null))
    }

    pub fn list(value: &mut Value) -> Option<&mut Vec<Value>> {
        value.as_array_mut()
    }

    pub fn position(error: &Error) -> Option<(usize, usize)> {
        (error.line() > 0).then(|| (error.line(), error.column()))
    }

    pub fn walk<'de, S: serde::de::DeserializeSeed<'de>>(text: &'de str, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(&mut serde_json::Deserializer::from_str(text))
    }
}

/// Walks through `text` as `seed` says; the error that ends the walk, with its line and column.
pub(super) fn walk<'de>(text: &'de str, seed: impl DeserializeSeed<'de>) -> Option<(String, usize, usize)> {
    let error = format::walk(text, seed).err()?;
    let (line, column) = format::position(&error)?;
    Some((error.to_string(), line, column))
}

/// What is wrong with brackets in brackets in brackets.
const DEEP: &str = "nested deeper than any configuration";
/// More than any key has.
const STEPS: usize = 64;

/// Reads `text`, then applies `key.path=value` overrides one by one, each type-checked like the file.
pub(super) fn parse<T: DeserializeOwned>(text: &str, origin: &str, overrides: &[String]) -> Result<T> {
    if let Some((line, column)) = too_deep(text) {
        return Err(Error::Config { at: format!("{origin}:{line}:{column}"), problem: DEEP.to_owned() });
    }
    let parsed = format::from_str(text).map_err(|error| {
        let at = match format::position(&error) {
            Some((line, column)) => format!("{origin}:{line}:{column}"),
            None => origin.to_owned(),
        };
        Error::Config { at, problem: explain(&error) }
    })?;
    if overrides.is_empty() {
        return Ok(parsed);
    }
    let mut value: Value = format::from_str(text).unwrap_or(Value::Null);
    let mut parsed = Some(parsed);
    for text in overrides {
        let fail = |problem| Error::Config { at: format!("--set {text}"), problem };
        let (path, new) = text.split_once('=').ok_or_else(|| fail("expected key=value".into()))?;
        if too_deep(new).is_some() || path.split(['.', '[']).count() > STEPS {
            return Err(Error::Config { at: "--set".to_owned(), problem: DEEP.to_owned() });
        }
        let new = format::from_str(new).map_err(|error| fail(explain(&error)))?;
        assign(&mut value, path, new).map_err(fail)?;
        parsed = Some(format::from_value(value.clone()).map_err(|error| fail(explain(&error)))?);
    }
    parsed.ok_or_else(|| Error::Config { at: origin.to_owned(), problem: "nothing to read".into() })
}

/// Writes a value as it is read.
pub(super) fn write<T: serde::Serialize>(value: &T) -> Result<String> {
    format::write(value)
        .map_err(|error| Error::Config { at: "configuration".into(), problem: error.to_string() })
}

/// Puts `new` at a path like `data.csv.train` or `tasks[0].kind`.
fn assign(value: &mut Value, path: &str, new: Value) -> std::result::Result<(), String> {
    let mut place = value;
    for step in path.split('.') {
        let (key, indices) = step.split_once('[').map_or((step, ""), |(key, rest)| (key, rest));
        if key.is_empty() {
            return Err(format!("{path:?} is no key path"));
        }
        if place.is_null() {
            *place = Value::from(Map::new());
        }
        place =
            format::entry(place, key).ok_or_else(|| format!("{path:?}: {key:?} is not inside a mapping"))?;
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            let index: usize = index
                .strip_suffix(']')
                .and_then(|index| index.parse().ok())
                .ok_or_else(|| format!("{path:?}: expected an index such as [0]"))?;
            let Some(list) = format::list(place) else {
                return Err(format!("{path:?}: {key:?} is not a list"));
            };
            let len = list.len();
            place = list.get_mut(index).ok_or_else(|| format!("{path:?}: {key:?} has {len} entries"))?;
        }
    }
    *place = new;
    Ok(())
}

/// What is said of a key that another has taken the place of.
const MOVED: &str = "; a step of N batches is now one of train.shards: N, with N times the train.batch_size";

/// serde's message in our words: without the position, which stands in front, and with the nearest valid name.
fn explain(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    for (found, said) in [("unknown field `", "unknown key"), ("unknown variant `", "unknown value")] {
        let Some((path, rest)) = text.split_once(found) else { continue };
        let mut quoted = rest.split('`').step_by(2);
        let wrong = quoted.next().unwrap_or_default();
        let valid: Vec<&str> = quoted.filter(|name| !name.is_empty()).collect();
        let distance = |name: &&&str| strsim::damerau_levenshtein(wrong, name);
        let nearest = valid.iter().min_by_key(distance).filter(|name| distance(name) <= 1 + wrong.len() / 3);
        let hint = match nearest {
            _ if wrong == "accumulate" && valid.contains(&"shards") => MOVED.to_owned(),
            nearest => nearest.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default(),
        };
        return format!("{path}{said} {wrong:?}{hint} (expected one of: {})", valid.join(", "));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: Inner,
        list: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        size: usize,
        #[serde(default)]
        units: Vec<usize>,
    }

    const TEXT: &str = "inner: {size: 3}\nlist:\n- size: 1\n";

    fn with(overrides: &[&str]) -> std::result::Result<Outer, String> {
        let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
        parse(TEXT, "x.yaml", &overrides).map_err(|error| error.to_string())
    }

    #[test]
    fn overrides_reach_maps_and_lists_and_keep_their_types() {
        let outer = with(&["inner.units=[4, 5]", "list[0].size=7"]).expect("valid");
        assert_eq!(outer.inner.units, [4, 5]);
        assert_eq!(outer.list[0].size, 7);
    }

    #[test]
    fn a_bad_override_is_named_with_what_was_expected() {
        let cases = [
            ("inner.size", "--set inner.size: expected key=value"),
            ("inner.size=big", "--set inner.size=big: invalid type: string \"big\", expected usize"),
            (
                "inner.sise=1",
                "--set inner.sise=1: unknown key \"sise\"; did you mean \"size\"? (expected one of: size, units)",
            ),
            ("list[4].size=1", "--set list[4].size=1: \"list[4].size\": \"list\" has 1 entries"),
            ("inner.units=[1, x]", "--set inner.units=[1, x]: invalid type: string \"x\", expected usize"),
        ];
        for (text, expected) in cases {
            assert_eq!(with(&[text]).expect_err("must be refused"), expected);
        }
    }

    #[test]
    fn errors_in_the_file_carry_line_and_column() {
        let parse = |text| parse::<Outer>(text, "x.yaml", &[]).expect_err("must be refused").to_string();
        assert_eq!(
            parse("inner: {size: 3}\nlist:\n- sze: 1\n"),
            "x.yaml:3:3: list[0]: unknown key \"sze\"; did you mean \"size\"? (expected one of: size, units)"
        );
        assert!(
            parse("inner: {size: eight}\nlist: []\n").starts_with("x.yaml:1:15: inner.size: invalid type")
        );
    }
}
