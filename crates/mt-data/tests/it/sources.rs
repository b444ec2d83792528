//! Rows of a caller's own source are those of a text file with the same content.

use std::io;
use std::sync::Arc;

use mt_data::arrow_array::builder::{FixedSizeListBuilder, Int64Builder, LargeListBuilder, StringBuilder};
use mt_data::arrow_array::types::Int8Type;
use mt_data::arrow_array::{ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch};
use mt_data::arrow_schema::{DataType, FieldRef, Schema, SchemaRef};
use mt_data::{CsvConfig, DataConfig, Labels, Part, Paths, RecordBatches, Source, Storage, TableReader};

use crate::support::{Files, join, label, load, section};

pub const ROWS: usize = 9000;
pub const CONFIG: &str = "
csv: {train: TRAIN}
fields: [{column: city}, {column: tags, separator: '|'}, {column: pair, separator: '|', last: 1}]
numeric_missing: mean
";

/// The rows, in parts of different sizes and batches of `batch` rows.
#[derive(Debug)]
struct Log {
    batch: usize,
    /// What the schema says and the rows do not.
    lies: bool,
}

fn city(row: usize) -> Option<&'static str> {
    [Some("Rome"), Some("Oslo"), None, Some("Lima")][row % 4]
}

fn tags(row: usize) -> Vec<String> {
    (0..row % 3).map(|i| format!("t{}", (row + i) % 11)).collect()
}

fn x(row: usize) -> Option<f64> {
    (!row.is_multiple_of(7)).then_some(row as f64 / 8.0)
}

pub fn batch(rows: std::ops::Range<usize>) -> RecordBatch {
    let click: Int64Array = rows.clone().map(|row| (row % 2) as i64).collect();
    let x: Float64Array = rows.clone().map(x).collect();
    let cities: DictionaryArray<Int8Type> = rows.clone().map(city).collect();
    let mut lists = LargeListBuilder::new(StringBuilder::new());
    let mut pairs = FixedSizeListBuilder::new(Int64Builder::new(), 2);
    for row in rows {
        tags(row).iter().for_each(|tag| lists.values().append_value(tag));
        lists.append(true);
        pairs.values().append_slice(&[row as i64 % 5, row as i64 % 3]);
        pairs.append(true);
    }
    let columns: [(&str, ArrayRef); 5] = [
        ("click", Arc::new(click)),
        ("x", Arc::new(x)),
        ("city", Arc::new(cities)),
        ("tags", Arc::new(lists.finish())),
        ("pair", Arc::new(pairs.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

pub fn text() -> String {
    let row = |row: usize| {
        let (x, city) = (x(row).map_or(String::new(), |x| x.to_string()), city(row).unwrap_or_default());
        format!("{},{x},{city},{},{}|{}\n", row % 2, tags(row).join("|"), row % 5, row % 3)
    };
    let rows: String = (0..ROWS).map(row).collect();
    format!("click,x,city,tags,pair\n{rows}")
}

impl Source for Log {
    fn schema(&self) -> io::Result<SchemaRef> {
        let schema = batch(0..1).schema();
        let says = |field: &FieldRef| match field.name() == "x" && self.lies {
            true => Arc::new(field.as_ref().clone().with_data_type(DataType::Int64)),
            false => field.clone(),
        };
        Ok(Arc::new(Schema::new(schema.fields().iter().map(says).collect::<Vec<_>>())))
    }

    fn parts(&self) -> io::Result<Vec<Part>> {
        Ok(["one", "none", "two"].map(Part::new).to_vec())
    }

    fn read(&self, part: &Part, columns: &[usize]) -> io::Result<RecordBatches> {
        let rows = match part.name.as_str() {
            "one" => 0..7000,
            "two" => 7000..ROWS,
            _ => return Ok(Box::new(std::iter::empty())),
        };
        let (columns, size, end) = (columns.to_vec(), self.batch, rows.end);
        let batches = rows.step_by(size).map(move |start| {
            batch(start..end.min(start + size)).project(&columns).map_err(io::Error::other)
        });
        Ok(Box::new(batches))
    }
}

fn data(source: Log) -> DataConfig {
    let mut data: DataConfig = serde_yaml::from_str(&CONFIG.replace("TRAIN", "rows://log")).unwrap();
    data.storage = Storage::default().with_source("rows://log", Arc::new(source));
    data
}

#[test]
fn rows_of_a_source_are_those_of_a_text_file_whatever_its_batches() {
    let files = Files::new();
    files.write("log.csv", text().as_bytes());
    let tasks = [label("click", "click")];
    let local = load(&section(&files, &CONFIG.replace("TRAIN", "DIR/log.csv")), &tasks).unwrap();
    for (threads, size) in [(1, 100), (2, 5000), (4, 20_000)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let data = data(Log { batch: size, lies: false });
        let other = pool.install(|| load(&data, &tasks)).unwrap();
        assert_eq!((&other.schema, &other.encoders), (&local.schema, &local.encoders), "batches of {size}");
        assert!(other.train == local.train && other.valid == local.valid, "batches of {size}");
        // A part alone, as a model that exists reads it.
        let paths = Paths::from("rows://log/two");
        let labels = Labels::Ignored;
        let open = TableReader::open_encoded(
            &paths,
            &data,
            &other.schema,
            &tasks,
            &other.normalizer,
            &other.encoders,
            labels,
        );
        assert_eq!(join(open.unwrap()).unwrap().len(), ROWS - 7000);
    }
}

#[test]
fn what_a_source_does_not_keep_is_an_error_with_its_name() {
    let tasks = [label("click", "click")];
    let fails = |data: &DataConfig| {
        let error = load(data, &tasks).unwrap_err();
        let cause = std::error::Error::source(&error).map_or(String::new(), ToString::to_string);
        format!("{error}: {cause}")
    };
    let mut without = data(Log { batch: 100, lies: false });
    without.csv = Some(CsvConfig::new("rows://log/three"));
    assert_eq!(fails(&without), "rows://log/three: cannot be read: the source has no such part");
    assert_eq!(
        fails(&data(Log { batch: 100, lies: true })),
        "rows://log/one: cannot be read: the source gives column \"x\" as Float64, its schema says Int64"
    );
}
