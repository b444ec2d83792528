//! Rows written with columns kept from the files they were read from.

use mt_data::{CsvConfig, FileFormat, KeptForm, Labels, Paths, RowWriter, TableReader};
use mt_features::{ColumnRef, Schema, TaskConfig, tasks};

use crate::parquet_writer::{Column, Form, write};

/// A reader over `paths` that reads the number `a` and keeps `columns`.
fn keeping(paths: &[String], columns: &[&str], form: KeptForm) -> mt_data::Result<TableReader> {
    let task = [TaskConfig::new("t", ColumnRef::Name("label".to_owned()))];
    let schema = Schema { numeric: vec!["a".to_owned()], tasks: tasks(&task).unwrap(), ..Schema::default() };
    let paths = Paths(paths.to_vec());
    let csv = CsvConfig::new(paths.clone());
    let columns: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
    TableReader::open_raw(&paths, &csv, &schema, &task, Labels::Optional)?.keep(&columns, form)
}

/// What all of it comes to as a file of this format, with the row's number as its prediction.
fn written(paths: &[String], columns: &[&str], format: FileFormat) -> mt_data::Result<Vec<u8>> {
    let mut reader = keeping(paths, columns, format.keeps())?;
    let (kept, path) = (reader.kept_columns(), "out".as_ref());
    let mut writer = RowWriter::new(Vec::new(), path, format, &kept, &["p".to_owned()])?;
    let mut row = 0;
    while let Some(next) = reader.next_kept() {
        let (table, kept) = next?;
        let numbers = (row..row + table.len()).map(|row| row as f32).collect();
        row += table.len();
        let rows = writer.encode(&kept, 0..table.len(), numbers);
        writer.write(kept, [rows])?;
    }
    writer.finish()
}

fn sample(rows: i64) -> Vec<(&'static str, Column)> {
    let some = |i: i64| i % 3 != 0;
    vec![
        ("a", Column::Doubles((0..rows).map(|i| Some(i as f64 / 8.0)).collect())),
        ("bool", Column::Bools((0..rows).map(|i| some(i).then_some(i % 2 == 0)).collect())),
        (
            "unsigned",
            Column::UnsignedLongs((0..rows).map(|i| some(i).then_some(u64::MAX - i as u64)).collect()),
        ),
        ("float", Column::Floats((0..rows).map(|i| some(i).then_some(i as f32 / 7.0)).collect())),
        ("text", Column::Texts((0..rows).map(|i| some(i).then(|| format!("t,{}", i % 50))).collect())),
        (
            "list",
            Column::LongLists((0..rows).map(|i| some(i).then(|| vec![Some(i), None, Some(1)])).collect()),
        ),
        ("whole", Column::Whole((0..rows).collect())),
    ]
}

const ALL: [&str; 6] = ["whole", "list", "text", "float", "unsigned", "bool"];

#[test]
fn columns_of_a_parquet_file_keep_types_values_and_gaps() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // More rows than a stripe, a page and a row group of the input, and a row group of the output.
    let rows = 120_000;
    write(path("in.parquet"), &sample(rows), Form { group: 50_000, page: 999, ..Form::default() });
    let out = written(&[path("in.parquet")], &ALL, FileFormat::Parquet).unwrap();
    std::fs::write(path("out.parquet"), &out).unwrap();
    let open = |name| SerializedFileReader::new(std::fs::File::open(path(name)).unwrap()).unwrap();
    let (given, found) = (open("in.parquet"), open("out.parquet"));
    let fields = |reader: &SerializedFileReader<_>| {
        let schema = reader.metadata().file_metadata().schema_descr();
        parquet::arrow::parquet_to_arrow_schema(schema, None).unwrap().fields
    };
    for field in fields(&found).iter().filter(|field| field.name() != "p") {
        assert!(fields(&given).iter().any(|one| one == field), "{field:?}");
    }
    assert_eq!(found.metadata().num_row_groups(), 2);
    let (mut given, mut found) = (given.get_row_iter(None).unwrap(), found.get_row_iter(None).unwrap());
    for i in 0..rows {
        let (given, found) = (given.next().unwrap().unwrap(), found.next().unwrap().unwrap());
        let cell = |row: &parquet::record::Row, name: &str| {
            row.get_column_iter().find(|(n, _)| *n == name).map(|(_, field)| field.clone()).unwrap()
        };
        for name in ALL {
            assert_eq!(cell(&given, name), cell(&found, name), "row {i}, {name}");
        }
        assert_eq!(cell(&found, "p"), parquet::record::Field::Float(i as f32));
    }
    assert!(found.next().is_none());
}

#[test]
fn the_same_columns_as_text_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    write(path("in.parquet"), &sample(5), Form::default());
    let columns = ["whole", "text", "float", "unsigned", "bool"];
    let text = written(&[path("in.parquet")], &columns, FileFormat::Csv).unwrap();
    let expected = "whole,text,float,unsigned,bool,p\n0,,,,,0\n1,\"t,1\",0.14285715,18446744073709551614,0,1\n\
                    2,\"t,2\",0.2857143,18446744073709551613,1,2\n3,,,,,3\n4,\"t,4\",0.5714286,18446744073709551611,1,4\n";
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    let error = written(&[path("in.parquet")], &["list"], FileFormat::Csv).unwrap_err().to_string();
    assert!(error.contains("column \"list\": expected one value a row"), "{error}");
}

#[test]
fn files_of_one_output_have_one_type_a_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let file = |name: &str, key: Column| {
        write(path(name), &[("a", Column::Doubles(vec![Some(1.0)])), ("key", key)], Form::default());
    };
    file("1.parquet", Column::Longs(vec![Some(1)]));
    file("2.parquet", Column::Longs(vec![Some(2)]));
    file("3.parquet", Column::Texts(vec![Some("3".to_owned())]));
    std::fs::write(path("4.csv"), "a,key\n1,4\n").unwrap();
    let all = |names: &[&str], format| {
        let paths: Vec<String> = names.iter().map(|name| path(name)).collect();
        written(&paths, &["key"], format).map_err(|error| error.to_string())
    };
    assert!(all(&["1.parquet", "2.parquet"], FileFormat::Parquet).is_ok());
    for other in ["3.parquet", "4.csv"] {
        let error = all(&["1.parquet", other], FileFormat::Parquet).unwrap_err();
        assert!(error.contains("column \"key\": expected the type that the first file has"), "{error}");
    }
    let text = all(&["1.parquet", "2.parquet", "3.parquet", "4.csv"], FileFormat::Csv).unwrap();
    assert_eq!(text, b"key,p\n1,0\n2,1\n3,2\n4,3\n");
}

#[test]
fn a_text_that_is_not_utf8_stays_as_it_is_in_text_and_is_refused_in_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.csv").to_str().unwrap().to_owned();
    std::fs::write(&path, b"key,a\nM\xfcller,1\n").unwrap();
    let text = written(std::slice::from_ref(&path), &["key"], FileFormat::Csv).unwrap();
    assert_eq!(text, b"key,p\nM\xfcller,0\n");
    let error = written(&[path], &["key"], FileFormat::Parquet).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("column \"key\" holds a text that is not UTF-8"));
}

#[test]
fn columns_without_names_are_kept_by_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bare.csv").to_str().unwrap().to_owned();
    std::fs::write(&path, "7,0.5,1\n18446744073709551615,0.5,0\n").unwrap();
    let task = [TaskConfig::new("t", ColumnRef::Index(2))];
    let csv =
        CsvConfig { header: false, exclude: vec![ColumnRef::Index(0)], ..CsvConfig::new(path.as_str()) };
    let schema = TableReader::open_training(&csv.train, &csv, &task).unwrap().schema();
    let reader = TableReader::open_raw(&csv.train, &csv, &schema, &task, Labels::Required).unwrap();
    let mut reader = reader.keep(&["0".to_owned()], KeptForm::Text).unwrap();
    assert_eq!(reader.kept_columns().names(), ["column 0"]);
    let (table, kept) = reader.next_kept().unwrap().unwrap();
    let texts =
        |row| kept.texts(row).map(|cell| String::from_utf8_lossy(cell).into_owned()).collect::<Vec<_>>();
    assert_eq!((table.len(), texts(0), texts(1)), (2, vec!["7".into()], vec!["18446744073709551615".into()]));
}
