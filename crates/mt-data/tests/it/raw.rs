//! Raw rows: the same numbers and table rows as from a file.

use std::sync::Arc;

use mt_data::{Dataset, Labels, Records, TableReader};
use mt_features::fields::{MISSING, UNKNOWN};
use mt_features::{Layout, MissingPolicy, Normalizer, RawRows, RowEncoder, Value};

use crate::support::{Files, join, label, load, section};

const TEXT: &str = "
csv: {train: DIR/rows.csv, features: [age, x, y], missing: ['?', '-124']}
valid_fraction: 0
normalize: standard
numeric_missing: mean
fields:
- {column: video, table: video, encode: {hash: 1000}}
- {column: seen, table: video, separator: ' ', last: 2}
- {column: city, encode: {vocabulary: {min_count: 2}}}
- {column: user, encode: {identity: 100}}
- {column: user, name: again}
- {column: cost, encode: {buckets: 4}}
join: [{file: DIR/users.csv, key: user}]
";

fn files() -> Files {
    let rows = "l,user,video,x,y,cost\n1,7,18446744073709551615,1.5,0,3\n0,8,b,-124,0,2.5\n1,9, \"a\"\"b\" ,3,1,?\n\
                0,7,?,0,0,-1\r\n\n1,200,b,1e3,0,9\n";
    let files = Files::with("rows.csv", rows);
    files.write(
        "users.csv",
        "age,user,seen,city\n20,7,a b z,\"New \"\"York\"\"\"\n30,8,,?\n40,6,q,Rome\n?,200,? b,Rome\n",
    );
    files
}

fn encoder(data: &Dataset, policy: &MissingPolicy) -> Arc<RowEncoder> {
    Arc::new(RowEncoder::new(&data.schema, &data.encoders, &data.normalizer, policy).unwrap())
}

#[test]
fn records_pushed_as_texts_are_the_rows_of_the_file() {
    let files = files();
    for normalize in ["none", "standard", "log1p-standard", "min-max"] {
        for missing in ["mean", "zero"] {
            let text = TEXT.replace("standard", normalize).replace("mean", missing);
            let (data, tasks) = (section(&files, &text), [label("l", "l")]);
            let mut loaded = load(&data, &tasks).unwrap();
            for layout in [Layout::Dense, Layout::Sparse] {
                loaded.normalizer.layout = layout;
                let Dataset { schema, normalizer, encoders, .. } = &loaded;
                let paths = &data.csv.as_ref().unwrap().train;
                let labels = Labels::Required;
                let reader =
                    TableReader::open_encoded(paths, &data, schema, &tasks, normalizer, encoders, labels);
                let expected = join(reader.unwrap()).unwrap();
                let encoder = encoder(&loaded, &data.missing_policy());
                assert_eq!(encoder.columns(), ["age", "x", "y", "video", "seen", "city", "user", "cost"]);
                let records = Records::read(paths, &data, encoder.columns(), usize::MAX).unwrap();
                let mut rows = RawRows::new(encoder);
                for record in 0..records.len() {
                    let values: Vec<Value> = records.record(record).map(Value::from).collect();
                    rows.push_values(&values).unwrap();
                }
                assert_eq!(rows.len(), 5);
                assert_eq!(rows.numeric(), expected.numeric(), "{text}");
                assert_eq!(rows.fields(), expected.fields(), "{text}");
            }
        }
    }
}

#[test]
fn numbers_lists_and_missing_values_are_what_their_texts_are() {
    let files = files();
    let data = section(&files, TEXT);
    let loaded = load(&data, &[label("l", "l")]).unwrap();
    let mut rows = RawRows::new(encoder(&loaded, &data.missing_policy()));
    let list = |values: &'static [Value<'static>]| Value::List(values);
    rows.push([("video", u64::MAX.into()), ("user", 7.into()), ("x", 1.5.into()), ("cost", 2.5f32.into())])
        .unwrap();
    rows.push([
        ("video", "18446744073709551615".into()),
        ("user", "7".into()),
        ("x", "1.5".into()),
        ("cost", "2.5".into()),
    ])
    .unwrap();
    rows.push([
        ("seen", list(&[Value::Unsigned(1), Value::Text(b"z"), Value::Missing])),
        ("x", (-124).into()),
        ("city", "Paris".into()),
    ])
    .unwrap();
    rows.push([
        ("seen", "1 z ?".into()),
        ("x", f64::NAN.into()),
        ("city", "Paris".into()),
        ("video", Value::Missing),
    ])
    .unwrap();
    let of = |field: usize, row: usize| rows.fields()[field].of(row);
    for field in 0..rows.fields().len() {
        assert_eq!(of(field, 0), of(field, 1));
        assert_eq!(of(field, 2), of(field, 3));
    }
    assert_eq!((of(1, 0), of(1, 2)), (&[][..], &[of(1, 2)[0], MISSING][..]));
    assert_eq!((of(0, 2), of(2, 2)), (&[MISSING][..], &[UNKNOWN][..]));
    let dense = rows.numeric().to_dense();
    assert_eq!((dense.row(0), dense.row(2)), (dense.row(1), dense.row(3)));
}

#[test]
fn numbers_that_sparse_rows_leave_out_are_zero() {
    let files = files();
    let data = section(&files, &TEXT.replace("mean", "fail"));
    let train = "l,user,video,x,y,cost\n1,7,a,1,0,3\n0,8,b,2,0,2.5\n1,7,a,0,5,1\n";
    files.write("rows.csv", train);
    let mut loaded = load(&data, &[label("l", "l")]).unwrap();
    let (mut dense, policy) = (Vec::new(), data.missing_policy());
    for layout in [Layout::Dense, Layout::Sparse] {
        loaded.normalizer = Normalizer { layout, ..loaded.normalizer };
        let encoder = encoder(&loaded, &policy);
        let column = |name: &str| encoder.column(name).unwrap();
        let (x, y) = (column("x"), column("y"));
        let mut rows = RawRows::new(encoder.clone());
        rows.push_sparse([(y, 2.into()), (x, 4.into())]).unwrap();
        rows.push([("x", 4.into()), ("age", 0.into()), ("y", 2.into())]).unwrap();
        dense.push(rows.numeric().to_dense());
        let error = rows.push([("x", 4.into()), ("y", 2.into())]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "row 2: column \"age\": expected a number, found nothing (numeric_missing: fail)"
        );
    }
    assert_eq!(dense[0], dense[1]);
    assert_eq!(dense[0].row(0), dense[0].row(1));
}

#[test]
fn values_that_cannot_be_are_refused_and_leave_the_rows_as_they_were() {
    let files = files();
    let data = section(&files, TEXT);
    let loaded = load(&data, &[label("l", "l")]).unwrap();
    let mut rows = RawRows::new(encoder(&loaded, &data.missing_policy()));
    rows.push([("x", 1.into())]).unwrap();
    let before = (rows.numeric().clone(), rows.fields().to_vec());
    let mut refused = |name: &'static str, value: Value<'static>, message: &str| {
        let error = rows.push([("seen", "a b".into()), (name, value)]).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!((rows.len(), rows.numeric(), rows.fields()), (1, &before.0, &before.1[..]));
        error
    };
    let unknown = refused("agee", 1.into(), "the model reads no column \"agee\"; did you mean \"age\"?");
    assert!(matches!(unknown, mt_features::Error::UnknownInput { .. }));
    refused("x", "n/a".into(), "row 1: column \"x\": expected a number, found \"n/a\"");
    refused("x", f64::INFINITY.into(), "row 1: column \"x\": expected a finite number, found inf");
    refused("x", 1e300.into(), &format!("row 1: column \"x\": expected a finite number, found {}", 1e300));
    refused("x", Value::List(&[]), "row 1: column \"x\": expected one number, found a list of 0");
    refused("seen", "c".into(), "row 1: column \"seen\": expected one value, found a second one");
    refused("city", Value::List(&[]), "row 1: column \"city\": expected one value, found a list of 0");
    refused("user", "u7".into(), "row 1: column \"user\": expected a whole number from 0, found \"u7\"");
    refused("cost", "dear".into(), "row 1: column \"cost\": expected a number, found \"dear\"");
    let error = rows.push_values(&[Value::Missing]).unwrap_err();
    assert_eq!(error.to_string(), "a row: expected 8 values, found 1");
}

#[test]
fn records_name_the_file_and_place_of_what_is_wrong() {
    let files = files();
    let data = section(&files, TEXT);
    let columns = ["x".to_owned(), "city".to_owned()];
    let message = |text: &str, columns: &[String]| {
        let path = files.write("new.csv", text);
        files.message(&Records::read(&path.into(), &data, columns, usize::MAX).unwrap_err())
    };
    assert_eq!(message("user,x\n7,1\n8\n", &columns), "new.csv:3:2: expected 2 fields, found 1 (record 2)");
    assert_eq!(
        message("user,x\n7,\"1\n", &columns),
        "new.csv:2:3: field \"x\": expected a closing quote right before the next field, found \"\\\"1\" (record 1)"
    );
    assert_eq!(message("user,y\n7,1\n", &columns), "new.csv: the feature column \"x\" is missing");
    let path = files.write("new.csv", "x,user\n1,7\n2,5\n3,8\n");
    let records = Records::read(&path.into(), &data, &columns, 2).unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records.record(0).collect::<Vec<_>>(), [&b"1"[..], b"New \"York\""]);
    assert_eq!(records.record(1).collect::<Vec<_>>(), [&b"2"[..], b""]);
}
