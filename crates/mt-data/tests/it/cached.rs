//! Rows on disk are those in memory, to the bit, with all that was fitted on them.

use std::fs;
use std::path::PathBuf;

use mt_data::{DataConfig, Dataset, Error, Rows};
use mt_features::{Fit, Fitted, Table, TaskConfig, permutation};

use crate::support::{Files, label, load, named, section};

/// Enough for three blocks, after some are set aside.
const ROWS: usize = 24_000;

/// Numbers, identifiers, lists, labels that are missing, weights and days.
fn content(rows: usize) -> String {
    let row = |i: usize| {
        let r = |salt: usize| (i * 7919 + salt * 104_729) % 1013;
        let tags: Vec<String> = (0..r(1) % 4).map(|t| format!("t{}", r(t + 2) % 9)).collect();
        let wide: String = (0..12).map(|k| if r(k) % 11 == 0 { ",1" } else { ",0" }).collect();
        let (x, big) = (r(3) as f32 / 7.0 - 20.0, 1_700_000_000 + r(4));
        let buy = if r(5) % 3 == 0 { String::new() } else { (r(6) % 2).to_string() };
        let gap = if r(9) % 13 == 0 { String::new() } else { r(10).to_string() };
        let (weight, day) = (1 + r(7) % 3, r(8) % 7);
        format!(
            "u{},{},{x},{big},{gap},{},{buy},{weight},{day}{wide}\n",
            r(2) % 97,
            tags.join("|"),
            r(11) % 2
        )
    };
    let wide: String = (0..12).map(|k| format!(",w{k}")).collect();
    format!("user,tags,x,big,gap,click,buy,weight,day{wide}\n") + &(0..rows).map(row).collect::<String>()
}

const FIELDS: &str = "
fields:
- {column: user, encode: {growing: {capacity: 50}}}
- {column: tags, separator: '|'}
- {column: big, encode: {buckets: 8}}
- {column: gap, name: coarse, encode: {hash: 100}}";

fn tasks() -> Vec<TaskConfig> {
    let space = TaskConfig { within: Some(named("click == 1")), ..label("buy", "buy") };
    vec![label("click", "click"), space]
}

/// Data sections, each with numbers in another form and rows set aside in another way.
fn sections() -> Vec<String> {
    let csv = |features: &str| format!("csv: {{train: DIR/rows.csv, features: [{features}]}}\n");
    let wide: Vec<String> = (0..12).map(|k| format!("w{k}")).collect();
    vec![
        csv("x, big") + "valid_fraction: 0",
        csv("x, big, gap") + "numeric_missing: mean\nnormalize: log1p-standard\ntest_fraction: 0.2",
        csv(&wide.join(", ")) + "normalize: none\nvalid_fraction: 0.05",
        csv(&format!("x, {}", wide.join(", ")))
            + "normalize: min-max\nweight: weight\ngroup: user\nsplit: {valid: day == 5, test: day == 6}"
            + FIELDS,
        "csv: {train: DIR/rows.csv, valid: DIR/valid.csv, features: []}\ngroup: user".to_owned() + FIELDS,
    ]
}

fn files() -> Files {
    let files = Files::default();
    fs::write(files.0.path().join("rows.csv"), content(ROWS)).unwrap();
    fs::write(files.0.path().join("valid.csv"), content(500)).unwrap();
    files
}

fn on_disk(data: &DataConfig, files: &Files, memory: &str) -> DataConfig {
    let dir = files.0.path().join("cache");
    let cache = serde_yaml::from_str(&format!("{{dir: {}, memory: {memory}}}", dir.display())).unwrap();
    DataConfig { cache: Some(cache), ..data.clone() }
}

fn folders(files: &Files) -> Vec<PathBuf> {
    let entries = fs::read_dir(files.0.path().join("cache")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

/// All rows of a data set, in a table.
fn whole(data: &Dataset) -> Table {
    let mut all: Option<Table> = None;
    let add = |block: &Table| -> Result<(), Error> {
        match &mut all {
            Some(all) => all.append(block.clone())?,
            None => all = Some(block.clone()),
        }
        Ok(())
    };
    data.rows().each(add).unwrap();
    all.unwrap()
}

/// Without what metrics alone read.
fn trained_on(table: &Table) -> (&mt_features::Batch, Option<&[u32]>) {
    (table.as_batch(), table.groups())
}

fn assert_same(disk: &Dataset, memory: &Dataset, what: &str) {
    assert_eq!(trained_on(&whole(disk)), trained_on(&memory.train), "{what}");
    assert_eq!((&disk.valid, &disk.test), (&memory.valid, &memory.test), "{what}");
    assert_eq!(disk.schema, memory.schema, "{what}");
    assert_eq!(disk.normalizer, memory.normalizer, "{what}");
    assert_eq!(disk.encoders, memory.encoders, "{what}");
    assert_eq!(disk.identity, memory.identity, "{what}");
    assert_eq!(disk.coverage, memory.coverage, "{what}");
    assert_eq!(disk.rounded, memory.rounded, "{what}");
    assert_eq!(
        (disk.rows().len(), disk.rows().groups()),
        (memory.train.len(), memory.train.groups()),
        "{what}"
    );
}

#[test]
fn what_is_read_and_fitted_is_the_same_as_in_memory() {
    let files = files();
    for text in sections() {
        let data = section(&files, &text);
        let memory = load(&data, &tasks()).unwrap();
        assert!(memory.cached.is_none());
        for said in ["was built", "rows from the cache"] {
            let disk = load(&on_disk(&data, &files, "1MiB"), &tasks()).unwrap();
            assert!(disk.cached.as_ref().unwrap().note().contains(said), "{text}");
            assert_same(&disk, &memory, &text);
        }
        // A model that was fitted on these very rows uses the same cache.
        let fit =
            Fitted { schema: &memory.schema, normalizer: &memory.normalizer, encoders: &memory.encoders };
        let before = folders(&files).len();
        let again =
            Dataset::load_with(&on_disk(&data, &files, "1GiB"), &tasks(), Fit::As(fit), &|_| ()).unwrap();
        assert_same(&again, &Dataset::load_with(&data, &tasks(), Fit::As(fit), &|_| ()).unwrap(), &text);
        assert_eq!(folders(&files).len(), before);
    }
}

#[test]
fn any_order_is_that_of_memory_for_any_limit() {
    let files = files();
    for text in &sections()[2..4] {
        let data = section(&files, text);
        let train = load(&data, &tasks()).unwrap().train;
        let all = train.len();
        for memory in ["1", "256KiB", "1GiB"] {
            let disk = load(&on_disk(&data, &files, memory), &tasks()).unwrap();
            let cached = disk.cached.as_ref().unwrap();
            let shuffled = permutation(all as u32, 3, 1);
            for rows in [shuffled.clone(), shuffled[all / 3..].to_vec(), (5..all as u32).collect()] {
                let ends: Vec<usize> =
                    (1..=rows.len().div_ceil(700)).map(|n| (700 * n).min(rows.len())).collect();
                let mut drawn = cached.draw(rows.clone(), ends.clone());
                let mut start = 0;
                for (batch, end) in ends.into_iter().enumerate() {
                    // As one of several ranks, which leaves batches out.
                    if batch % 3 > 0 {
                        let found = drawn.batch(start..end).unwrap();
                        let expected = train.take(&rows[start..end]);
                        assert!(trained_on(&found) == trained_on(&expected), "{memory}: {start}..{end}");
                    }
                    start = end;
                }
            }
            let few: Vec<u32> = (0..100).map(|i| i * (all as u32 / 100)).collect();
            for _ in 0..2 {
                let found = disk.rows().take(&few).unwrap();
                assert_eq!(trained_on(&found), trained_on(&train.take(&few)));
            }
            let found = disk.rows().gather(&shuffled[..50]).unwrap();
            assert_eq!(trained_on(&found), trained_on(&train.take(&shuffled[..50])));
            assert!(matches!(disk.rows(), Rows::Cached(_)));
        }
    }
}

#[test]
fn changed_files_and_sections_have_caches_of_their_own() {
    let files = files();
    let data = section(&files, &sections()[0]);
    let note = |data: &DataConfig| {
        let loaded = load(&on_disk(data, &files, "1MiB"), &tasks()).unwrap();
        loaded.cached.unwrap().note().to_owned()
    };
    assert!(note(&data).contains("was built"));
    let other = DataConfig { normalize: mt_features::Normalize::None, ..data.clone() };
    assert!(note(&other).contains("was built"));
    assert_eq!(folders(&files).len(), 2);
    fs::write(files.0.path().join("rows.csv"), content(100)).unwrap();
    assert!(note(&data).contains("was built"));
    assert!(note(&other).contains("was built") && note(&data).contains("rows from"));
}

#[test]
fn a_damaged_block_is_named_and_the_cache_built_anew() {
    let files = files();
    let data = on_disk(&section(&files, &sections()[0]), &files, "1MiB");
    let disk = load(&data, &tasks()).unwrap();
    let rows = folders(&files)[0].join("train.rows");
    let whole_file = fs::read(&rows).unwrap();
    let mut bytes = whole_file.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&rows, &bytes).unwrap();
    let error = disk.rows().each(|_| -> Result<(), Error> { Ok(()) }).unwrap_err().to_string();
    assert!(error.contains("train.rows: block 1 of the cache is damaged"), "{error}");
    let again = load(&data, &tasks()).unwrap();
    let note = again.cached.unwrap().note().to_owned();
    assert!(note.contains("was built anew: ") && note.contains("a block of it was found damaged"), "{note}");
    assert_eq!(fs::read(&rows).unwrap(), whole_file);
    // A file that was cut off, and what a process left that was killed while it built.
    fs::write(&rows, &whole_file[..100]).unwrap();
    let partial = folders(&files)[0].with_extension("partial");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("train.rows"), b"half").unwrap();
    let note = load(&data, &tasks()).unwrap().cached.unwrap().note().to_owned();
    assert!(note.contains("has 100 bytes, and had"), "{note}");
    assert_eq!(fs::read(&rows).unwrap(), whole_file);
    assert!(!partial.exists());
    // Without its last file there is no cache.
    fs::remove_file(folders(&files)[0].join("manifest")).unwrap();
    assert!(load(&data, &tasks()).unwrap().cached.unwrap().note().ends_with("was built"));
}

#[test]
fn an_error_in_a_file_is_that_of_memory_and_leaves_no_cache() {
    let files = files();
    let bad = content(9000) + "u1,t1,no,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0\n";
    fs::write(files.0.path().join("rows.csv"), bad).unwrap();
    let data = section(&files, &sections()[0]);
    let in_memory = load(&data, &tasks()).unwrap_err().to_string();
    let data = on_disk(&data, &files, "1MiB");
    assert_eq!(load(&data, &tasks()).unwrap_err().to_string(), in_memory);
    assert!(folders(&files).is_empty());
    // What killed builders of other caches left is removed, and not what is being built.
    let cache = data.cache.clone().unwrap().dir;
    let other = |name: &str| cache.join(format!("{name}-anew.partial"));
    for name in ["left", "built"] {
        fs::create_dir(other(name)).unwrap();
        fs::write(cache.join(format!("{name}.lock")), b"").unwrap();
    }
    let built = fs::File::open(cache.join("built.lock")).unwrap();
    built.lock().unwrap();
    fs::write(files.0.path().join("rows.csv"), content(9000)).unwrap();
    assert!(load(&data, &tasks()).unwrap().cached.unwrap().note().ends_with("was built"));
    assert!(!other("left").exists() && other("built").exists());
}
