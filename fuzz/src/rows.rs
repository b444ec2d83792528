//! Files of rows, as text, as Parquet and as Arrow's batches, with fields, labels by expression, weights, groups and rules.

use mt_data::{DataConfig, Dataset};
use mt_features::TaskConfig;

const DATA: &str = "
fields:
- {column: user}
- {column: item, encode: {hash: 50}}
- {column: tags, table: item, separator: '|', last: 3}
- {column: price, encode: {buckets: 4}}
- {name: moment, value: 'cross(item, weekday(day), if(price > 2, user, \"none\"))', table: item}
numbers:
- {name: ratio, value: played % length}
- {name: count, value: count(item in tags) / len(tags)}
weight: weight
group: user
split: {valid: day == 2, test: day > 2}
numeric_missing: mean
";
const TASKS: &str = "
- {name: like, label: like}
- {name: tab, label: tab, kind: multiclass, classes: 3}
- {name: seconds, label: 'min(played / length, 5)', kind: regression, where: like == 1 || `age` > 3}
";

/// A text file with a header.
pub fn csv(data: &[u8]) -> bool {
    read(data, "rows", "csv: {train: FILE, missing: ['?'], on_bad_record: {skip: 2}, features: [age, x]}")
}

/// A Parquet file.
pub fn parquet(data: &[u8]) -> bool {
    read(data, "rows.parquet", "parquet: {train: FILE, on_bad_record: {skip: 2}, features: [age, x]}")
}

/// An Arrow file, or a stream of its batches.
pub fn arrow(data: &[u8]) -> bool {
    read(data, "rows.arrow", "parquet: {train: FILE, on_bad_record: {skip: 2}, features: [age, x]}")
}

fn read(data: &[u8], name: &str, section: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    std::fs::write(&file, data).expect("written");
    let section = section.replace("FILE", file.to_str().expect("UTF-8"));
    let config: DataConfig = serde_yaml::from_str(&format!("{section}{DATA}")).expect("a section");
    let tasks: Vec<TaskConfig> = serde_yaml::from_str(TASKS).expect("tasks");
    Dataset::load(&config, &tasks, &|_| ()).is_ok()
}
