//! Under what name a cache is found again.

use mt_features::{Fit, TaskConfig};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use super::manifest::VERSION;
use crate::config::{DataConfig, Paths};
use crate::error::{Error, Result};

/// All that the parsed rows follow from, but what is fitted on them.
#[derive(Serialize)]
struct Key<'a> {
    version: u32,
    program: &'static str,
    data: &'a DataConfig,
    tasks: &'a [TaskConfig],
    files: Vec<(String, u64, u64, Option<String>)>,
}

/// A hash of the data section, the tasks, the files and the form of the cache.
pub(super) fn of(data: &DataConfig, tasks: &[TaskConfig]) -> Result<String> {
    let mut paths: Vec<Paths> = Vec::new();
    let files = data.row_files();
    paths.extend(files.into_iter().flat_map(|files| [Some(files.train), files.valid, files.test]).flatten());
    for join in &data.join {
        paths.push(Paths(vec![join.file.to_string_lossy().into_owned()]));
        paths.extend(join.lists.iter().map(|list| Paths(vec![list.file.to_string_lossy().into_owned()])));
    }
    let mut versions = Vec::new();
    for paths in &paths {
        for path in data.storage.expand(paths)? {
            let name = path.to_string_lossy().into_owned();
            let version =
                data.storage.version(&path)?.filter(|version| version.modified > 0 || version.tag.is_some());
            let Some(version) = version else {
                let expected = "files that tell when they were written, so that a cache of them can be told from another";
                return Err(Error::Setting { key: "data.cache", expected, found: name });
            };
            versions.push((name, version.bytes, version.modified, version.tag));
        }
    }
    let data = &DataConfig { cache: None, ..data.clone() };
    let program = env!("CARGO_PKG_VERSION");
    hash(&Key { version: VERSION, program, data, tasks, files: versions })
}

/// The same of what an earlier fit gave to this one.
pub(super) fn of_fit(fit: Fit<'_>) -> Result<String> {
    match fit {
        Fit::Anew => Ok("anew".to_owned()),
        Fit::As(fitted) => hash(&("as", fitted.schema, fitted.normalizer, fitted.encoders)),
        Fit::Keep(fitted) => hash(&("keep", fitted.schema, fitted.normalizer, fitted.encoders)),
    }
}

fn hash(value: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(value);
    let json = json.map_err(|error| Error::Cache { path: "cache".into(), problem: error.to_string() })?;
    Ok(format!("{:016x}", xxh3_128(&json) as u64))
}
