//! What may differ when a run is extended: how long it goes on, how it is watched, and where its rows come from.

use std::collections::BTreeMap;

use mt_data::DataConfig;
use serde_json::Value;

use crate::config::Config;
use crate::error::{Error, Result};

/// Keys that may; with each, those below it.
const FREE: [&str; 17] = [
    "train.epochs",
    "train.patience",
    "train.keep",
    "train.checkpoint",
    "train.log_every",
    "data.csv.train",
    "data.csv.valid",
    "data.csv.test",
    "data.csv.header",
    "data.csv.names",
    "data.csv.delimiter",
    "data.csv.on_bad_record",
    "data.synth",
    "data.valid_fraction",
    "data.test_fraction",
    "data.split_seed",
    "data.cache",
];

/// Keys that may differ, too, where a run goes on from another: what it is called, how fast it learns and how it goes through its rows,
/// and where the first of them began.
const NEXT: [&str; 12] = [
    "name",
    "data.fitted",
    "train.warm_start",
    "train.batch_size",
    "train.optimizer.lr",
    "train.table_lr",
    "train.rates",
    "train.clip_norm",
    "train.dropout",
    "train.schedule",
    "train.shuffle",
    "train.select",
];

/// Refuses keys that a run keeps. `data.split` and the files of side tables are about rows, too.
///
/// # Errors
/// [`Error::Extend`] for the first.
pub(crate) fn check(then: &Config, now: &Config) -> Result<()> {
    match changed(then, now, is_free)? {
        Some((key, then, now)) => Err(Error::Extend { key, then, now }),
        None => Ok(()),
    }
}

/// Refuses keys that a run keeps which goes on from a run of the configuration `then`.
///
/// # Errors
/// [`Error::Next`] for the first.
pub(crate) fn check_next(then: &Config, now: &Config) -> Result<()> {
    let free = |key: &str| is_free(key) || NEXT.into_iter().any(|free| within(key, free));
    match changed(then, now, free)? {
        Some((key, then, now)) => Err(Error::Next { key, then, now }),
        None => Ok(()),
    }
}

/// The first key that differs and is not `free`, with both values.
fn changed(
    then: &Config,
    now: &Config,
    free: impl Fn(&str) -> bool,
) -> Result<Option<(String, String, String)>> {
    let (then, now) = (leaves(then)?, leaves(now)?);
    let differs = |key: &&String| then.get(*key) != now.get(*key) && !free(key);
    let said = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let found = then.keys().chain(now.keys()).find(differs);
    Ok(found.map(|key| (key.clone(), said(then.get(key)), said(now.get(key)))))
}

fn within(key: &str, free: &str) -> bool {
    key.strip_prefix(free).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn is_free(key: &str) -> bool {
    let side = key.starts_with("data.join[") && key.ends_with("].file");
    side || within(key, "data.split") || FREE.into_iter().any(|free| within(key, free))
}

/// The configuration as keys and values. Rows of either kind of file have the keys of `data.csv`.
fn leaves(cfg: &Config) -> Result<BTreeMap<String, Value>> {
    let csv = cfg.data.row_files();
    let data = DataConfig { csv, parquet: None, ..cfg.data.clone() };
    let whole = serde_json::to_value(Config { data, ..cfg.clone() });
    let whole =
        whole.map_err(|error| Error::Config { at: "config.yaml".into(), problem: error.to_string() })?;
    let mut leaves = BTreeMap::new();
    flatten(String::new(), whole, &mut leaves);
    Ok(leaves)
}

fn flatten(key: String, value: Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => map.into_iter().for_each(|(name, value)| {
            let key = if key.is_empty() { name } else { format!("{key}.{name}") };
            flatten(key, value, leaves);
        }),
        Value::Array(list) => {
            list.into_iter().enumerate().for_each(|(i, value)| flatten(format!("{key}[{i}]"), value, leaves))
        }
        // A key at its default may be there or not.
        Value::Null => {}
        value => drop(leaves.insert(key, value)),
    }
}
