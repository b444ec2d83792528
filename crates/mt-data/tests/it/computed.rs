//! Inputs that are computed: the same in text, in Parquet, in raw rows, in blocks of any size and on any number of threads.

use std::sync::Arc;

use mt_data::{Dataset, Labels, Records, TableReader};
use mt_features::{RawRows, RowEncoder, Value};

use crate::support::{Files, join, label, load, section};

pub const TEXT: &str = "
csv: {train: DIR/log.csv, features: [play, duration], missing: ['?']}
valid_fraction: 0
normalize: none
numeric_missing: zero
fields:
- {name: hour, value: 'hour(time, \"+08:00\")'}
- {name: weekday, value: weekday(time)}
- {name: tab_hour, value: 'cross(tab, hour(ms))', encode: {hash: 1000}}
- {column: seen, separator: ' ', last: 1}
- {name: again, value: tab, encode: {hash: 1000}}
- {name: age_bucket, value: age / 10, encode: {buckets: 2}}
numbers:
- {name: ratio, value: play / duration}
- {name: length, value: len(seen)}
- {name: times, value: count(video in seen)}
- {name: older, value: 'if(age > 30, age, -1)'}
join: [{file: DIR/users.csv, key: user}]
";

const ROWS: &str = "\
l,user,video,play,duration,time,ms,tab,seen
1,7,b,3,2,2026-03-07T20:05:00Z,1772913900000,home,a b b
0,8,q,0,4,2026-03-08 01:00:00+01:00,1772928000000,?,
1,9,a,5,0,2026-03-09,,feed,a
0,7,b,?,2,,1772913900000,home,q q
1,8,z,7,7,2026-03-07T23:59:59.9Z,1772927999900,\"a×\"\"b\",z
";

pub fn files() -> Files {
    let files = Files::with("log.csv", ROWS);
    files.write("users.csv", "age,user\n20,7\n40,8\n");
    files
}

pub fn raw(data: &mt_data::DataConfig, loaded: &Dataset) -> RawRows {
    let Dataset { schema, encoders, normalizer, .. } = loaded;
    RawRows::new(Arc::new(RowEncoder::new(schema, encoders, normalizer, &data.missing_policy()).unwrap()))
}

#[test]
fn numbers_and_fields_are_computed_of_columns_of_files_and_of_side_tables() {
    let files = files();
    let data = load(&section(&files, TEXT), &[label("l", "l")]).unwrap();
    assert_eq!(data.schema.numeric, ["play", "duration", "ratio", "length", "times", "older"]);
    let rows = data.train.numeric().to_dense();
    let expected = [
        [3.0, 2.0, 1.5, 3.0, 2.0, -1.0],
        [0.0, 4.0, 0.0, 0.0, 0.0, 40.0],
        [5.0, 0.0, 0.0, 1.0, 1.0, 0.0],
        [0.0, 2.0, 0.0, 2.0, 0.0, -1.0],
        [7.0, 7.0, 1.0, 1.0, 1.0, 40.0],
    ];
    for (row, expected) in expected.iter().enumerate() {
        assert_eq!(rows.row(row), expected, "row {row}");
    }
    let values = |table: &str| {
        let Some(mt_features::Encoder::Vocabulary(values)) = data.encoders.encoder(table) else {
            panic!("{table}")
        };
        values.values().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(
        (values("hour"), values("weekday")),
        (vec!["8".into(), "4".into(), "7".into()], vec!["5".into(), "0".into(), "6".into()])
    );
    assert_eq!(data.train.fields()[0].rows, [3, 2, 2, 1, 4]);
    // The text of a cross, as whoever hashes it has it.
    let hash = |field: usize, row: usize| data.train.fields()[field].of(row)[0];
    assert_eq!((hash(2, 0), hash(2, 1), hash(2, 2)), (hash(2, 3), 1, 1));
    assert_ne!(hash(2, 4), hash(2, 0));
    assert_eq!([hash(5, 0), hash(5, 2)], [hash(5, 3), 1]);
}

#[test]
fn raw_rows_give_the_columns_and_are_the_rows_of_the_file() {
    let files = files();
    for (normalize, missing) in [("none", "zero"), ("standard", "mean"), ("log1p-standard", "zero")] {
        let text = TEXT.replace("normalize: none", &format!("normalize: {normalize}"));
        let text = text.replace("numeric_missing: zero", &format!("numeric_missing: {missing}"));
        let (config, tasks) = (section(&files, &text), [label("l", "l")]);
        let loaded = load(&config, &tasks).unwrap();
        let Dataset { schema, normalizer, encoders, .. } = &loaded;
        let paths = &config.csv.as_ref().unwrap().train;
        let reader =
            TableReader::open_encoded(paths, &config, schema, &tasks, normalizer, encoders, Labels::Ignored);
        let expected = join(reader.unwrap()).unwrap();
        let mut rows = raw(&config, &loaded);
        let columns = rows.encoder().columns().to_vec();
        assert_eq!(columns, ["play", "duration", "seen", "time", "tab", "ms", "age", "video"]);
        let lists = columns.iter().filter(|name| {
            let encoder = rows.encoder();
            encoder.column(name).is_ok_and(|column| encoder.is_list(column))
        });
        assert_eq!(lists.collect::<Vec<_>>(), ["seen"]);
        let records = Records::read(paths, &config, &columns, usize::MAX).unwrap();
        for record in 0..records.len() {
            let values: Vec<Value<'_>> = records.record(record).map(Value::from).collect();
            rows.push_values(&values).unwrap();
        }
        assert_eq!(rows.numeric(), expected.numeric(), "{text}");
        assert_eq!(rows.fields(), expected.fields(), "{text}");
        // In any order, typed, and what is missing left out.
        let mut typed = raw(&config, &loaded);
        let seen = ["a", "b", "b"].map(Value::from);
        typed
            .push([
                ("seen", Value::List(&seen)),
                ("video", "b".into()),
                ("age", 20.into()),
                ("time", "2026-03-07T20:05:00Z".into()),
                ("ms", 1_772_913_900_000_i64.into()),
                ("tab", " home ".into()),
                ("duration", 2.0.into()),
                ("play", 3.into()),
            ])
            .unwrap();
        let column = |name| typed.encoder().column(name).unwrap();
        let sparse = [(column("duration"), 7.into()), (column("tab"), "x".into())];
        typed.push_sparse(sparse).unwrap();
        rows.truncate(1);
        rows.push([("duration", 7.into()), ("play", 0.into()), ("tab", "x".into())]).unwrap();
        assert_eq!((typed.numeric(), typed.fields()), (rows.numeric(), rows.fields()), "{text}");
    }
}

#[test]
fn neither_threads_nor_blocks_nor_headers_change_what_is_computed() {
    let files = files();
    let row = |i: u64| {
        let seen: Vec<String> = (0..i % 5).map(|k| (i * 7 + k * k % 11).to_string()).collect();
        let time = 1_772_913_900_000 + i * 7_919_000;
        format!("{},{},{},{},{time},{}\n", i % 2, i % 3, i * 31 % 97, i * 17 % 13, seen.join(" "))
    };
    let rows = (0..3000).map(row).collect::<String>();
    files.write("many.csv", format!("l,user,play,duration,ms,seen\n{rows}"));
    files.write("bare.csv", &rows);
    let text = "
csv: {train: DIR/many.csv, features: [play]}
fields:
- {name: hour, value: hour(ms)}
- {column: seen, separator: ' ', table: values}
- {name: cross, value: 'cross(duration, weekday(ms))', table: values}
numbers: [{name: ratio, value: play / duration}, {name: length, value: len(seen)}]
numeric_missing: zero
";
    let data = section(&files, text);
    let read = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let data = pool.install(|| load(&data, &[label("l", "l")])).unwrap();
        (data.encoders, data.train)
    };
    let (encoders, train) = read(1);
    assert!(read(3) == (encoders, train.clone()));
    let read = |block| {
        let paths = data.csv.as_ref().unwrap().train.clone();
        join(TableReader::open_blocks(&paths, &data, &[label("l", "l")], block).unwrap()).unwrap()
    };
    let (small, large) = (read(100), read(1 << 20));
    assert!(small.numeric().to_dense() == large.numeric().to_dense());
    assert!(small.fields() == large.fields() && small.labels() == large.labels());
    // Without a header, columns have the names of their places.
    let bare = "
csv: {train: DIR/bare.csv, features: [2], header: false}
fields:
- {name: hour, value: 'hour(`column 4`)'}
- {column: 5, name: seen, separator: ' ', table: values}
- {name: cross, value: 'cross(`column 3`, weekday(`column 4`))', table: values}
numbers: [{name: ratio, value: '`column 2` / `column 3`'}, {name: length, value: 'len(`column 5`, \" \")'}]
numeric_missing: zero
";
    let loaded = load(&section(&files, bare), &[crate::support::label_at("l", 0)]).unwrap();
    assert!(loaded.train == train);
}

#[test]
fn columns_of_computed_inputs_are_features_where_they_are_read_as_numbers() {
    let files = Files::with("log.csv", "l,a,b,t,s\n1,1,2,2026-03-07,x y\n0,3,4,2026-03-08,z\n");
    let numeric = |rest: &str| {
        let text = format!("{{csv: {{train: DIR/log.csv}}, valid_fraction: 0, {rest}}}");
        load(&section(&files, &text), &[label("l", "l")]).map(|data| data.schema.numeric)
    };
    let both =
        "numbers: [{name: r, value: a / b}, {name: d, value: seconds(t)}, {name: n, value: 'len(s, \" \")'}]";
    assert_eq!(numeric(both).unwrap(), ["a", "b", "r", "d", "n"]);
    let field = "fields: [{name: f, value: 'cross(a, t, s)'}]";
    assert_eq!(numeric(field).unwrap(), ["b"]);
}

#[test]
fn splits_weights_and_labels_compare_times_and_count_lists() {
    let files = files();
    let text = "
csv: {train: DIR/log.csv, features: [duration]}
normalize: none
fields: [{column: seen, separator: ' '}]
weight: len(seen) + 1
split: {valid: time >= \"2026-03-08\", test: ms < \"2026-03-07T20:06:00\" && tab != \"home\"}
";
    let data = load(&section(&files, text), &[label("long", "len(seen) > 1")]).unwrap();
    assert_eq!(data.train.labels(), [1.0, 1.0, 0.0]);
    assert_eq!(data.train.mask(), [4.0, 3.0, 2.0]);
    assert_eq!(data.valid.unwrap().mask(), [1.0, 2.0]);
}

#[test]
fn columns_that_labels_are_made_of_are_computed_of_with_a_warning() {
    let files = files();
    let text = "{csv: {train: DIR/log.csv, features: [duration]}, valid_fraction: 0, numbers: [{name: p, value: log1p(ms)}]}";
    let data = load(
        &section(&files, &text.replace("fraction: 0", "fraction: 0, numeric_missing: zero")),
        &[label("l", "ms > 1772913900000")],
    )
    .unwrap();
    let said: Vec<String> = data.mentioned.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["input \"ms\" stands in tasks.l.label too; list it only if it is known before the outcome is"]
    );
}

#[cfg(feature = "parquet")]
#[test]
fn times_and_lists_of_parquet_give_what_their_texts_give() {
    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{
        ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    };
    let files = files();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for list in [Some(&["a", "b", "b"][..]), None, Some(&["q"]), Some(&[])] {
        if let Some(list) = list {
            list.iter().for_each(|value| lists.values().append_value(value));
        }
        lists.append(list.is_some());
    }
    let micros = [Some(1_772_913_900_250_000_i64), Some(951_782_400_000_000), None, Some(-1)];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("l", Arc::new(Int64Array::from(vec![1, 0, 1, 0]))),
        ("time", Arc::new(TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("Asia/Shanghai"))),
        ("date", Arc::new(Date32Array::from(vec![Some(20_519), None, Some(0), Some(11_016)]))),
        ("video", Arc::new(StringArray::from(vec!["b", "q", "q", "q"]))),
        ("seen", Arc::new(lists.finish())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(files.path("rows.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    files.write(
        "rows.csv",
        "l,time,date,video,seen\n1,2026-03-07T20:05:00.25Z,2026-03-07,b,a b b\n0,2000-02-29 08:00:00+08:00,,q,\n\
         1,,1970-01-01,q,q\n0,1969-12-31T23:59:59.999999Z,2000-02-29,q,\n",
    );
    let config = |ext: &str, field: &str| {
        let text = format!(
            "
csv: {{train: DIR/rows.{ext}, features: none}}
valid_fraction: 0
normalize: none
numeric_missing: zero
fields:
- {{name: hour, value: 'hour(time, \"-01:30\")'}}
- {{name: day, value: 'cross(weekday(date, \"s\"), day(time), month(time))'}}
{field}
numbers:
- {{name: seconds, value: seconds(time)}}
- {{name: days, value: days(date)}}
- {{name: late, value: 'date >= \"2000-02-29\"'}}
- {{name: length, value: 'len(seen, \" \")'}}
- {{name: count, value: 'count(video in seen)'}}
"
        );
        text.replace("(video in seen)", "(video in seen, \" \")")
    };
    let read =
        |ext: &str, field: &str| load(&section(&files, &config(ext, field)), &[label("l", "l")]).unwrap();
    for field in ["", "- {column: seen, separator: ' '}"] {
        let [text, typed] = ["csv", "parquet"].map(|ext| read(ext, field));
        crate::parquet::assert_same(&text, &typed);
        let rows = typed.train.numeric().to_dense();
        assert_eq!(rows.row(0)[1..], [20_519.0, 1.0, 3.0, 2.0]);
        assert_eq!(rows.row(3)[1..], [11_016.0, 1.0, 0.0, 0.0]);
        let config = section(&files, &config("parquet", field));
        let paths = &config.csv.as_ref().unwrap().train;
        let records = Records::read(paths, &config, &["seen".to_owned()], 9).unwrap();
        assert_eq!(records.record(0).collect::<Vec<_>>(), [b"a b b"]);
    }
}
