//! A value means the same through every door: a text file, a Parquet file, raw rows over HTTP.
#![cfg(unix)]

use std::io::BufReader;
use std::net::TcpStream;

use crate::parquet_writer::{Column, Form, convert, write};
use crate::serving::{post, serve};
use crate::support::{Folder, numbers};

const CONFIG: &str = "
version: 1
data:
  FILES
  numeric_missing: mean
  fields:
  - {column: user, encode: {hash: 50}}
  - {column: age, encode: {buckets: 4}}
  - {column: tags, separator: '|', last: 2}
  - {column: city}
  - {name: both, value: 'cross(city, user)', encode: {hash: 50}}
  numbers:
  - {name: ratio, value: price / count}
  - {name: length, value: len(tags)}
tasks: [{name: click, label: click}]
model: {kind: mmoe, experts: 2, expert: [4], embedding: {width: 4}}
train: {epochs: 2, batch_size: 16, optimizer: {lr: 0.05}}
";

/// Rows in which -1, `n/a` and `none` are values that are missing.
fn rows() -> String {
    let row = |i: u64| {
        let user = if i.is_multiple_of(7) { "n/a".to_owned() } else { (i * 97 % 40).to_string() };
        let age = if i.is_multiple_of(5) { "-1".to_owned() } else { (18 + i * 31 % 50).to_string() };
        let tags = ["a|b|c", "none", "b", "c|none|a", ""][(i % 5) as usize];
        let city = ["Rome", "n/a", "Oslo", "-1"][(i * 13 % 4) as usize];
        let price = if i.is_multiple_of(3) { "-1".to_owned() } else { (i * 7 % 11).to_string() };
        let count = if i.is_multiple_of(4) { String::new() } else { format!("{}.25", i * 5 % 9) };
        let click = u64::from((i * 97 % 40 + i * 7 % 11).is_multiple_of(3));
        format!("{click},{user},{age},{tags},{city},{price},{count}\n")
    };
    format!("click,user,age,tags,city,price,count\n{}", (0..300).map(row).collect::<String>())
}

/// Each row as JSON: its cells as texts, or numbers as numbers.
fn json(text: &str, typed: bool) -> String {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().expect("a header");
    let cell = |(name, cell): (&&str, &&str)| {
        let number = typed && *name != "tags" && cell.parse::<f64>().is_ok();
        let value = match (number, cell.is_empty()) {
            (_, true) => "null".to_owned(),
            (true, _) => (*cell).to_owned(),
            (false, _) => format!("{cell:?}"),
        };
        format!("{name:?}:{value}")
    };
    let row = |cells: Vec<&str>| names.iter().zip(&cells).skip(1).map(cell).collect::<Vec<_>>().join(",");
    let rows: Vec<String> = lines.map(|cells| format!("{{{}}}", row(cells))).collect();
    format!("{{\"rows\":[{}]}}", rows.join(","))
}

/// Predictions of a request.
fn asked(stream: &mut BufReader<TcpStream>, body: &str) -> Vec<Vec<f32>> {
    let (head, answer) = post(stream, body);
    assert!(head.starts_with("http/1.1 200"), "{head}: {answer}");
    let rows = answer["predictions"].as_array().expect("a list");
    rows.iter().map(|row| vec![row["click"].to_string().parse().expect("a number")]).collect()
}

#[test]
fn missing_values_lists_and_buckets_are_served_as_files_of_either_kind_are_predicted() {
    for files in [
        "csv: {train: rows.csv, missing: [n/a, '-1', none]}",
        "parquet: {train: rows.parquet, missing: [n/a, '-1', none]}",
    ] {
        let folder = Folder::new();
        folder.write("rows.csv", rows());
        convert(rows().as_bytes(), folder.path("rows.parquet"), Form::default());
        folder.write("c.yaml", CONFIG.replace("FILES", files));
        folder.mt(&["train", "c.yaml", "--run-dir", "run"]).done();
        folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
        let predict = |file: &str| folder.mt(&["predict", "--bundle", "bundle", "--input", file]).done();
        let expected = predict("rows.csv");
        assert_eq!(predict("rows.parquet"), expected, "{files}");
        let (mut child, address) = serve(&folder);
        let mut stream = BufReader::new(TcpStream::connect(&address).expect("a connection"));
        for typed in [false, true] {
            assert_eq!(asked(&mut stream, &json(&rows(), typed)), numbers(&expected), "{files}, {typed}");
        }
        child.kill().expect("was there");
        child.wait().expect("ended");
    }
}

#[test]
fn a_whole_number_of_any_length_is_one_value_in_json_and_in_a_file() {
    let folder = Folder::new();
    folder.write("rows.csv", rows());
    folder.write("c.yaml", CONFIG.replace("FILES", "csv: {train: rows.csv, missing: [n/a, '-1', none]}"));
    folder.mt(&["train", "c.yaml", "--run-dir", "run"]).done();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let long = "7".repeat(400);
    let users = [
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551617",
        "-9223372036854775808",
        "-9223372036854775809",
        "340282366920938463463374607431768211455",
        "100000000000000000000",
        &long,
    ];
    let row = |user: &&str| format!("0,{user},20,b,Rome,1.5,2\n");
    let text = format!("click,user,age,tags,city,price,count\n{}", users.iter().map(row).collect::<String>());
    folder.write("new.csv", &text);
    let expected = numbers(&folder.mt(&["predict", "--bundle", "bundle", "--input", "new.csv"]).done());
    assert_ne!(expected[1], expected[2], "they must not hash to the same row");
    let (mut child, address) = serve(&folder);
    let mut stream = BufReader::new(TcpStream::connect(&address).expect("a connection"));
    assert_eq!(asked(&mut stream, &json(&text, true)), expected);
    assert_eq!(asked(&mut stream, &json(&text, false)), expected);
    let (head, answer) = post(&mut stream, r#"{"rows":[{"user":1e999}]}"#);
    assert!(head.starts_with("http/1.1 400"), "{answer}");
    child.kill().expect("was there");
    child.wait().expect("ended");
}

#[test]
fn labels_of_files_to_be_scored_are_not_looked_at() {
    let folder = Folder::new();
    folder.write("rows.csv", rows());
    let config = CONFIG.replace(
        "FILES",
        "csv: {train: rows.csv, missing: [n/a, '-1', none]}\n  weight: click + 1\n  group: user",
    );
    folder.write("c.yaml", config);
    folder.mt(&["train", "c.yaml", "--run-dir", "run"]).done();
    let predict = |file: &str| folder.mt(&["predict", "--run", "run", "--input", file]).done();
    let expected = predict("rows.csv");
    for label in ["True", "-2", "7", "later", "\"\"", "2024-01-01"] {
        let with = |(i, line): (usize, &str)| match (i, line.split_once(',')) {
            (1.., Some((_, rest))) => format!("{label},{rest}\n"),
            _ => format!("{line}\n"),
        };
        folder.write("new.csv", rows().lines().enumerate().map(with).collect::<String>());
        assert_eq!(predict("new.csv"), expected, "{label}");
    }
    // A label of a type that no label can have: a list.
    let mut columns = crate::parquet_writer::columns(rows().as_bytes());
    columns[0].1 = Column::LongLists(vec![Some(vec![Some(1), None]); 300]);
    let columns: Vec<(&str, Column)> =
        columns.iter().map(|(name, column)| (name.as_str(), column.clone())).collect();
    write(folder.path("new.parquet"), &columns, Form::default());
    assert_eq!(predict("new.parquet"), expected);
    // Where the labels are needed, they are still read.
    let said = folder.mt(&["eval", "--run", "run", "--data", "new.csv"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("field \"click\": expected a number, found \"2024-01-01\""), "{}", said.err);
}

#[test]
fn truth_is_the_same_number_through_every_door() {
    let folder = Folder::new();
    let truth = |i: u64| (i * 31 % 7).is_multiple_of(2);
    let label = |i: u64| truth(i) != i.is_multiple_of(5);
    let rows = |yes: &str, no: &str| {
        let cell = |truth| if truth { yes } else { no };
        let row = |i: u64| format!("{},{},{}\n", cell(label(i)), cell(truth(i)), i % 9);
        format!("click,flag,x\n{}", (0..120).map(row).collect::<String>())
    };
    let config = "
version: 1
data: {csv: {train: rows.csv}}
tasks: [{name: click, label: click}]
model: {kind: shared-bottom, bottom: [4], tower: [2]}
train: {epochs: 2, batch_size: 16}
";
    folder.write("tiny.yaml", config);
    let mut expected = None;
    for (yes, no) in [("1", "0"), ("true", "false"), ("True", "False"), ("TRUE", "FALSE")] {
        folder.write("rows.csv", rows(yes, no));
        folder.mt(&["train", "tiny.yaml", "--run-dir", yes]).done();
        let weights = folder.bytes(&format!("{yes}/checkpoints/epoch-002/weights.safetensors"));
        assert!(*expected.get_or_insert_with(|| weights.clone()) == weights, "{yes}");
    }
    let column = |of: &dyn Fn(u64) -> bool| Column::Bools((0..120).map(|i| Some(of(i))).collect());
    let columns = [
        ("click", column(&label)),
        ("flag", column(&truth)),
        ("x", Column::Longs((0..120).map(|i| Some(i % 9)).collect())),
    ];
    write(folder.path("rows.parquet"), &columns, Form::default());
    folder.mt(&["train", "tiny.yaml", "--set", "data.csv.train=rows.parquet", "--run-dir", "parquet"]).done();
    let weights = folder.bytes("parquet/checkpoints/epoch-002/weights.safetensors");
    assert!(expected == Some(weights), "parquet");
    folder.mt(&["export", "--run", "1", "--out", "bundle"]).done();
    let (mut child, address) = serve(&folder);
    let mut stream = BufReader::new(TcpStream::connect(&address).expect("a connection"));
    let answers = ["1", "true", "\"True\""]
        .map(|flag| asked(&mut stream, &format!("{{\"rows\":[{{\"flag\":{flag},\"x\":3}}]}}")));
    child.kill().expect("is killed");
    child.wait().expect("has ended");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}
