//! Learning rates of their own for parts of a model, by patterns of parameter names.

use std::collections::BTreeMap;

use glob::Pattern;
use mt_features::{Encoder, Encoders};
use mt_layers::Param;

use crate::error::{Error, Result};

/// Factor of the learning rate, for each parameter and each table.
#[derive(Debug)]
pub(crate) struct Rates {
    /// In the order of the parameters.
    pub params: Vec<f64>,
    tables: BTreeMap<String, f64>,
}

impl Rates {
    /// The factors that `patterns` give; where several fit a name, the longest counts. Tables are `tables.{name}`.
    ///
    /// # Errors
    /// [`Error::NoParameter`] for a pattern that fits none.
    pub fn new<'a>(
        patterns: &BTreeMap<String, f64>,
        params: &[Param],
        tables: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let tables: Vec<(&str, String)> = tables.map(|name| (name, format!("tables.{name}"))).collect();
        let names =
            || params.iter().map(|param| param.name.as_str()).chain(tables.iter().map(|(_, name)| &**name));
        for pattern in patterns.keys() {
            if !names().any(|name| fits(pattern, name)) {
                let nearest = names()
                    .max_by(|a, b| strsim::jaro(a, pattern).total_cmp(&strsim::jaro(b, pattern)))
                    .unwrap_or_default();
                let (pattern, nearest) = (pattern.clone(), nearest.to_owned());
                return Err(Error::NoParameter { key: "train.rates", pattern, nearest });
            }
        }
        let factor = |name: &str| {
            let fitting = patterns.iter().filter(|(pattern, _)| fits(pattern, name));
            fitting.max_by_key(|(pattern, _)| pattern.len()).map_or(1.0, |(_, factor)| *factor)
        };
        Ok(Self {
            params: params.iter().map(|param| factor(&param.name)).collect(),
            tables: tables.iter().map(|(table, name)| ((*table).to_owned(), factor(name))).collect(),
        })
    }

    /// Checks that no table that grows is frozen: it would give rows to new values and never train them.
    ///
    /// # Errors
    /// [`Error::FrozenTable`].
    pub fn check(&self, encoders: &Encoders) -> Result<()> {
        let grows = |encoder: &Encoder| matches!(encoder, Encoder::Growing(_));
        match encoders.tables.iter().find(|table| grows(&table.encoder) && self.table(&table.name) == 0.0) {
            Some(table) => Err(Error::FrozenTable { table: table.name.clone() }),
            None => Ok(()),
        }
    }

    /// Factor of a table.
    pub fn table(&self, name: &str) -> f64 {
        self.tables.get(name).copied().unwrap_or(1.0)
    }
}

/// Whether `pattern`, with `*` for any text, fits a name.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(name))
}
