//! Inputs that are computed, from a text file to a served model: the same predictions through every door.
#![cfg(unix)]

use std::io::BufReader;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::parquet_writer::{Form, convert};
use crate::serving::{post, post_to, serve};
use crate::support::{Folder, numbers};

const CONFIG: &str = "
version: 1
data:
  csv: {train: FILE, missing: [n/a]}
  split: {valid: 'time >= \"2026-03-10\"'}
  numeric_missing: mean
  fields:
  - {column: seen, separator: '|', last: 2}
  - {name: hour, value: 'hour(time, \"+08:00\")'}
  - {name: weekday, value: weekday(ms)}
  - {name: tab_hour, value: 'cross(tab, hour(time))', encode: {hash: 100}}
  - {name: long, value: 'if(play > 5, \"long\", tab)'}
  numbers:
  - {name: ratio, value: play / duration}
  - {name: length, value: len(seen)}
  - {name: times, value: count(video in seen)}
tasks: [{name: click, label: click}]
model: {kind: mmoe, experts: 2, expert: [4], embedding: {width: 4}}
train: {epochs: 2, batch_size: 16, optimizer: {lr: 0.05}}
";

fn rows() -> String {
    let row = |i: u64| {
        let (day, hour, minute) = (7 + i / 60 % 5, i * 7 % 24, i * 13 % 60);
        let zone = ["Z", "", "+08:00", " UTC"][(i % 4) as usize];
        let time = match i % 9 {
            0 => "n/a".to_owned(),
            _ => format!("2026-03-{day:02}T{hour:02}:{minute:02}:07.25{zone}"),
        };
        let ms = 1_772_841_600_000 + i * 7_919_123;
        let seen = ["a|b|b", "n/a", "b", "c|a|b|a", ""][(i % 5) as usize];
        let (tab, video) =
            (["home", "n/a", "é×", "feed"][(i * 13 % 4) as usize], ["a", "b", "c"][(i % 3) as usize]);
        let (play, duration) = (i * 7 % 11, i * 5 % 6);
        let click = u64::from((i * 97 % 40 + i * 7 % 11).is_multiple_of(3));
        format!("{click},{time},{ms},{tab},{video},{seen},{play},{duration}\n")
    };
    format!("click,time,ms,tab,video,seen,play,duration\n{}", (0..300).map(row).collect::<String>())
}

/// The cells of a column of the rows: as texts, or numbers as numbers.
fn column(text: &str, column: usize, typed: bool) -> Vec<Value> {
    let cell = |line: &str| {
        let cell = line.split(',').nth(column).expect("a cell");
        match (cell.parse::<u64>(), cell) {
            (Ok(number), _) if typed => json!(number),
            (_, "") if typed => Value::Null,
            _ => json!(cell),
        }
    };
    text.lines().skip(1).map(cell).collect()
}

#[test]
fn computed_inputs_are_the_same_in_files_of_either_kind_and_over_http() {
    let folder = Folder::new();
    folder.write("rows.csv", rows());
    convert(rows().as_bytes(), folder.path("rows.parquet"), Form::default());
    let mut weights = None;
    for file in ["rows.parquet", "rows.csv"] {
        folder.write("c.yaml", CONFIG.replace("FILE", file));
        let run = format!("run-{file}");
        folder.mt(&["train", "c.yaml", "--run-dir", &run]).done();
        let found = folder.bytes(&format!("{run}/checkpoints/epoch-002/weights.safetensors"));
        assert!(*weights.get_or_insert_with(|| found.clone()) == found, "{file}");
    }
    let eval = |file: &str| folder.mt(&["eval", "--run", "run-rows.csv", "--data", file, "--json"]).json();
    let auc = |file: &str| eval(file)[0]["tasks"].clone();
    assert_eq!(auc("rows.csv"), auc("rows.parquet"));
    folder.mt(&["export", "--run", "run-rows.csv", "--out", "bundle"]).done();
    assert!(folder.read("bundle/README.md").contains("computed: `play / duration`"));
    // Columns of any order, without the labels, and with one that has the name of what is computed.
    let moved = |line: &str| {
        let mut cells: Vec<&str> = line.split(',').skip(1).collect();
        cells.reverse();
        format!("{},{}\n", cells.join(","), if line.starts_with("click") { "hour" } else { "99" })
    };
    folder.write("moved.csv", rows().lines().map(moved).collect::<String>());
    let predict =
        |model: [&str; 2], file: &str| folder.mt(&["predict", model[0], model[1], "--input", file]).done();
    let expected = predict(["--run", "run-rows.csv"], "rows.csv");
    for file in ["rows.csv", "rows.parquet", "moved.csv"] {
        assert_eq!(predict(["--bundle", "bundle"], file), expected, "{file}");
    }
    let expected: Vec<f32> = numbers(&expected).concat();
    let (mut child, address) = serve(&folder);
    let mut stream = BufReader::new(TcpStream::connect(&address).expect("a connection"));
    let names: Vec<String> = rows().lines().next().expect("a header").split(',').map(str::to_owned).collect();
    for typed in [false, true] {
        let columns: Vec<Vec<Value>> = (0..8).map(|i| column(&rows(), i, typed)).collect();
        let row = |row: usize| -> Value {
            (1..8)
                .map(|i| (names[i].clone(), columns[i][row].clone()))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let body = json!({"rows": (0..300).map(row).collect::<Vec<_>>()});
        let (_, answer) = post(&mut stream, &body.to_string());
        let found = answer["predictions"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        let found: Vec<f32> = found.map(|row| row["click"].to_string().parse().expect("a number")).collect();
        assert_eq!(found, expected, "{typed}");
        // Column by column.
        let kind = |i: usize| if typed && matches!(i, 2 | 6 | 7) { "INT64" } else { "BYTES" };
        let text = |value: &Value| if value.is_null() { json!("") } else { value.clone() };
        let tensor = |i: usize| {
            let data: Vec<Value> = columns[i].iter().map(text).collect();
            json!({"name": names[i], "shape": [300], "datatype": kind(i), "data": data})
        };
        let body = json!({"inputs": (1..8).map(tensor).collect::<Vec<_>>()});
        let (_, answer) = post_to(&mut stream, "/v2/models/tiny/infer", &body.to_string());
        let found = answer["outputs"][0]["data"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        let found: Vec<f32> = found.map(|x| x.to_string().parse().expect("a number")).collect();
        assert_eq!(found, expected, "v2, {typed}");
    }
    let (head, answer) = post(&mut stream, r#"{"rows":[{"time":"soon"}]}"#);
    assert!(head.starts_with("http/1.1 400"), "{answer}");
    assert!(answer.to_string().contains("a time, as 2026-03-07"), "{answer}");
    child.kill().expect("was there");
    child.wait().expect("ended");
}
