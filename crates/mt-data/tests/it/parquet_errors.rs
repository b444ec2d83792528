//! What is wrong with a Parquet file is said as for a text file, by row.

use mt_data::DataConfig;

use crate::parquet::{assert_same, types};
use crate::parquet_writer::{Column, Form, write};
use crate::support::{Files, label, load, section};

/// What is wrong when files are read with this configuration.
fn problem(files: &Files, text: &str) -> String {
    let error = load(&section(files, text), &[label("l", "l")]).unwrap_err();
    files.message(&error)
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let files = types(Form::default());
    let whole = std::fs::read(files.path("rows.parquet")).unwrap();
    files.write("a.parquet", &whole[..whole.len() - 5]);
    files.write("text.parquet", "l,x\n1,2\n");
    files.write("short", b"PAR1");
    let name = |name: &str| problem(&files, &format!("csv: {{train: DIR/{name}}}"));
    for file in ["a.parquet", "text.parquet", "short"] {
        assert_eq!(name(file), format!("{file}: not a readable Parquet file"));
    }
    // A page that is damaged, in a file whose footer is whole.
    let mut damaged = whole.clone();
    damaged[8..200].fill(0xFF);
    files.write("damaged.parquet", damaged);
    let text = "{csv: {train: DIR/damaged.parquet, features: [whole, w], exclude: []}}";
    assert_eq!(problem(&files, text), "damaged.parquet: not a readable Parquet file");
    assert_eq!(problem(&files, "csv: {train: DIR/none.parquet}"), "none.parquet: cannot be read");
}

#[test]
fn whatever_byte_of_a_file_is_changed_the_rest_is_read_or_refused() {
    let files = types(Form::default());
    let whole = std::fs::read(files.path("rows.parquet")).unwrap();
    let text = "{parquet: {train: DIR/changed.parquet, features: [whole, w]}, valid_fraction: 0}";
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        // The sign of a number in the footer, among others.
        changed[at] ^= 1;
        files.write("changed.parquet", changed);
        refused += usize::from(load(&section(&files, text), &[label("l", "l")]).is_err());
    }
    assert!(refused > 100, "{refused} of {}", whole.len());
}

#[test]
fn the_section_for_parquet_files_has_no_keys_about_text_and_takes_no_text() {
    let files = types(Form::default());
    let text = "{SECTION: {train: DIR/rows.parquet, test: DIR/rows.parquet, features: [whole, w]}, valid_fraction: 0}";
    let [a, b] = ["csv", "parquet"]
        .map(|kind| load(&section(&files, &text.replace("SECTION", kind)), &[label("l", "l")]).unwrap());
    assert_same(&a, &b);
    assert_eq!(b.test.map(|test| test.len()), Some(4));
    assert_eq!(problem(&files, "parquet: {train: DIR/rows.csv}"), "rows.csv: not a readable Parquet file");
    let error =
        serde_yaml::from_str::<DataConfig>("parquet: {train: a.parquet, delimiter: ';'}").unwrap_err();
    let expected = "parquet: unknown field `delimiter`, expected one of `train`, `valid`, `test`, `features`, \
                    `exclude`, `on_bad_record`, `missing`";
    assert!(error.to_string().starts_with(expected), "{error}");
    let split = "{parquet: {train: a, test: b}, split: {test: w == 1}}";
    let expected = "data.parquet.test: expected nothing, as `data.split` picks these rows, found b";
    assert_eq!(problem(&files, split), expected);
}

#[test]
fn columns_that_cannot_be_what_is_asked_are_named() {
    let files = types(Form::default());
    let schema = "message m {
        required int32 l;
        optional group who { optional int32 age; optional int32 size; }
        optional group where { optional int32 at; }
        optional group map (MAP) { repeated group key_value { required int32 key; optional int32 value; } }
        optional group deep (LIST) { repeated group list { optional group element (LIST) { repeated group list {
            optional int32 element; } } } }
    }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let file = std::fs::File::create(files.path("odd.parquet")).unwrap();
    let writer = parquet::file::writer::SerializedFileWriter::new(file, schema, Default::default()).unwrap();
    writer.close().unwrap();
    for (column, found) in [
        ("who", "a struct"),
        ("where", "a struct"),
        ("map", "a map"),
        ("deep", "a list of more than plain values"),
    ] {
        let text = format!("csv: {{train: DIR/odd.parquet, features: ['{column}']}}");
        let expected = format!("odd.parquet: column \"{column}\": expected numbers or texts, found {found}");
        assert_eq!(problem(&files, &text), expected);
    }
    // Where they are not needed they do not matter.
    let text = "csv: {train: DIR/odd.parquet, features: [l]}";
    let error = load(&section(&files, text), &[label("task", "l == 1")]).unwrap_err();
    assert_eq!(error.to_string(), "train has no rows");
    let list = |text: &str| problem(&files, &format!("{{csv: {{train: DIR/rows.parquet, {text}}}"));
    let one = "expected one value a row, as a list is only for fields with one and the same `separator`";
    let one = format!("rows.parquet: column \"tags\": {one}, found a list");
    assert_eq!(list("features: [tags]}"), one);
    assert_eq!(list("features: [whole]}, group: tags"), one);
    assert_eq!(list("features: [whole]}, fields: [{column: tags}]"), one);
    let missing = "data.csv.features: no column \"hole\" in rows.parquet; did you mean \"whole\"?";
    assert_eq!(list("features: [hole]}"), missing);
    let section = problem(&files, "parquet: {train: DIR/rows.parquet, exclude: [hole]}");
    assert_eq!(section, missing.replace("csv.features", "parquet.exclude"));
}

#[test]
fn bad_values_are_named_by_their_row() {
    let files = Files::new();
    let lists = vec![Some(vec![Some(1)]), Some(vec![Some(1), None]), Some(vec![None])];
    let texts = |texts: [&str; 3]| Column::Texts(texts.map(|text| Some(text.to_owned())).into());
    let columns = [
        ("l", Column::Longs(vec![Some(1), Some(0), Some(1)])),
        ("two", Column::Longs(vec![Some(1), Some(2), Some(1)])),
        ("nan", Column::Doubles(vec![Some(1.0), Some(f64::NAN), Some(1.0)])),
        ("hole", Column::Floats(vec![Some(1.0), Some(1.0), None])),
        ("large", Column::Doubles(vec![Some(1e39), Some(1.0), Some(1.0)])),
        ("seen", Column::LongLists(lists)),
        ("comma", Column::TextLists(["a", "b", "c,d"].map(|x| Some(vec![Some(x.to_owned())])).into())),
        ("text", texts(["1", "1", "n/a"])),
    ];
    write(files.path("a.parquet"), &columns, Form { group: 2, ..Form::default() });
    let feature =
        |column: &str| problem(&files, &format!("csv: {{train: DIR/a.parquet, features: [{column}]}}"));
    let number = |row: u64, column: &str, found: &str| {
        format!("a.parquet: row {row}: field \"{column}\": expected a number, found {found}")
    };
    assert_eq!(feature("nan"), number(2, "nan", "\"NaN\""));
    assert_eq!(feature("hole"), number(3, "hole", "an empty field"));
    assert_eq!(feature("text"), number(3, "text", "\"n/a\""));
    let large = format!("\"1{}\"", "0".repeat(39));
    assert_eq!(feature("large"), number(1, "large", &large));
    let data = section(&files, "csv: {train: DIR/a.parquet, features: [l]}");
    let error = load(&data, &[label("task", "two")]).unwrap_err();
    assert_eq!(files.message(&error), "a.parquet: row 2: field \"two\": expected 0 or 1, found \"2\"");
    // A list holds whatever values it has: one may be missing, and a separator in it separates nothing.
    let field = |column: &str| {
        let text = "{csv: {train: DIR/a.parquet, features: none}, valid_fraction: 0, normalize: none, fields: [{column: COLUMN, separator: ','}]}";
        load(&section(&files, &text.replace("COLUMN", column)), &[label("l", "l")]).unwrap()
    };
    let of = |column: &str| {
        let data = field(column);
        let ids = data.train.fields()[0].clone();
        (ids.offsets, ids.rows, data.encoders.rows(column))
    };
    assert_eq!(of("seen"), (Some(vec![0, 1, 3, 4]), vec![2, 2, 1, 1], Some(3)));
    assert_eq!(of("comma"), (Some(vec![0, 1, 2, 3]), vec![2, 3, 4], Some(5)));
}

#[test]
fn mistakes_in_side_tables_are_named_by_their_row() {
    let files = Files::with("log.csv", "l,user\n1,7\n0,8\n");
    let table = |users: Vec<Option<i64>>, seen: Column| {
        let texts = Column::Texts(vec![Some("x".to_owned()); users.len()]);
        let columns = [("age", texts), ("user", Column::Longs(users)), ("seen", seen)];
        write(files.path("users.parquet"), &columns, Form::default());
    };
    let read = |more: &str| {
        let text = "{csv: {train: DIR/log.csv, features: none}, valid_fraction: 0, join: [{file: DIR/users.parquet, key: user}], MORE}";
        problem(&files, &text.replace("MORE", more))
    };
    let lists =
        |second: Option<i64>| Column::LongLists(vec![Some(vec![Some(1)]), Some(vec![Some(2), second])]);
    let seen = "fields: [{column: seen, separator: ','}]";
    table(vec![Some(7), Some(7)], lists(Some(3)));
    let twice = "users.parquet: row 2: key \"7\" is there twice, first at users.parquet: row 1";
    assert_eq!(read(seen), twice);
    table(vec![Some(7), Some(8)], lists(None));
    let expected = "values that are neither missing nor hold the field's separator";
    let bad = format!("users.parquet: row 2: field \"seen\": expected {expected}, found \"2,\"");
    assert_eq!(read(seen), bad);
    // A list that nothing needs is not read.
    let data = "{csv: {train: DIR/log.csv, features: none}, valid_fraction: 0, join: [{file: DIR/users.parquet, key: user}], fields: [{column: user}]}";
    assert_eq!(load(&section(&files, data), &[label("l", "l")]).unwrap().train.len(), 2);
    let list = "users.parquet: column \"seen\": expected one value a row, as a list is only for fields with one and the same `separator`, found a list";
    assert_eq!(read("fields: [{column: seen}]"), list);
    let age = "fields: [{column: age, encode: {buckets: 2}}]";
    let expected = "users.parquet: row 1: field \"age\": expected a number, found \"x\"";
    assert_eq!(read(age), expected);
}
