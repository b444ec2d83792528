//! Data that cannot be read: exit code 1, the exact place, and nothing is left behind.

use std::io::Write;

use crate::support::{Folder, TINY, rows};

/// The message for training on `content` as `rows.csv`.
fn refused(content: &str, code: i32, message: &str) {
    let folder = Folder::tiny();
    folder.write("rows.csv", content);
    folder.refuses(&["train", "tiny.yaml", "--run-dir", "run"], code, message);
    folder.refuses(&["compare", "tiny.yaml", "--out", "out"], code, message);
    folder.refuses(&["data", "stats", "tiny.yaml"], code, message);
}

/// Good rows, and one more.
fn with(row: &str) -> String {
    rows(20, 1) + row + "\n"
}

#[test]
fn a_data_file_that_is_missing_or_empty_is_named() {
    let folder = Folder::tiny();
    let train = ["train", "tiny.yaml", "--run-dir", "run", "--set"];
    let with = |set| [&train[..], &[set]].concat();
    folder.refuses(
        &with("data.csv.train=none.csv"),
        1,
        "none.csv: cannot be read: No such file or directory (os error 2)",
    );
    folder.refuses(&with("data.csv.test=part-*.csv"), 1, "no file matches \"part-*.csv\"");
    refused("", 1, "rows.csv: the file is empty");
    refused("watched,liked,a\n", 1, "train has no rows");
}

#[test]
fn a_header_where_none_is_declared_is_noticed_and_the_other_way_round() {
    let folder = Folder::tiny();
    let csv = "tasks: [{name: watched, label: 0}, {name: liked, label: 1}]\n";
    let (start, rest) = TINY.split_once("tasks:").expect("tasks");
    let (_, rest) = rest.split_once("model:").expect("a model");
    let positions = format!("{start}{csv}model:{rest}").replace("rows.csv", "rows.csv, header: false");
    folder.write("tiny.yaml", &positions);
    let train = ["train", "tiny.yaml", "--run-dir", "run"];
    folder.refuses(&train, 2, "rows.csv:1: the first line looks like a header; set `header: true`");

    let text = rows(400, 1);
    let (_, bare) = text.split_once('\n').expect("a header");
    folder.write("rows.csv", bare);
    folder.write("headed.yaml", positions.replace("header: false", "header: true"));
    folder.refuses(
        &["train", "headed.yaml", "--run-dir", "run"],
        2,
        "rows.csv:1: the first line holds only numbers, not names; set `header: false`",
    );
    folder.mt(&train).done();
}

#[test]
fn a_row_with_another_number_of_fields_is_named() {
    refused(&with("1,0,0.5,0.5"), 1, "rows.csv:22:12: expected 5 fields, found 4 (record 21)");
    refused(&with("1,0,0.5,0.5,0.5,7"), 1, "rows.csv:22:17: expected 5 fields, found 6 (record 21)");
}

#[test]
fn a_cell_that_is_no_finite_number_is_named() {
    for bad in ["n/a", "NaN", "inf", "-infinity", "1e39"] {
        refused(
            &with(&format!("1,0,0.5,{bad},0.5")),
            1,
            &format!("rows.csv:22:9: field \"b\": expected a number, found \"{bad}\" (record 21)"),
        );
    }
}

#[test]
fn a_label_other_than_0_or_1_is_named() {
    refused(
        &with("1,2,0.5,0.5,0.5"),
        1,
        "rows.csv:22:3: field \"liked\": expected 0 or 1, found \"2\" (record 21)",
    );
}

#[test]
fn bad_records_are_left_out_where_allowed_and_counted() {
    let folder = Folder::tiny();
    folder.write("rows.csv", with("1,0,n/a,0.5,0.5"));
    let train = |n| {
        let skip = format!("data.csv.on_bad_record={{skip: {n}}}");
        folder.mt(&["train", "tiny.yaml", "--run-dir", "run", "--set", &skip])
    };
    let said = train(0);
    let first = "rows.csv:22:5: field \"a\": expected a number, found \"n/a\" (record 21)";
    assert_eq!(said.code, Some(1));
    assert_eq!(
        said.err,
        format!(
            "error: more than 0 bad records (`on_bad_record: {{skip: 0}}`); the first one follows: {first}\n"
        )
    );
    let said = train(1);
    assert_eq!(said.code, Some(0));
    assert!(said.err.starts_with(&format!("warning: left out 1 bad records\n  {first}\n")), "{}", said.err);
}

#[test]
fn gzip_files_are_read_by_content_and_a_cut_one_is_refused() {
    let folder = Folder::trained();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&folder.bytes("rows.csv")).expect("compresses");
    let gz = gz.finish().expect("compresses");
    folder.write("rows.data", &gz);
    let set = ["--set", "data.csv.train=rows.data"];
    folder.mt(&[&["train", "tiny.yaml", "--run-dir", "zipped"], &set[..]].concat()).done();
    let weights = "checkpoints/epoch-002/weights.safetensors";
    assert!(folder.bytes(&format!("run/{weights}")) == folder.bytes(&format!("zipped/{weights}")));

    folder.write("rows.data", &gz[..gz.len() / 2]);
    let said = folder.mt(&[&["train", "tiny.yaml", "--run-dir", "cut"], &set[..]].concat());
    assert_eq!(said.code, Some(1));
    assert!(said.err.starts_with("error: rows.data: not a complete gzip file: "), "{}", said.err);
    assert!(!folder.path("cut").exists());
}
