//! `mt predict` on folders: parts, kept columns, going on after a stop.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use crate::parquet_writer::{Column, Form, write};
use crate::support::{Folder, Said, numbers, rows};

/// Rows to score: no labels, a key that only 64 bits hold, a text to keep, and a column that nobody asks for.
fn unlabelled(count: usize, seed: u64) -> String {
    let mut text = "user_id,a,note,b,c,unused\n".to_owned();
    for (i, row) in rows(count, seed).lines().skip(1).enumerate() {
        let cells: Vec<&str> = row.split(',').collect();
        let note = ["", "plain", "\"a, \"\"b\"\"\"", "007"][i % 4];
        text += &format!("{},{},{note},{},{},x\n", u64::MAX - i as u64, cells[2], cells[3], cells[4]);
    }
    text
}

/// The same rows as a Parquet file.
fn as_parquet(folder: &Folder, name: &str, text: &str) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("records");
    let number = |i: usize| records.iter().map(|record| record[i].parse().ok()).collect();
    let text = |record: &csv::StringRecord| Some(record[2].to_owned()).filter(|text| !text.is_empty());
    let columns = [
        ("user_id", Column::UnsignedLongs(records.iter().map(|record| record[0].parse().ok()).collect())),
        ("a", Column::Doubles(number(1))),
        ("note", Column::Texts(records.iter().map(text).collect())),
        ("b", Column::Doubles(number(3))),
        ("c", Column::Doubles(number(4))),
        ("tags", Column::LongLists((0..records.len() as i64).map(|i| Some(vec![Some(i), None])).collect())),
    ];
    write(folder.path(name), &columns, Form { group: 300, ..Form::default() });
}

/// A trained model and the folder `in` with three text files and a Parquet file.
fn inputs(count: usize) -> Folder {
    let folder = Folder::trained();
    std::fs::create_dir(folder.path("in")).expect("a folder");
    for (name, seed) in [("a", 2), ("b", 3), ("c", 4)] {
        folder.write(&format!("in/{name}.csv"), unlabelled(count, seed));
    }
    as_parquet(&folder, "in/d.parquet", &unlabelled(count, 5));
    folder
}

const SCORE: [&str; 8] = ["predict", "--run", "run", "--input", "in", "--keep", "user_id,note", "--output"];

fn score(folder: &Folder, output: &str, more: &[&str]) -> Said {
    folder.mt(&[&SCORE[..], &[output], more].concat())
}

/// The rows of a Parquet file, each value as text, and the schema.
pub fn read_parquet(folder: &Folder, name: &str) -> (Vec<Vec<String>>, String) {
    let file = std::fs::File::open(folder.path(name)).expect("a file");
    let reader = SerializedFileReader::new(file).expect("a Parquet file");
    let show = |(_, field): (&String, &Field)| field.to_string();
    let rows = reader.get_row_iter(None).expect("rows");
    let rows = rows.map(|row| row.expect("a row").get_column_iter().map(show).collect()).collect();
    (rows, format!("{:?}", reader.metadata().file_metadata().schema()))
}

#[test]
fn a_folder_gives_a_part_for_each_file_with_its_rows_in_order_and_its_keys_as_they_were() {
    let folder = inputs(1500);
    let said = score(&folder, "out", &["--score", "watched * liked", "--json"]);
    let summary = &said.json()[0];
    assert_eq!((&summary["rows"], &summary["parts"]), (&6000.into(), &4.into()), "{summary}");
    assert_eq!(folder.files("out"), ["_progress.jsonl", "a.csv", "b.csv", "c.csv", "d.parquet"]);
    for (name, seed) in [("a", 2), ("b", 3), ("c", 4)] {
        let (given, out) = (unlabelled(1500, seed), folder.read(&format!("out/{name}.csv")));
        let (mut given, mut out) =
            [given, out].map(|text| csv::Reader::from_reader(std::io::Cursor::new(text))).into();
        let header = out.headers().expect("a header");
        assert_eq!(header, vec!["user_id", "note", "watched", "liked", "score"]);
        let plain = folder.mt(&["predict", "--run", "run", "--input", &format!("in/{name}.csv")]).done();
        let (plain, mut count) = (numbers(&plain), 0);
        for (given, out) in given.records().zip(out.records()) {
            let (given, out) = (given.expect("a record"), out.expect("a record"));
            assert_eq!((&given[0], &given[2]), (&out[0], &out[1]));
            let [watched, liked, score] = [2, 3, 4].map(|i| out[i].parse::<f32>().expect("a number"));
            assert_eq!([watched, liked], plain[count][..]);
            assert_eq!(score, (f64::from(watched) * f64::from(liked)) as f32);
            count += 1;
        }
        assert_eq!(count, 1500);
    }
    // Of the Parquet file, types and missing values are kept as well.
    let text = unlabelled(1500, 5);
    folder.write("d.csv", &text);
    let plain = numbers(&folder.mt(&["predict", "--run", "run", "--input", "d.csv"]).done());
    let (found, schema) = read_parquet(&folder, "out/d.parquet");
    assert_eq!(found.len(), 1500);
    for (i, row) in found.iter().enumerate() {
        assert_eq!(row[0], (u64::MAX - i as u64).to_string());
        assert_eq!(row[1], ["null", "\"plain\"", "\"a, \"b\"\"", "\"007\""][i % 4]);
        assert_eq!(row[2].parse(), Ok(plain[i][0]));
    }
    assert!(schema.contains("UINT_64") && schema.contains("UTF8"), "{schema}");
}

#[test]
fn shares_of_a_folder_make_each_part_once_and_go_on_each_by_itself() {
    let folder = inputs(200);
    score(&folder, "whole", &[]).done();
    for share in ["1/3", "0/3", "2/3", "1/3"] {
        let said = score(&folder, "shared", &["--shard", share, "--json"]).json();
        let (parts, done) = (&said[0]["parts"], &said[0]["parts_skipped"]);
        let all = parts.as_u64().expect("a number") + done.as_u64().expect("a number");
        assert_eq!(all, if share == "0/3" { 2 } else { 1 }, "{share}: {}", said[0]);
    }
    let parts =
        |of: &str| folder.files(of).into_iter().filter(|file| !file.starts_with('_')).collect::<Vec<_>>();
    assert_eq!(parts("shared"), parts("whole"));
    for part in parts("whole") {
        assert!(folder.bytes(&format!("shared/{part}")) == folder.bytes(&format!("whole/{part}")), "{part}");
    }
    let records = ["_progress-0-of-3.jsonl", "_progress-1-of-3.jsonl", "_progress-2-of-3.jsonl"];
    assert_eq!(folder.files("shared")[..3], records);
    let said = score(&folder, "one.csv", &["--shard", "0/2"]);
    let expected = "error: --shard: one.csv is a single file; expected a folder for a part each\n";
    assert_eq!((said.code, said.err.as_str()), (Some(2), expected));
    for wrong in ["3/3", "x", "1", "1/0"] {
        let said = score(&folder, "more/", &["--shard", wrong]);
        let expected = format!("expected I/N with I from 0 to N - 1, as 0/8, found {wrong}");
        assert!(said.code == Some(2) && said.err.contains(&expected), "{}", said.err);
    }
}

#[test]
fn either_kind_of_file_becomes_either_kind_and_all_files_one() {
    let folder = inputs(700);
    score(&folder, "text", &["--format", "csv"]).done();
    score(&folder, "columns", &["--format", "parquet"]).done();
    let (rows, schema) = read_parquet(&folder, "columns/a.parquet");
    let mut text = csv::Reader::from_reader(std::io::Cursor::new(folder.read("text/a.csv")));
    for (columns, record) in rows.iter().zip(text.records()) {
        let record = record.expect("a record");
        assert_eq!(columns[0].trim_matches('"'), &record[0]);
        assert_eq!(columns[2].parse::<f32>(), record[2].parse::<f32>());
    }
    assert_eq!(rows.len(), 700);
    assert!(schema.contains("BYTE_ARRAY"), "{schema}");
    let parts = ["a", "b", "c", "d"].map(|name| folder.read(&format!("text/{name}.csv")));
    let header = parts[0].split_inclusive('\n').next().expect("a line").to_owned();
    let bodies: String =
        parts.iter().map(|part| part.strip_prefix(header.as_str()).expect("a header")).collect();
    assert!(score(&folder, "all.csv", &[]).done().is_empty());
    assert!(folder.read("all.csv") == header + &bodies);
    // One row of the Parquet part as text: a key beyond what an f64 holds.
    assert!(parts[3].contains("\n18446744073709551615,,"), "{}", &parts[3][..200]);

    // A list stays a list where it can, and is refused where it cannot.
    let list = ["predict", "--run", "run", "--input", "in/d.parquet", "--keep", "tags", "--output"];
    folder.mt(&[&list[..], &["lists.parquet"]].concat()).done();
    assert!(read_parquet(&folder, "lists.parquet").0[6][0].contains("[6, null]"));
    folder.refuses(
        &[&list[..], &["lists.csv"]].concat(),
        1,
        "in/d.parquet: column \"tags\": expected one value a row, as a list is only for fields with one and the same `separator`, found a list",
    );
}

#[test]
fn a_killed_run_started_again_ends_with_the_bytes_of_a_straight_one() {
    let folder = inputs(20_000);
    score(&folder, "straight", &[]).done();
    let mut child = folder
        .command(&[&SCORE[..], &["killed"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let begun = folder.path("killed/.b.csv.partial");
    let started = Instant::now();
    while !begun.exists() {
        assert!(started.elapsed() < Duration::from_secs(100), "the second part is never begun");
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    assert!(begun.exists() && !folder.path("killed/d.parquet").exists());
    // A line that was being written.
    let record = folder.read("killed/_progress.jsonl");
    folder.write("killed/_progress.jsonl", record + "{\"part\":\"b.c");
    let first = folder.path("killed/a.csv").metadata().expect("a file").modified().expect("a time");

    let summary = &score(&folder, "killed", &["--json"]).json()[0];
    assert_eq!((&summary["parts"], &summary["parts_skipped"]), (&3.into(), &1.into()), "{summary}");
    assert_eq!(folder.path("killed/a.csv").metadata().expect("a file").modified().expect("a time"), first);
    assert_eq!(folder.files("killed"), folder.files("straight"));
    for file in folder.files("straight") {
        assert!(
            folder.bytes(&format!("killed/{file}")) == folder.bytes(&format!("straight/{file}")),
            "{file}"
        );
    }
    // Nothing is left to do.
    let said = score(&folder, "killed", &[]).done();
    assert!(said.starts_with("killed: 0 rows in 0 parts") && said.ends_with(", 4 were there\n"), "{said}");
}

#[test]
fn a_stopped_run_says_how_far_it_came() {
    let folder = inputs(20_000);
    let mut child = folder
        .command(&[&SCORE[..], &["out"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    while !folder.path("out/a.csv").exists() {
        assert!(child.try_wait().expect("a state").is_none(), "it ended too early");
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill").success());
    let said = Said::of(child.wait_with_output().expect("it ends"));
    assert_eq!(said.code, Some(130), "{}", said.err);
    assert!(said.err.ends_with("of 4 parts are done; the same command goes on\n"), "{}", said.err);
    assert!(!folder.files("out").iter().any(|file| file.contains("partial")));
    score(&folder, "out", &[]).done();
    assert_eq!(folder.files("out").len(), 5);
}

#[test]
fn a_bad_cell_is_named_and_what_is_done_stays() {
    let folder = inputs(3000);
    let text = folder.read("in/b.csv");
    folder.write("in/b.csv", text.clone() + "1,0.5,note,n/a,0.5,x\n");
    let said = score(&folder, "out", &[]);
    let expected = "error: in/b.csv:3002:12: field \"b\": expected a number, found \"n/a\" (record 3001)\n";
    assert_eq!((said.code, said.err.as_str()), (Some(1), expected));
    assert_eq!(folder.files("out"), ["_progress.jsonl", "a.csv"]);
    // A row for each row: what the run would leave out in training is an error, too.
    folder.write("in/b.csv", text);
    score(&folder, "out", &[]).done();
    assert_eq!(folder.files("out").len(), 5);
}

#[test]
fn another_model_other_options_and_changed_inputs_are_refused() {
    let folder = inputs(50);
    folder.mt(&["train", "tiny.yaml", "--run-dir", "other", "--set", "train.seed=7"]).done();
    score(&folder, "out", &[]).done();
    let before = folder.bytes("out/a.csv");
    let refuses = |args: &[&str], message: &str| {
        let said = folder.mt(args);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.starts_with(&format!("error: {message}")), "{}", said.err);
        assert!(said.err.ends_with("give another --output, or --overwrite to start anew\n"), "{}", said.err);
    };
    let with =
        |run, keep, input| ["predict", "--run", run, "--input", input, "--keep", keep, "--output", "out"];
    refuses(&with("other", "user_id,note", "in"), "out: has parts made with model ");
    refuses(&with("run", "user_id", "in"), "out: has parts made with --keep user_id,note (now user_id)");
    refuses(
        &with("run", "user_id,note", "in/a.csv"),
        "out: has b.csv of in/b.csv, which is not among the inputs",
    );
    folder.write("in/c.csv", unlabelled(51, 9));
    refuses(&with("run", "user_id,note", "in"), "out: in/c.csv has changed since c.csv was made of it");
    assert!(folder.bytes("out/a.csv") == before);
    let anew = [&with("other", "user_id,note", "in")[..], &["--overwrite"]].concat();
    folder.mt(&anew).done();
    assert!(folder.bytes("out/a.csv") != before);
    // A new file is only one more part.
    folder.write("in/e.csv", unlabelled(10, 10));
    let said = folder.mt(&with("other", "user_id,note", "in")).done();
    assert!(said.contains("10 rows in 1 parts") && said.contains("4 were there"), "{said}");
}

#[test]
fn mistakes_are_refused_before_anything_is_written() {
    let folder = inputs(50);
    let run = ["predict", "--run", "run", "--input"];
    let refuses =
        |more: &[&str], code, message: &str| folder.refuses(&[&run[..], more].concat(), code, message);
    let name = "keep: no column \"user_ids\" in in/a.csv; did you mean \"user_id\"?";
    refuses(&["in/a.csv", "--keep", "user_ids", "--output", "out.csv"], 2, name);
    let twice = "the output would have two columns named \"liked\"";
    refuses(&["in/a.csv", "--keep", "liked", "--output", "out.csv"], 2, twice);
    let formula = "--score: formula \"2 * lked\", character 5: there is no \"lked\"; did you mean \"liked\"?";
    refuses(&["in/a.csv", "--score", "2 * lked", "--output", "out.csv"], 2, formula);
    refuses(&["in", "--output", "in"], 2, "in/a.csv would be overwritten by its predictions");
    folder.write("a.csv.gz", "");
    refuses(
        &["in/a.csv", "a.csv.gz", "--output", "out/"],
        2,
        "in/a.csv and a.csv.gz would both become out/a.csv",
    );
}

#[test]
fn predictions_of_a_partitioned_table_are_one() {
    let folder = Folder::tiny();
    let text = rows(400, 1);
    let (header, body) = text.split_once('\n').expect("a header");
    let lines: Vec<&str> = body.lines().collect();
    for (day, lines) in lines.chunks(200).enumerate() {
        let path = format!("log/dt=2026-03-0{}", day + 1);
        std::fs::create_dir_all(folder.path(&path)).expect("a folder");
        folder.write(&format!("{path}/part-0.csv"), format!("{header}\n{}\n", lines.join("\n")));
    }
    folder.mt(&["train", "tiny.yaml", "--run-dir", "run", "--set", "data.csv.train=log"]).done();
    let fields = "data.fields=[{column: dt, encode: vocabulary}]";
    let sets = ["--set", "data.csv.train=log", "--set", fields, "--set", "model.embedding={width: 2}"];
    folder.mt(&[&["train", "tiny.yaml", "--run-dir", "days"][..], &sets].concat()).done();
    for run in ["run", "days"] {
        let scored = format!("{run}-scored");
        folder.mt(&["predict", "--run", run, "--input", "log", "--output", &scored]).done();
        let of = |day: u32| folder.read(&format!("{scored}/dt=2026-03-0{day}/part-0.csv")).lines().count();
        assert_eq!([of(1), of(2)], [201, 201]);
        // Two parts of one name are two.
        let again = ["predict", "--run", run, "--input", "log", "--output", &scored, "--json"];
        assert_eq!(folder.mt(&again).json()[0]["parts_skipped"], 2);
    }
}

#[test]
fn a_file_without_rows_gives_one_without_rows() {
    let folder = Folder::trained();
    std::fs::create_dir(folder.path("in")).expect("a folder");
    folder.write("in/a.csv", unlabelled(0, 1));
    as_parquet(&folder, "in/b.parquet", &unlabelled(0, 1));
    score(&folder, "out", &[]).done();
    assert_eq!(folder.read("out/a.csv"), "user_id,note,watched,liked\n");
    let (rows, schema) = read_parquet(&folder, "out/b.parquet");
    assert!(rows.is_empty() && schema.contains("user_id") && schema.contains("liked"), "{schema}");
    folder.write("in/a.csv", "");
    let said = score(&folder, "out", &["--overwrite"]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), "error: in/a.csv: the file is empty\n"));
}
