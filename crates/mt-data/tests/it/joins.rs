//! Side tables beside the rows of a file.

use mt_data::Dataset;
use mt_features::{Encoder, Ids, RawRows, RowEncoder, Table, Value};

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

const LISTS: &str = "
csv: {train: DIR/log.csv, features: [x], missing: ['?']}
valid_fraction: 0
normalize: none
numeric_missing: zero
fields:
- {column: video, table: video}
- {column: maker, table: maker}
- {column: seen, table: video, separator: ' ', last: 2, pooling: {attention: {query: video}}}
- {column: makers, table: maker, separator: ' ', last: 2, pooling: {attention: {query: maker, beside: seen}}}
numbers:
- {name: often, value: count(maker in makers)}
join:
- file: DIR/users.csv
  key: user
  lists: [{column: seen, separator: ' ', file: DIR/videos.csv, key: video, take: {makers: maker}}]
- {file: DIR/videos.csv, key: video}
";

fn listed() -> Files {
    let files = Files::with("log.csv", "l,user,video,x\n1,7,a,1\n0,8,b,2\n1,9,a,3\n0,6,c,4\n");
    // Of z nothing is known, of c no maker.
    files.write("users.csv", "user,seen\n7,a b a\n8,\n6,z\n5,c b\n");
    files.write("videos.csv", "video,maker\na,m\nb,n\nc,?\n");
    files
}

#[test]
fn lists_become_what_another_file_says_of_their_values() {
    let files = listed();
    let data = load(&section(&files, LISTS), &[label("l", "l")]).unwrap();
    let [_, maker, seen, makers] = data.train.fields() else { panic!() };
    assert_eq!(values(&data.train), [1.0, 2.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0]);
    // m three times, n once or twice; row 1 is a missing one, and user 9 is unknown.
    assert_eq!(maker.rows, [2, 3, 2, 1]);
    assert_eq!(seen.offsets, Some(vec![0, 2, 2, 2, 3]));
    assert_eq!((&makers.offsets, &makers.rows), (&seen.offsets, &vec![3, 2, 1]));
    assert_eq!(data.schema.sequences(), [[2, 3]]);
}

#[test]
fn a_candidate_is_found_by_the_name_that_a_file_gives_its_column() {
    let files = Files::with("log.csv", "l,x,item,seen\n1,1,a,a b\n0,2,b,a\n");
    let text = |query: &str| {
        let attention = format!("{{attention: {{query: {query}}}}}");
        format!(
            "csv: {{train: DIR/log.csv, features: [x]}}\nvalid_fraction: 0\nfields:\n- {{column: 2, table: item}}\n\
             - {{column: 3, table: item, separator: ' ', pooling: {attention}}}\n"
        )
    };
    let of = |query: &str| {
        let data = section(&files, &text(query));
        data.check().expect("what a file says is not known yet");
        load(&data, &[label("l", "l")])
    };
    assert_eq!(of("item").unwrap().schema.sequences(), [[1]]);
    assert_eq!(
        of("itme").unwrap_err().to_string(),
        "data.fields[1].pooling.attention.query: expected the name of a field with one value, found \"itme\""
    );
}

#[test]
fn mistakes_in_lists_of_side_tables_are_named() {
    let message = |from: &str, to: &str, file: Option<(&str, &str)>| {
        let files = listed();
        if let Some((name, text)) = file {
            files.write(name, text);
        }
        let text = LISTS.replace(from, to);
        assert!(from.is_empty() || text != LISTS);
        files.message(&load(&section(&files, &text), &[label("l", "l")]).unwrap_err())
    };
    assert_eq!(
        message("column: seen, separator: ' ', file", "column: sene, separator: ' ', file", None),
        "data.join[0].lists[0].column: no column \"sene\" in users.csv; did you mean \"seen\"?"
    );
    assert_eq!(
        message("makers: maker}", "makers: makre}", None),
        "data.join[0].lists[0].take.makers: no column \"makre\" in videos.csv; did you mean \"maker\"?"
    );
    assert_eq!(
        message("{column: seen, separator: ' '", "{column: seen, separator: 'x'", None),
        "data.join[0].lists[0].separator: expected one ASCII character that is no letter, digit or quote and ends no \
         line, found 'x'"
    );
    assert_eq!(
        message("{column: seen, separator: ' '", "{column: seen, separator: '|'", None),
        "data.fields[3].separator: expected the separator that the list was made with (data.join[].lists), found ' '"
    );
    // Without a text for what is missing, a list would be shorter than the one it is made of.
    assert_eq!(
        message(", missing: ['?']", "", Some(("videos.csv", "video,maker\na,m\nb,\n"))),
        "users.csv:2:3: field \"makers\": expected a value that the file of `lists` has a text without separators for, or a \
         text for those without (the first of `missing`), found \"b\" (record 1)"
    );
    assert!(
        message("", "", Some(("videos.csv", "video,maker\na,m\nb,n o\n")))
            .contains("found \"n o\" (record 1)"),
        "a text with the separator would be two values"
    );
}

#[test]
fn lists_in_parallel_are_equally_long_wherever_they_come_from() {
    let text = LISTS
        .replace("  lists: [", "  #")
        .replace("numbers:\n- {name: often, value: count(maker in makers)}\n", "");
    let files = listed();
    files.write("users.csv", "user,seen,makers\n7,a b,m n\n8,a,?\n9,,\n6,a b,m\n");
    let error = load(&section(&files, &text), &[label("l", "l")]).unwrap_err();
    assert_eq!(
        files.message(&error),
        "users.csv:5:7: field \"makers\": expected as many values as the list that it stands beside has, found \"1, not 2\" \
         (record 4)"
    );
    files.write("users.csv", "user,seen,makers\n7,a b,m n\n8,a,?\n9,,\n6,a b,m ?\n");
    let data = load(&section(&files, &text), &[label("l", "l")]).unwrap();
    let makers = &data.train.fields()[3];
    assert_eq!(
        (makers.offsets.as_deref(), &makers.rows[..]),
        (Some(&[0, 2, 3, 3, 5][..]), &[2, 3, 1, 2, 1][..])
    );
    let Dataset { schema, encoders, normalizer, .. } = &data;
    let policy = section(&files, &text).missing_policy();
    let encoder = RowEncoder::new(schema, encoders, normalizer, &policy).expect("an encoder");
    let mut rows = RawRows::new(encoder.into());
    let values = [Value::from("a"), "b".into()];
    let seen = ("seen", Value::List(&values));
    rows.push([seen, ("makers", Value::List(&values))]).expect("two and two");
    rows.push([("seen", "a".into()), ("makers", "?".into())]).expect("one, which is missing");
    let error = rows.push([seen]).expect_err("two and none").to_string();
    assert_eq!(
        error,
        "row 2: column \"makers\": expected as many values as the list that it stands beside has, found 0, not 2"
    );
    assert_eq!((rows.len(), rows.fields()[3].rows.len()), (2, 3));
}
