//! From training to every way out: the same rows have the same probabilities, to the last bit.
#![cfg(unix)]

use std::io::BufReader;
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use mt_data::Dataset;
use mt_features::permutation;
use mt_train::{Config, Evaluation, RunDir, train};
use serde_json::json;

use crate::c::Model;
use crate::parquet_writer::{Column, Form, columns, write};
use crate::scoring::read_parquet;
use crate::serving::{post, serve};
use crate::support::{Folder, numbers};

/// Every kind of table, lists read with attention and missing numbers. Fewer than 48 inputs, so that the rows beside a row do not matter.
const CONFIG: &str = "\
version: 1
data:
  csv: {train: train.csv, valid: valid.csv, test: test.csv, features: [play, delta]}
  numeric_missing: mean
  fields:
  - {column: user}
  - {column: item, encode: {vocabulary: {min_count: 6}}}
  - {column: tags, encode: {hash: 16}, separator: '|'}
  - {column: length, encode: {buckets: 4}}
  - {column: tags, name: weighed, encode: {hash: 32}, separator: '|', pooling: {attention: {query: item}}}
  - {column: tags, name: beside, encode: {vocabulary: {min_count: 2}}, separator: '|',
     pooling: {attention: {query: user, beside: weighed}}}
tasks:
- {name: click, label: click}
- {name: like, label: like}
- {name: both, label: click && like, prediction: click * liked}
- {name: spend, label: 'if(click, length, 0)', kind: regression}
model: {kind: ple, expert: [8], embedding: {width: 6}, attention: {hidden: 12}}
train: {epochs: 3, batch_size: 32, optimizer: {lr: 0.03}, task_losses: {spend: ziln}}
";

/// Identifiers that no `f64` holds begin here.
const FIRST_USER: u64 = (1 << 53) + 1;
/// What is predicted: the tasks, and the head that has no label.
const PREDICTED: [&str; 5] = ["click", "like", "both", "spend", "liked"];
/// Rows whose probabilities are compared.
const ROWS: usize = 200;

/// Rows of a text file; some cells are empty, and the labels follow user and item.
fn rows(count: usize, seed: u64) -> String {
    let draws = [0, 1, 2, 3].map(|salt| permutation(count as u32, seed, salt));
    let row = |i: usize| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|salt: usize| draws[salt][i]);
        let or_none = |missing: bool, cell: String| if missing { String::new() } else { cell };
        let user = or_none(a % 11 == 0, (FIRST_USER + u64::from(a % 30)).to_string());
        let item = or_none(b % 13 == 0, format!("i{}", b % 40));
        let tags = ["", "3", "3|5", "7|3|9007199254740995"][c as usize % 4];
        let length = or_none(c % 9 == 0, (c % 97).to_string());
        let play = or_none(d % 7 == 0, format!("0.{d:03}"));
        let delta = or_none(d % 10 == 3, format!("{}.{a}", i64::from(c % 5) - 2));
        let click = u8::from((a % 3 == 0) != (d % 8 == 0));
        // Known of what was clicked only.
        let like = or_none(click == 0, u8::from(b % 4 == 0).to_string());
        format!("{user},{item},{tags},{length},{play},{delta},{click},{like}\n")
    };
    "user,item,tags,length,play,delta,click,like\n".to_owned() + &(0..count).map(row).collect::<String>()
}

/// The cells that a model reads, a row: user, item, tags, length, play, delta.
fn cells(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').take(6).collect())
}

fn bits<'a>(predictions: impl IntoIterator<Item = &'a f32>) -> Vec<u32> {
    predictions.into_iter().map(|p| p.to_bits()).collect()
}

/// The probabilities behind the test metrics that `mt train` ended with.
///
/// The program writes metrics, not the probabilities they are of. So the same training is done here, and its model asked
/// as it leaves the loop, before anything is read from a file; checkpoints and metrics show that it is the same one.
fn of_the_trainer(folder: &Folder) -> Vec<u32> {
    let here = |part| format!("data.csv.{part}={}", folder.path(&format!("{part}.csv")).display());
    let cfg = Config::read(&folder.path("all.yaml"), &["train", "valid", "test"].map(here)).expect("valid");
    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect("data");
    let again = RunDir::create(&folder.path("again"), &cfg).expect("a folder");
    let stop = AtomicBool::new(false);
    let outcome = train(&cfg, &data, &Device::Cpu, &again, &stop, &mut |_| ()).expect("trains");
    let test = data.test.as_ref().expect("test rows");
    let predictions = outcome.scorer.predict(test, &Device::Cpu).expect("predictions");

    let files = folder.files("run/checkpoints");
    assert!(files.len() > 4 && folder.files("again/checkpoints") == files, "{files:?}");
    for file in files {
        let [run, again] = ["run", "again"].map(|run| folder.bytes(&format!("{run}/checkpoints/{file}")));
        assert!(run == again, "{file} differs");
    }
    let summary: serde_json::Value = serde_json::from_str(&folder.read("run/summary.json")).expect("JSON");
    let evaluation = Evaluation::new(&predictions, test, &data.schema.tasks);
    assert_eq!(summary["test"], serde_json::to_value(evaluation).expect("JSON"));
    bits(&predictions)
}

/// A Parquet file with numbers as such and lists of whole numbers, as whoever logs them has them.
fn of_parquet(folder: &Folder, text: &str) -> Vec<u32> {
    let list = |cells: Vec<&str>| {
        let tags = cells[2].split('|').filter(|tag| !tag.is_empty());
        Some(tags.map(|tag| tag.parse().ok()).collect())
    };
    let tags = Column::LongLists(cells(text).map(list).collect());
    let mut columns = columns(text.as_bytes());
    columns[2].1 = tags;
    let columns: Vec<(&str, Column)> =
        columns.iter().map(|(name, column)| (name.as_str(), column.clone())).collect();
    write(folder.path("test.parquet"), &columns, Form { group: 70, ..Form::default() });
    let args = ["predict", "--bundle", "bundle", "--input", "test.parquet", "--output", "out.parquet"];
    folder.mt(&args).done();
    let (rows, _) = read_parquet(folder, "out.parquet");
    let float = |cell: &String| cell.parse::<f32>().expect("a number");
    bits(&rows.iter().flatten().map(float).collect::<Vec<_>>())
}

/// One row a request.
fn of_http(folder: &Folder, text: &str) -> Vec<u32> {
    let (mut child, address) = serve(folder);
    let mut stream = BufReader::new(TcpStream::connect(address).expect("a connection"));
    let mut answer = |cells: Vec<&str>| {
        let number = |cell: &str| serde_json::from_str(cell).unwrap_or(serde_json::Value::Null);
        let tags: Vec<_> = cells[2].split('|').filter(|tag| !tag.is_empty()).map(number).collect();
        let [user, length, play, delta] = [0, 3, 4, 5].map(|i: usize| number(cells[i]));
        let row = json!({"user": user, "item": cells[1], "tags": tags, "length": length, "play": play,
                         "delta": delta});
        let (head, answer) = post(&mut stream, &json!({"rows": [row]}).to_string());
        assert!(head.starts_with("http/1.1 200 "), "{head}{answer}");
        let prediction = &answer["predictions"][0];
        PREDICTED.map(|name| prediction[name].to_string().parse::<f32>().expect("a number"))
    };
    let predictions: Vec<[f32; PREDICTED.len()]> = cells(text).map(&mut answer).collect();
    child.kill().expect("it is stopped");
    child.wait().expect("it ends");
    bits(predictions.iter().flatten())
}

/// All rows in one call.
fn of_c(folder: &Folder, text: &str) -> Vec<u32> {
    let model = Model::load(&folder.path("bundle")).expect("a bundle");
    let names = ["user", "item", "tags", "length", "play", "delta"];
    let [user, item, tags, length, play, delta] = names.map(|name| model.column(name).expect("a column"));
    let mut rows = model.rows();
    for cells in cells(text) {
        for (column, i) in [(user, 0), (item, 1)].into_iter().filter(|&(_, i)| !cells[i].is_empty()) {
            rows.text(column, cells[i]).expect("a text");
        }
        let values: Vec<u64> = cells[2].split('|').filter_map(|tag| tag.parse().ok()).collect();
        rows.list(tags, &values).expect("a list");
        for (column, i) in [(length, 3), (play, 4), (delta, 5)] {
            let number = cells[i].parse().unwrap_or(f64::NAN);
            rows.number(column, number).expect("a number");
        }
        rows.add().expect("a row");
    }
    let mut out = vec![0.0; PREDICTED.len() * rows.count()];
    rows.predict(&mut out).expect("predictions");
    bits(&out)
}

#[test]
fn text_parquet_http_and_c_give_the_bits_of_the_trainers_evaluation() {
    let (folder, text) = (Folder::new(), rows(ROWS, 3));
    folder.write("train.csv", rows(600, 1));
    folder.write("valid.csv", rows(150, 2));
    folder.write("test.csv", &text);
    folder.write("all.yaml", CONFIG);
    folder.mt(&["train", "all.yaml", "--run-dir", "run"]).done();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let expected = of_the_trainer(&folder);
    assert_eq!(expected.len(), PREDICTED.len() * ROWS);
    let different: std::collections::BTreeSet<&u32> = expected.iter().collect();
    assert!(different.len() > ROWS, "only {} different probabilities", different.len());

    // Whoever shuffles an input shuffles lists in parallel together, or they would not be equally long.
    let said = folder.mt(&["explain", "--run", "run", "--repeats", "1"]).done();
    assert!(said.contains("weighed (group)") && !said.contains("beside"), "{said}");

    for model in ["--run=run", "--bundle=bundle"] {
        let csv = folder.mt(&["predict", model, "--input", "test.csv"]).done();
        assert_eq!(csv.lines().next(), Some(PREDICTED.join(",").as_str()));
        assert_eq!(bits(numbers(&csv).iter().flatten()), expected, "{model}");
    }
    assert_eq!(of_parquet(&folder, &text), expected);
    assert_eq!(of_http(&folder, &text), expected);
    assert_eq!(of_c(&folder, &text), expected);
}
