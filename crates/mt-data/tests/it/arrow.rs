//! Arrow's files and streams give the rows of a text file with the same content.

use std::sync::Arc;

use arrow_ipc::CompressionType;
use arrow_ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
use mt_data::arrow_array::builder::{ListBuilder, StringViewBuilder};
use mt_data::arrow_array::types::{Int8Type, Int64Type};
use mt_data::arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Int64Array,
    LargeStringArray, RecordBatch, StringArray, StructArray, TimestampMillisecondArray, UInt64Array,
};
use mt_data::arrow_schema::{DataType, Field};
use mt_data::{DataConfig, KeptForm, Labels, Paths, Records, TableReader};
use mt_features::{ColumnRef, Table};

use crate::sources::{CONFIG, ROWS, batch, text};
use crate::support::{Files, join, label, load, section};

/// How rows are written.
#[derive(Clone, Copy)]
struct Form {
    rows: usize,
    stream: bool,
    compression: Option<CompressionType>,
}

const FORMS: [Form; 6] = [
    Form { rows: ROWS, stream: false, compression: None },
    Form { rows: 1000, stream: false, compression: Some(CompressionType::LZ4_FRAME) },
    Form { rows: 65_536, stream: false, compression: Some(CompressionType::ZSTD) },
    Form { rows: 777, stream: true, compression: None },
    Form { rows: 5000, stream: true, compression: Some(CompressionType::LZ4_FRAME) },
    Form { rows: 100, stream: true, compression: Some(CompressionType::ZSTD) },
];

fn written(batches: &[RecordBatch], form: Form) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(form.compression).unwrap();
    let (mut bytes, schema) = (Vec::new(), batches[0].schema());
    if form.stream {
        let mut writer = StreamWriter::try_new_with_options(&mut bytes, &schema, options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
    } else {
        // A file holds each dictionary once, or what is new of it.
        let options = options.with_dictionary_handling(DictionaryHandling::Delta);
        let mut writer = FileWriter::try_new_with_options(&mut bytes, &schema, options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
    }
    bytes
}

/// All rows with the dictionary of all of them, in batches.
fn log(form: Form) -> Vec<u8> {
    let all = batch(0..ROWS);
    let batches: Vec<RecordBatch> =
        (0..ROWS).step_by(form.rows).map(|at| all.slice(at, form.rows.min(ROWS - at))).collect();
    written(&batches, form)
}

#[test]
fn files_and_streams_give_the_rows_of_a_text_file() {
    let files = Files::new();
    files.write("log.csv", text());
    let tasks = [label("click", "click")];
    let config = |name: &str| section(&files, &CONFIG.replace("TRAIN", &format!("DIR/{name}")));
    let local = load(&config("log.csv"), &tasks).unwrap();
    for (number, form) in FORMS.into_iter().enumerate() {
        for name in ["log", "log.feather", "log.ARROW"] {
            files.write(name, log(form));
            let other = load(&config(name), &tasks).unwrap();
            assert_eq!((&other.schema, &other.encoders), (&local.schema, &local.encoders), "{number} {name}");
            assert!(other.train == local.train && other.valid == local.valid, "{number} {name}");
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = pool.install(|| load(&config("log"), &tasks)).unwrap();
        assert!(alone.train == local.train, "{number}");
    }
}

#[test]
fn a_stream_may_have_another_dictionary_for_each_batch() {
    let files = Files::new();
    files.write("log.csv", text());
    let tasks = [label("click", "click")];
    let config = |name: &str| section(&files, &CONFIG.replace("TRAIN", &format!("DIR/{name}")));
    let local = load(&config("log.csv"), &tasks).unwrap();
    // The first batch of an odd row begins with another city.
    let batches: Vec<RecordBatch> = (0..ROWS).step_by(333).map(|at| batch(at..ROWS.min(at + 333))).collect();
    files.write("log", written(&batches, Form { stream: true, ..FORMS[0] }));
    let other = load(&config("log"), &tasks).unwrap();
    assert_eq!(other.encoders, local.encoders);
    assert!(other.train == local.train && other.valid == local.valid);
}

/// Columns of other types, and what they are in a text file.
fn typed() -> (RecordBatch, String) {
    let mut views = StringViewBuilder::new();
    [Some("a name of more than twelve bytes"), None, Some("x"), Some(" y ")]
        .iter()
        .for_each(|text| views.append_option(*text));
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for list in [&["a", "b"][..], &[], &["c"], &["a"]] {
        list.iter().for_each(|text| lists.values().append_value(text));
        lists.append(true);
    }
    let numbers: DictionaryArray<Int8Type> = DictionaryArray::new(
        vec![Some(1i8), Some(0), None, Some(1)].into(),
        Arc::new(Int64Array::from(vec![5, 18])),
    );
    let words: DictionaryArray<Int64Type> = DictionaryArray::new(
        vec![0i64, 1, 0, 1].into(),
        Arc::new(LargeStringArray::from(vec!["left", "right"])),
    );
    let decimals = Decimal128Array::from(vec![Some(1250), Some(-5), None, Some(7)]);
    let hidden = StructArray::from(vec![(
        Arc::new(Field::new("inner", DataType::Int64, false)),
        Arc::new(Int64Array::from(vec![1, 2, 3, 4])) as ArrayRef,
    )]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("l", Arc::new(BooleanArray::from(vec![true, false, false, true]))),
        ("hidden", Arc::new(hidden)),
        ("view", Arc::new(views.finish())),
        ("tags", Arc::new(lists.finish())),
        ("number", Arc::new(numbers)),
        ("word", Arc::new(words)),
        ("id", Arc::new(UInt64Array::from(vec![u64::MAX, 1, 2, 3]))),
        ("x", Arc::new(Float32Array::from(vec![Some(0.1), Some(f32::NAN), None, Some(4.0)]))),
        ("price", Arc::new(decimals.with_precision_and_scale(9, 2).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![19_000, 19_001, 19_002, 19_003]))),
        (
            "at",
            Arc::new(
                TimestampMillisecondArray::from(vec![0, 1_650_844_800_123, 1_650_931_200_000, 1])
                    .with_timezone("+08:00"),
            ),
        ),
    ];
    let text = "l,hidden,view,tags,number,word,id,x,price,day,at
1,,a name of more than twelve bytes,a|b,18,left,18446744073709551615,0.1,12.50,19000,1970-01-01T00:00:00Z
0,,,,5,right,1,,-0.05,19001,2022-04-25T00:00:00.123Z
0,,x,c,,left,2,,,19002,2022-04-26T00:00:00Z
1,,y,a,18,right,3,4,0.07,19003,1970-01-01T00:00:00.001Z
";
    (
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap(),
        text.into(),
    )
}

const TYPES: &str = "
csv: {train: DIR/NAME, features: [number, x, price, day], missing: [NaN]}
numeric_missing: mean
valid_fraction: 0
fields: [{column: view}, {column: tags, separator: '|'}, {column: word}, {column: id}]
numbers: [{name: hour, value: hour(at)}]
weight: if(at > \"2022-04-25\", 2, 1)
";

#[test]
fn types_mean_what_they_mean_in_parquet() {
    let files = Files::new();
    let (batch, text) = typed();
    files.write("rows.csv", text);
    let config = |name: &str| section(&files, &TYPES.replace("NAME", name));
    let local = load(&config("rows.csv"), &[label("l", "l")]).unwrap();
    assert_eq!(local.train.len(), 4);
    for (number, form) in FORMS.into_iter().enumerate() {
        files.write("rows", written(std::slice::from_ref(&batch), form));
        let data = config("rows");
        let other = load(&data, &[label("l", "l")]).unwrap();
        assert_eq!((&other.train, &other.encoders), (&local.train, &local.encoders), "{number}");
        let paths = Paths::from(files.path("rows"));
        let columns = ["id", "tags", "view", "price", "x"].map(str::to_owned);
        let records = Records::read(&paths, &data, &columns, 9).unwrap();
        let record = |row| records.record(row).map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
        assert_eq!(
            (record(0), record(3)),
            (
                "18446744073709551615,a|b,a name of more than twelve bytes,12.50,0.1".into(),
                "3,a,y,0.07,4".into()
            )
        );
        // Scored, with columns that are handed on as they are.
        let reader = TableReader::open_encoded(
            &paths,
            &data,
            &other.schema,
            &[label("l", "l")],
            &other.normalizer,
            &other.encoders,
            Labels::Ignored,
        );
        let kept = ["hidden".to_owned(), "at".to_owned()];
        let mut reader = reader.unwrap().keep(&kept, KeptForm::Stored).unwrap();
        assert_eq!(reader.kept_columns().names(), kept);
        let (rows, _) = reader.next_kept().unwrap().unwrap();
        assert_eq!((rows.numeric(), rows.fields()), (other.train.numeric(), other.train.fields()));
    }
}

#[test]
fn a_side_table_may_be_one_too() {
    let files = Files::with("rows.csv", "l,user\n1,7\n0,8\n");
    let users: ArrayRef = Arc::new(Int64Array::from(vec![8, 7]));
    let cities: ArrayRef = Arc::new(StringArray::from(vec![Some("Oslo"), None]));
    let side = RecordBatch::try_from_iter([("user", users), ("city", cities)]).unwrap();
    files.write("users.feather", written(&[side], FORMS[1]));
    files.write("users.csv", "user,city\n8,Oslo\n7,\n");
    let read = |name: &str| {
        let text = "{csv: {train: DIR/rows.csv, features: none}, fields: [{column: city}], join: [{file: DIR/NAME, key: user}], valid_fraction: 0}";
        load(&section(&files, &text.replace("NAME", name)), &[label("l", "l")]).unwrap()
    };
    let (arrow, text) = (read("users.feather"), read("users.csv"));
    assert_eq!((&arrow.train, &arrow.encoders), (&text.train, &text.encoders));
}

fn read(data: &DataConfig) -> mt_data::Result<Table> {
    join(TableReader::open_data(&data.row_files().unwrap().train, data, &[label("l", "l")])?)
}

#[test]
fn what_cannot_be_read_is_named() {
    let files = Files::new();
    let (batch, _) = typed();
    let whole = written(std::slice::from_ref(&batch), FORMS[1]);
    let stream = written(&[batch], FORMS[4]);
    files.write("cut.arrow", &whole[..whole.len() - 5]);
    files.write("cut", &stream[..stream.len() - 200]);
    files.write("text.arrow", "l,x\n1,2\n");
    files.write("empty.feather", "");
    files.write("first.feather", b"FEA1 and so on");
    let fails = |name: &str| {
        let error = load(&section(&files, &TYPES.replace("NAME", name)), &[label("l", "l")]).unwrap_err();
        let cause = std::error::Error::source(&error).map_or(String::new(), ToString::to_string);
        (files.message(&error), cause)
    };
    for name in ["cut.arrow", "cut", "text.arrow", "empty.feather", "first.feather"] {
        assert_eq!(fails(name).0, format!("{name}: not a readable Arrow file"));
    }
    assert!(fails("first.feather").1.contains("expected version 2"), "{:?}", fails("first.feather"));
    assert_eq!(fails("none.arrow").0, "none.arrow: cannot be read");
    files.write("rows", &whole);
    let refused = TYPES.replace("NAME", "rows").replace("column: word", "column: hidden");
    let error = load(&section(&files, &refused), &[label("l", "l")]).unwrap_err();
    assert_eq!(files.message(&error), "rows: column \"hidden\": expected numbers or texts, found a struct");
}

#[test]
fn whatever_byte_of_a_file_is_changed_the_rest_is_read_or_refused() {
    let files = Files::new();
    let (batch, _) = typed();
    let data = section(&files, &TYPES.replace("NAME", "changed.arrow"));
    for form in [FORMS[1], FORMS[2], FORMS[4]] {
        let whole = written(std::slice::from_ref(&batch), form);
        let mut refused = 0;
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (7 * (at % 2));
            // Not over the one before: that would wait for the disk.
            let _ = std::fs::remove_file(files.path("changed.arrow"));
            files.write("changed.arrow", changed);
            refused += usize::from(read(&data).is_err());
        }
        assert!(refused > 100 && refused < whole.len(), "{refused} of {}", whole.len());
        for length in (0..whole.len()).step_by(31) {
            let _ = std::fs::remove_file(files.path("changed.arrow"));
            files.write("changed.arrow", &whole[..length]);
            // A stream may end where a message does.
            assert!(read(&data).is_err() || form.stream, "{length}");
        }
    }
}

#[cfg(feature = "objects")]
#[test]
fn objects_are_read_as_files_are() {
    use mt_data::object_store::{ObjectStoreExt, memory::InMemory, path::Path};

    let files = Files::with("log.csv", text());
    let tasks = [label("click", "click")];
    let local = load(&section(&files, &CONFIG.replace("TRAIN", "DIR/log.csv")), &tasks).unwrap();
    let store = Arc::new(InMemory::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (name, form) in [("a.arrow", FORMS[1]), ("b", FORMS[4])] {
        runtime.block_on(store.put(&Path::from(name), log(form).into())).unwrap();
        let train = format!("memory://bucket/{name}");
        let mut data: DataConfig = serde_yaml::from_str(&CONFIG.replace("TRAIN", &train)).unwrap();
        data.storage = mt_data::Storage::default().with_store("memory://bucket", store.clone());
        let other = load(&data, &tasks).unwrap();
        assert!(other.train == local.train && other.valid == local.valid, "{name}");
    }
}

#[test]
fn folders_are_columns_of_such_files_too() {
    let files = Files::new();
    std::fs::create_dir_all(files.path("log/day=3")).unwrap();
    files.write("log/day=3/rows.arrow", written(&[typed().0], FORMS[1]));
    let data = section(
        &files,
        "{parquet: {train: DIR/log, features: [x, day2], missing: [NaN]}, numeric_missing: mean}",
    );
    // The file has a column `day` itself.
    let error = load(&data, &[label("l", "l")]).unwrap_err();
    assert_eq!(files.message(&error), "column \"day\" is in both log/day=3/rows.arrow and log/day=3");
    std::fs::rename(files.path("log/day=3"), files.path("log/day2=3")).unwrap();
    let tasks = [mt_features::TaskConfig::new("l", ColumnRef::Name("l".to_owned()))];
    assert_eq!(load(&data, &tasks).unwrap().schema.numeric, ["x", "day2"]);
}
