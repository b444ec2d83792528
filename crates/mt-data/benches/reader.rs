//! Bytes of text per second through the reader: `cargo bench -p mt-data`.
//!
//! Always on text like the census data's (mostly `0,`) and on dense numbers; with `MT_TEST_DATA` set, on the
//! census training file itself, too; and on Parquet files with the same content, whose bytes are counted as those of the
//! text, so that rates compare. The files are in the page cache, as they are from the second run on.

use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../src/testing.rs"]
mod parquet_writer;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mt_data::{BadRecords, CsvConfig, DataConfig, Dataset, Output, TableReader};
use mt_datasets::census::{Form, Protocol, convert};
use mt_datasets::synth::{SynthConfig, generate};
use mt_features::{Batch, ColumnRef, TaskConfig};
use mt_features::{Batches, permutation};

fn config(path: &Path) -> (CsvConfig, [TaskConfig; 2]) {
    let csv = CsvConfig {
        header: false,
        on_bad_record: BadRecords::Fail,
        ..CsvConfig::new(path.to_str().unwrap_or_default())
    };
    let task = |name: &str, index| TaskConfig::new(name, ColumnRef::Index(index));
    (csv, [task("completion", 0), task("like", 1)])
}

/// Rows of 501 columns of which 34 are set.
fn sparse_text(rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        text += if row % 2 == 0 { "0,1" } else { "1,0" };
        for column in 0..499 {
            let set = (row * 31 + column * 7).is_multiple_of(15);
            let _ = match column {
                0 => write!(text, ",{}", row % 90),
                5 => write!(text, ",{}.{:02}", row % 3000, row % 100),
                _ => write!(text, ",{}", u8::from(set)),
            };
        }
        text.push('\n');
    }
    text
}

/// Rows of 40 numbers with decimals.
fn dense_text(rows: usize) -> String {
    let config = SynthConfig { rows, ..SynthConfig::default() };
    let Ok(synth) = generate(&config) else { return String::new() };
    let features = synth.table.numeric().to_dense();
    let mut text = String::new();
    for row in 0..rows {
        let labels = synth.table.labels()[2 * row..][..2].iter();
        let cells: Vec<String> = labels.chain(features.row(row)).map(f32::to_string).collect();
        text += &cells.join(",");
        text.push('\n');
    }
    text
}

/// Reads a file, and the same content as Parquet.
fn read(criterion: &mut Criterion, name: &str, path: &Path) {
    let bytes = path.metadata().map_or(0, |m| m.len());
    read_file(criterion, name, path, bytes);
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let width = text.lines().next().map_or(0, |line| line.split(',').count());
    let names: Vec<String> = (0..width).map(|column| format!("c{column}")).collect();
    let columns = path.with_extension("parquet");
    let text = format!("{}\n{text}", names.join(","));
    parquet_writer::convert(text.as_bytes(), &columns, parquet_writer::Form::default());
    read_file(criterion, &format!("{name} as parquet"), &columns, bytes);
}

fn read_file(criterion: &mut Criterion, name: &str, path: &Path, bytes: u64) {
    let (csv, tasks) = config(path);
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(bytes)).sample_size(10);
    for threads in [1, 2] {
        let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(threads).build() else { return };
        group.bench_function(format!("{name}, {threads} threads"), |bencher| {
            bencher.iter(|| {
                pool.install(|| {
                    let reader = TableReader::open_training(&csv.train, &csv, &tasks);
                    let rows =
                        reader.map(|reader| reader.filter_map(Result::ok).map(|t| t.len()).sum::<usize>());
                    black_box(rows.unwrap_or(0))
                })
            });
        });
    }
    group.bench_function(format!("{name}, whole data set"), |bencher| {
        let data = DataConfig::files(csv.clone());
        bencher.iter(|| black_box(Dataset::load(&data, &tasks, &|_| ()).map(|d| d.train.len()).unwrap_or(0)));
    });
    group.finish();
}

fn batches(criterion: &mut Criterion, name: &str, path: &Path) {
    let (csv, tasks) = config(path);
    let Ok(dataset) = Dataset::load(&DataConfig::files(csv), &tasks, &|_| ()) else { return };
    let order = permutation(dataset.train.len() as u32, 1, 0);
    let mut group = criterion.benchmark_group("gather");
    group.throughput(Throughput::Elements(order.len() as u64)).sample_size(10);
    for size in [32, 1024] {
        group.bench_function(format!("{name}, batches of {size}"), |bencher| {
            let mut batch = Batch::default();
            bencher.iter(|| {
                let mut batches = Batches::new(&dataset.train, &order, size);
                while batches.next_into(&mut batch) {
                    black_box(&batch);
                }
            });
        });
    }
    group.finish();
}

/// The KuaiRand log with users, videos and histories joined, as a training run reads it: rows per second, the side
/// tables' own reading included.
fn joined(criterion: &mut Criterion, folder: &Path) {
    const LOG: &str = "log_standard_4_25_to_4_30.csv.gz";
    const CONFIG: &str = "
csv: {train: LOG, features: [follow_user_num, register_days], missing: ['-124']}
numeric_missing: mean
group: user_id
split: {valid: date == 20220429, test: date == 20220430}
join:
- {file: DIR/user_features_pure.csv.gz, key: user_id}
- {file: DIR/video_features_basic_pure.csv.gz, key: video_id}
- {file: DIR/user_history_to_4_24.csv.gz, key: user_id}
fields:
- {column: user_id}
- {column: video_id, table: video}
- {column: watch_seq, table: video, separator: ' ', last: 50}
- {column: long_watch_seq, table: video, separator: ' ', last: 50}
- {column: author_id, encode: {hash: 5000}}
- {column: user_active_degree}
- {column: tab}
";
    let tasks = "[{name: click, label: is_click}, {name: ratio, label: play_time_ms / duration_ms, kind: regression}]";
    let (Ok(scratch), Ok(text)) = (tempfile::tempdir(), std::fs::File::open(folder.join(LOG))) else {
        return;
    };
    let columns = scratch.path().join("log.parquet");
    let text = flate2::read::MultiGzDecoder::new(text);
    parquet_writer::convert(text, &columns, parquet_writer::Form::default());
    let mut group = criterion.benchmark_group("join");
    group.throughput(Throughput::Elements(94_784)).sample_size(10);
    for (name, log) in [("kuairand", folder.join(LOG)), ("kuairand as parquet", columns.clone())] {
        let config = CONFIG.replace("LOG", &log.display().to_string());
        let data = serde_yaml::from_str::<DataConfig>(&config.replace("DIR", &folder.display().to_string()));
        let (Ok(data), Ok(tasks)) = (data, serde_yaml::from_str::<Vec<TaskConfig>>(tasks)) else { return };
        group.bench_function(format!("{name}, whole data set"), |bencher| {
            bencher.iter(|| {
                black_box(Dataset::load(&data, &tasks, &|_| ()).map(|d| d.train.len()).unwrap_or(0))
            });
        });
    }
    group.finish();
    alone(criterion, &folder.join(LOG), &columns);
}

/// The KuaiRand log without side tables: the identifiers and categories of its rows.
fn alone(criterion: &mut Criterion, text: &Path, columns: &Path) {
    const CONFIG: &str = "
csv: {train: LOG, features: none}
group: user_id
fields: [{column: user_id}, {column: video_id}, {column: tab}, {column: hourmin, encode: {hash: 100}}]
";
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Elements(94_784)).sample_size(10);
    for (name, log) in [("kuairand", text), ("kuairand as parquet", columns)] {
        let config = CONFIG.replace("LOG", &log.display().to_string());
        let Ok(data) = serde_yaml::from_str::<DataConfig>(&config) else { return };
        let tasks = [TaskConfig::new("click", ColumnRef::Name("is_click".to_owned()))];
        group.bench_function(format!("{name}, whole data set"), |bencher| {
            bencher.iter(|| {
                black_box(Dataset::load(&data, &tasks, &|_| ()).map(|d| d.train.len()).unwrap_or(0))
            });
        });
    }
    group.finish();
}

fn reader(criterion: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir() else { return };
    for (name, text) in [("sparse text", sparse_text(50_000)), ("dense text", dense_text(100_000))] {
        let path = folder.path().join("text.csv");
        if std::fs::write(&path, text).is_ok() {
            read(criterion, name, &path);
            batches(criterion, name, &path);
        }
    }
    let raw = std::env::var_os("MT_TEST_DATA").map(|f| PathBuf::from(f).join("datasets/census-income"));
    let create = |name: &str| Output::create(&folder.path().join(name));
    let converted = raw.map(|raw| {
        convert::<_, mt_data::Error>(&raw, Protocol::Study, Form::OneHot, 1, create, &|_| ())
            .and_then(|converted| converted.outputs.into_iter().try_for_each(Output::finish))
    });
    if let Some(Ok(())) = converted {
        read(criterion, "census", &folder.path().join("train.csv"));
        batches(criterion, "census", &folder.path().join("train.csv"));
    }
    if let Some(folder) = std::env::var_os("MT_TEST_DATA") {
        joined(criterion, &PathBuf::from(folder).join("datasets/kuairand-pure"));
    }
    criterion.bench_function("generate 100,000 rows", |bencher| {
        bencher.iter(|| generate(black_box(&SynthConfig::default())).map(|s| s.table.len()).unwrap_or(0));
    });
}

criterion_group!(benches, reader);
criterion_main!(benches);
