//! The keys of a model section that are an architecture's own, as it reads and checks them.

use std::collections::BTreeMap;

use mt_features::error::Nearest;
use mt_layers::{Initializer, Norm};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// More units in a layer than this is a typing mistake, and would exhaust memory before anything is said.
const MAX_UNITS: usize = 65_536;

/// Likewise for experts and levels: published models have tens of the first and two or three of the second.
const MAX_COUNT: usize = 1024;

/// The keys of a model section, or of an entry of a list in it.
///
/// What an architecture asks for is its own; of other keys the section may have none.
#[derive(Debug)]
pub struct Section<'a> {
    kind: &'a str,
    init: Initializer,
    norm: Norm,
    keys: &'a BTreeMap<String, Value>,
    /// What stands before a key in messages: `model.`, `model.levels[1].`.
    at: String,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The keys of what is of this kind; `at` stands before them in messages.
    pub(crate) fn new(
        at: String,
        kind: &'a str,
        keys: &'a BTreeMap<String, Value>,
        init: Initializer,
        norm: Norm,
    ) -> Self {
        Section { kind, init, norm, keys, at, asked: Vec::new() }
    }

    /// What its key `kind` says.
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// Start values of all layers.
    pub fn init(&self) -> Initializer {
        self.init
    }

    /// Normalisation of hidden layers.
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// What is wrong with a key.
    pub fn error(&self, key: &str, problem: impl Into<String>) -> Error {
        Error::Config { key: format!("{}{key}", self.at), problem: problem.into() }
    }

    /// The value of a key, if there is one.
    ///
    /// # Errors
    /// [`Error::Config`] for a value of another type.
    pub fn get<T: DeserializeOwned>(&mut self, key: &'static str) -> Result<Option<T>> {
        self.asked.push(key);
        match self.keys.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                T::deserialize(value).map(Some).map_err(|found| self.error(key, found.to_string()))
            }
        }
    }

    /// A number of things, from `least`.
    ///
    /// # Errors
    /// As [`get`](Self::get), and for a number outside of its range.
    pub fn count(&mut self, key: &'static str, least: usize, default: usize) -> Result<usize> {
        let count = self.get(key)?.unwrap_or(default);
        match (least..=MAX_COUNT).contains(&count) {
            true => Ok(count),
            false => Err(self.error(key, format!("expected {least} to {MAX_COUNT}, found {count}"))),
        }
    }

    /// A number above 0.
    ///
    /// # Errors
    /// As [`get`](Self::get), and for any other number.
    pub fn above_zero(&mut self, key: &'static str, default: f64) -> Result<f64> {
        let number = self.get(key)?.unwrap_or(default);
        match number.is_finite() && number > 0.0 {
            true => Ok(number),
            false => Err(self.error(key, format!("expected a number above 0, found {number}"))),
        }
    }

    /// Names, at least one and each once; `expected` says what they are.
    ///
    /// # Errors
    /// As [`get`](Self::get), and for none, or one that comes twice.
    pub fn names(&mut self, key: &'static str, expected: &str) -> Result<Vec<String>> {
        let names: Vec<String> = self.get(key)?.unwrap_or_default();
        if names.is_empty() {
            return Err(self.error(key, format!("expected {expected}")));
        }
        match (0..names.len()).find(|&i| names[..i].contains(&names[i])) {
            Some(i) => Err(self.error(key, format!("{:?} is named twice", names[i]))),
            None => Ok(names),
        }
    }

    /// Units of hidden layers, of which there may be none.
    ///
    /// # Errors
    /// As [`get`](Self::get), and for a layer without units or with more than anyone means.
    pub fn units(&mut self, key: &'static str, default: &[usize]) -> Result<Vec<usize>> {
        let units = self.get(key)?.unwrap_or_else(|| default.to_vec());
        positive(&units).map_err(|problem| self.error(key, problem))?;
        Ok(units)
    }

    /// Units of layers, of which there is at least one.
    ///
    /// # Errors
    /// As [`units`](Self::units).
    pub fn layers(&mut self, key: &'static str, default: &[usize]) -> Result<Vec<usize>> {
        let units = self.units(key, default)?;
        match units.is_empty() {
            true => Err(self.error(key, "expected at least one layer, found an empty list")),
            false => Ok(units),
        }
    }

    /// The entries of a list, each with keys of its own, or a number of entries without any.
    ///
    /// # Errors
    /// [`Error::Config`] for what is neither, or too many.
    pub fn entries(&mut self, key: &'static str, default: usize) -> Result<Vec<BTreeMap<String, Value>>> {
        if let Some(Value::Array(entries)) = self.keys.get(key) {
            self.asked.push(key);
            let read = |(i, entry): (usize, &Value)| {
                let keys = serde::Deserialize::deserialize(entry);
                keys.map_err(|found: serde_json::Error| self.error(&format!("{key}[{i}]"), found.to_string()))
            };
            let entries: Vec<_> = entries.iter().enumerate().map(read).collect::<Result<_>>()?;
            return match (1..=MAX_COUNT).contains(&entries.len()) {
                true => Ok(entries),
                false => Err(self.error(key, format!("expected 1 to {MAX_COUNT}, found {}", entries.len()))),
            };
        }
        let other = self.keys.get(key).filter(|value| !value.is_u64() && !value.is_null());
        if other.is_some() {
            return Err(self.error(key, "expected a number of levels or a list of levels"));
        }
        Ok(vec![BTreeMap::new(); self.count(key, 1, default)?])
    }

    /// An entry of a list at `key`, as [`entries`](Self::entries) gives them. What it lacks is that of this section.
    pub fn entry<'e>(&self, key: &str, number: usize, keys: &'e BTreeMap<String, Value>) -> Section<'e>
    where
        'a: 'e,
    {
        let Self { kind, init, norm, .. } = *self;
        Section { kind, init, norm, keys, at: format!("{}{key}[{number}].", self.at), asked: Vec::new() }
    }

    /// The keys that were asked for, each once.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        let first = |&(i, key): &(usize, &&'static str)| !self.asked[..i].contains(key);
        self.asked.iter().enumerate().filter(first).map(|(_, key)| *key).collect()
    }

    /// Refuses keys that were not asked for.
    ///
    /// # Errors
    /// [`Error::Config`] with the keys there are.
    pub fn end(&self, also: &[&str]) -> Result<()> {
        match self.keys.keys().find(|key| !self.asked.contains(&key.as_str())) {
            Some(key) => Err(self.unknown(key, also)),
            None => Ok(()),
        }
    }

    /// That there is no such key.
    pub(crate) fn unknown(&self, key: &str, also: &[&str]) -> Error {
        let own: Vec<String> =
            self.asked().into_iter().chain(also.iter().copied()).map(str::to_owned).collect();
        let nearest = Nearest::of(key, &own);
        let takes = if own.is_empty() { "none".to_owned() } else { own.join(", ") };
        let problem = format!("{} has no such key{nearest} (it takes {takes})", self.kind);
        self.error(key, problem)
    }
}

/// What is wrong with units of layers.
pub(crate) fn positive(units: &[usize]) -> std::result::Result<(), String> {
    match units.iter().find(|&&units| units == 0 || units > MAX_UNITS) {
        Some(units) => Err(format!("expected 1 to {MAX_UNITS} units, found {units}")),
        None => Ok(()),
    }
}
