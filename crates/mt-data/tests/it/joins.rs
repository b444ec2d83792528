//! Side tables beside the rows of a file.

use mt_features::{Encoder, Ids, Table};

use crate::support::{Files, label, load, section, values};

const TEXT: &str = "
csv: {train: DIR/log.csv, features: [age, x]}
valid_fraction: 0
normalize: none
numeric_missing: zero
fields:
- {column: video, table: video}
- {column: seen, table: video, separator: ' '}
- {column: city}
- {column: user}
join: [{file: DIR/users.csv, key: user}, {file: DIR/videos.csv, key: video}]
";

fn files() -> Files {
    let files = Files::with("log.csv", "l,user,video,x\n1,7,a,1\n0,8,b,2\n1,9,a,3\n");
    files.write("users.csv", "age,user,seen,city\n20,7,a b z,\"New \"\"York\"\"\"\n30,8,,?\n40,6,q,Rome\n");
    files.write("videos.csv", "video,length\na,10\nb,20\n");
    files
}

#[test]
fn columns_of_side_tables_are_like_the_files_own() {
    let files = files();
    let data =
        load(&section(&files, TEXT), &[label("long", "length > 15 && l == 0"), label("l", "l")]).unwrap();
    assert_eq!(data.schema.numeric, ["age", "x"]);
    assert_eq!(values(&data.train), [20.0, 1.0, 30.0, 2.0, 0.0, 3.0]);
    assert_eq!(data.train.labels(), [0., 1., 1., 0., 0., 1.]);
    let [video, seen, city, user] = data.train.fields() else { panic!() };
    // a three times, b twice, z once; q belongs to no training row.
    assert_eq!(video.rows, [2, 3, 2]);
    assert_eq!(seen, &Ids { offsets: Some(vec![0, 3, 3, 3]), rows: vec![2, 3, 4], keys: None });
    assert_eq!(data.encoders.rows("video"), Some(5));
    assert_eq!(city.rows, [3, 2, 1]);
    let Some(Encoder::Vocabulary(cities)) = data.encoders.encoder("city") else { panic!() };
    assert_eq!(cities.values().collect::<Vec<_>>(), [&b"?"[..], b"New \"York\""]);
    assert_eq!(user.rows, [2, 3, 4]);
}

#[test]
fn a_row_without_partner_is_missing_or_an_error() {
    let files = files();
    let strict = TEXT.replace("key: user}", "key: user, missing: fail}");
    let error = load(&section(&files, &strict), &[label("l", "l")]).unwrap_err();
    assert_eq!(
        files.message(&error),
        "log.csv:4:3: field \"user\": expected a key of users.csv, found \"9\" (record 3)"
    );
    let numbers = TEXT.replace("numeric_missing: zero\n", "");
    let error = load(&section(&files, &numbers), &[label("l", "l")]).unwrap_err();
    assert_eq!(
        files.message(&error),
        "log.csv:4:3: field \"age\": expected a number, found an empty field (record 3)"
    );
}

#[test]
fn mistakes_in_side_tables_are_named_with_their_place() {
    let message = |name: &str, text: &str| {
        let files = files();
        files.write(name, text);
        files.message(&load(&section(&files, TEXT), &[label("l", "l")]).unwrap_err())
    };
    assert_eq!(
        message("users.csv", "age,user,seen,city\n1,7,,\n2,8,,\n3,7,,\n"),
        "users.csv:4:3: key \"7\" is there twice, first at users.csv:2:3"
    );
    assert_eq!(
        message("users.csv", "age,user,seen,x,city\n1,7,,,\n"),
        "column \"x\" is in both log.csv and users.csv"
    );
    assert_eq!(
        message("videos.csv", "video,city\na,1\n"),
        "column \"city\" is in both users.csv and videos.csv"
    );
    assert_eq!(
        message("users.csv", "age,usr,seen,city\n1,7,,\n"),
        "data.join[0].key: no column \"user\" in users.csv; did you mean \"usr\"?"
    );
    assert_eq!(
        message("users.csv", "age,user,seen,city\n1,7,\n"),
        "users.csv:2:5: expected 4 fields, found 3 (record 1)"
    );
    assert_eq!(
        message("users.csv", "age,user,seen,city\n1,7,a  b,\n"),
        "users.csv:2:5: field \"seen\": expected a value between any two separators, found \"a  b\" (record 1)"
    );
    assert_eq!(
        message("users.csv", "age,user,seen,city\n\nold,7,a b,\n2,8,,\n"),
        "users.csv:3:1: field \"age\": expected a number, found \"old\" (record 1)"
    );
    let files = files();
    let none = TEXT.replace("videos.csv", "movies.csv");
    let error = load(&section(&files, &none), &[label("l", "l")]).unwrap_err();
    assert_eq!(files.message(&error), "movies.csv: cannot be read");
    let other = TEXT.replace("key: video", "key: clip");
    let error = load(&section(&files, &other), &[label("l", "l")]).unwrap_err();
    assert_eq!(files.message(&error), "data.join[1].key: no column \"clip\" in videos.csv");
}

#[test]
fn joined_rows_do_not_depend_on_threads() {
    let files = files();
    let rows: String =
        (0..20_000).map(|i| format!("{},{},{},{i}\n", i % 2, i % 11, ["a", "b", "c"][i % 3])).collect();
    files.write("log.csv", format!("l,user,video,x\n{rows}"));
    let read = |threads| -> Table {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| load(&section(&files, TEXT), &[label("l", "l")])).unwrap().train
    };
    assert_eq!(read(1), read(3));
}
