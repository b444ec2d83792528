//! Every bad input and its exact message.

use mt_data::{BadRecords, CsvConfig, DataConfig, Dataset, Error, Features, Paths, TableReader};
use mt_features::{ColumnRef, TaskConfig};

use crate::support::{Files, headerless, join, label, label_at, read};

/// The message for `text` as training file `a.csv`, with the given settings.
fn message_of(text: impl AsRef<[u8]>, csv: &CsvConfig, tasks: &[TaskConfig]) -> String {
    let files = Files::with("a.csv", text);
    let csv = CsvConfig { train: files.path("a.csv").into(), ..csv.clone() };
    files.message(&read(&csv, tasks).unwrap_err())
}

fn headed(text: &str) -> String {
    message_of(text, &CsvConfig::new(""), &[label("l", "l")])
}

fn bare(text: &str) -> String {
    message_of(text, &headerless(""), &[label_at("l", 0)])
}

#[test]
fn a_cell_that_is_no_number_is_named_with_its_place() {
    assert_eq!(
        headed("l,x,y\n1,2,3\n0,4,n/a\n"),
        "a.csv:3:5: field \"y\": expected a number, found \"n/a\" (record 2)"
    );
    assert_eq!(
        bare("1,2,3\n0,0x1F,3\n"),
        "a.csv:2:3: field \"column 1\": expected a number, found \"0x1F\" (record 2)"
    );
    for bad in ["nan", "NaN", "inf", "-inf", "infinity", "1e39", "1 2", "--1", "1.2.3", "½", "1_0", "yes"] {
        let expected = format!("a.csv:2:3: field \"x\": expected a number, found {bad:?} (record 1)");
        assert_eq!(headed(&format!("l,x\n1,{bad}\n")), expected);
    }
    assert_eq!(
        headed("l,x,y\r\n1,  oops ,3\r\n"),
        "a.csv:2:5: field \"x\": expected a number, found \"oops\" (record 1)"
    );
    assert_eq!(
        headed("l,x,y\n1,\"1,5\",3\n"),
        "a.csv:2:4: field \"x\": expected a number, found \"1,5\" (record 1)"
    );
}

#[test]
fn a_bad_cell_among_many_zeros_is_found_at_its_place() {
    for column in [1, 2, 15, 16, 17, 31, 32, 33, 48, 63] {
        for bad in [":", "/", "x", "00x", "?"] {
            let mut cells = vec!["0"; 64];
            cells[column] = bad;
            let expected = format!(
                "a.csv:2:{}: field \"column {column}\": expected a number, found {bad:?} (record 2)",
                2 * column + 1
            );
            assert_eq!(bare(&format!("1{}\n{}\n", ",0".repeat(63), cells.join(","))), expected);
        }
    }
}

#[test]
fn an_empty_cell_is_no_number() {
    let expected = "a.csv:2:3: field \"x\": expected a number, found an empty field (record 1)";
    assert_eq!(headed("l,x,y\n1,,3\n"), expected);
    let expected = "a.csv:2:5: field \"y\": expected a number, found an empty field (record 1)";
    assert_eq!(headed("l,x,y\n1,2,\n"), expected);
}

#[test]
fn a_long_or_broken_cell_is_shown_short_and_safe() {
    let shown = "y".repeat(40);
    assert_eq!(
        headed(&format!("l,x\n1,{}\n", "y".repeat(400))),
        format!("a.csv:2:3: field \"x\": expected a number, found \"{shown}\"… (record 1)")
    );
    assert_eq!(
        message_of(b"l,x\n1,\xff\x1b[2J\n", &CsvConfig::new(""), &[label("l", "l")]),
        "a.csv:2:3: field \"x\": expected a number, found \"\u{fffd}\\u{1b}[2J\" (record 1)"
    );
}

#[test]
fn a_label_other_than_0_or_1_is_refused() {
    let expected = "a.csv:2:1: field \"l\": expected 0 or 1, found \"2\" (record 1)";
    assert_eq!(headed("l,x\n2,1\n"), expected);
    let expected = "a.csv:2:3: field \"l\": expected 0 or 1, found \"0.5\" (record 1)";
    assert_eq!(headed("x,l\n7,0.5\n"), expected);
    let expected = "a.csv:3:1: field \"l\": expected 0 or 1, found \"yes\" (record 2)";
    assert_eq!(headed("l,x\n1,1\nyes,1\n"), expected);
}

#[test]
fn a_row_of_another_width_is_refused_before_its_cells_are() {
    assert_eq!(headed("l,x,y\n1,2,3\n1,2\n"), "a.csv:3:4: expected 3 fields, found 2 (record 2)");
    assert_eq!(headed("l,x,y\n1,2,3,4,5\n"), "a.csv:2:7: expected 3 fields, found 5 (record 1)");
    assert_eq!(headed("l,x,y\n7,n/a,3,4\n"), "a.csv:2:9: expected 3 fields, found 4 (record 1)");
    assert_eq!(headed("l,x,y\n1,2,3\n\n \n"), "a.csv:4:2: expected 3 fields, found 1 (record 2)");
    let zeros = "0,".repeat(40);
    assert_eq!(
        bare(&format!("1,{zeros}0\n1,{zeros}0,0\n")),
        "a.csv:2:85: expected 42 fields, found 43 (record 2)"
    );
}

#[test]
fn quotes_must_close_before_the_next_field() {
    assert_eq!(
        headed("l,x,y\n1,\"2,3\n"),
        "a.csv:2:3: field \"x\": expected a closing quote; it is open up to the end of the file, found \"\\\"2,3\" (record 1)"
    );
    assert_eq!(
        headed("l,x,y\n1,\"2\"4,3\n"),
        "a.csv:2:4: field \"x\": expected a closing quote right before the next field, found \"2\\\"4\" (record 1)"
    );
}

#[test]
fn a_header_in_the_wrong_place_is_noticed() {
    assert_eq!(bare("l,x,y\n1,2,3\n"), "a.csv:1: the first line looks like a header; set `header: true`");
    assert_eq!(
        headed("1,2.5,3\n0,2,3\n"),
        "a.csv:1: the first line holds only numbers, not names; set `header: false`"
    );
    // One bad cell is no header.
    assert_eq!(bare("1,x,2\n"), "a.csv:1:3: field \"column 1\": expected a number, found \"x\" (record 1)");
}

#[test]
fn headers_name_each_column_once() {
    assert_eq!(headed("l,x,x\n1,2,3\n"), "a.csv:1: the header names \"x\" twice (columns 1 and 2)");
    let broken = message_of(b"l,\xff\n1,2\n", &CsvConfig::new(""), &[label("l", "l")]);
    assert_eq!(broken, "a.csv:1:3: the header cannot be read: expected a name in UTF-8");
}

#[test]
fn files_that_are_missing_empty_or_damaged_are_named() {
    let files = Files::with("empty.csv", "");
    let open = |path: String| files.message(&read(&headerless(path), &[label_at("l", 0)]).unwrap_err());
    assert_eq!(open(files.path("none.csv")), "none.csv: cannot be read");
    assert_eq!(open(files.path("*.parquet")), "no file matches \"*.parquet\"");
    assert_eq!(open(files.path("a[.csv")), "\"a[.csv\" is no valid file pattern");
    assert_eq!(open(files.path("empty.csv")), "empty.csv: the file is empty");
    files.write("blank.csv", "\n\r\n\n");
    assert_eq!(open(files.path("blank.csv")), "blank.csv: the file is empty");
    std::fs::create_dir(files.path("folder")).unwrap();
    assert_eq!(open(files.path("folder")), "no file matches \"folder\"");

    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let row = |i: u32| format!("1,{},{}\n", i.wrapping_mul(2_654_435_761), i);
    std::io::Write::write_all(&mut gz, (0..5000).map(row).collect::<String>().as_bytes()).unwrap();
    let whole = gz.finish().unwrap();
    files.write("cut.csv.gz", &whole[..whole.len() / 2]);
    assert_eq!(open(files.path("cut.csv.gz")), "cut.csv.gz: not a complete gzip file");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0xFF;
    files.write("damaged.csv.gz", &damaged);
    assert_eq!(open(files.path("damaged.csv.gz")), "damaged.csv.gz: not a complete gzip file");

    let whole = zstd::encode_all((0..5000).map(row).collect::<String>().as_bytes(), 3).unwrap();
    files.write("cut.csv.zst", &whole[..whole.len() / 2]);
    assert_eq!(open(files.path("cut.csv.zst")), "cut.csv.zst: not a complete zstd file");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2..].fill(0xFF);
    files.write("damaged.csv.zst", &damaged);
    assert_eq!(open(files.path("damaged.csv.zst")), "damaged.csv.zst: not a complete zstd file");
}

#[test]
fn the_cause_is_the_source_not_the_text() {
    let error = read(&headerless("no such folder/x.csv"), &[label_at("l", 0)]).unwrap_err();
    assert_eq!(error.to_string(), "no such folder/x.csv: cannot be read");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn columns_that_do_not_exist_are_named_with_the_nearest_one() {
    let of = |task| message_of("completion,like,x\n1,0,3\n", &CsvConfig::new(""), &[task]);
    assert_eq!(
        of(label("a", "likes")),
        "tasks.a.label: no column \"likes\" in a.csv; did you mean \"like\"?"
    );
    assert_eq!(of(label("a", "watch_time")), "tasks.a.label: no column \"watch_time\" in a.csv");
    assert_eq!(
        of(label_at("a", 3)),
        "tasks.a.label: no column 3 in a.csv, which has 3 columns, counted from 0"
    );
    assert_eq!(
        message_of("1,2\n", &headerless(""), &[label("a", "like")]),
        "tasks.a.label: \"like\" needs names, but a.csv has no header (give an index, or set `names`)"
    );
    let excluded = CsvConfig { exclude: vec![ColumnRef::Name("y".into())], ..CsvConfig::new("") };
    let message = message_of("l,x\n1,2\n", &excluded, &[label("l", "l")]);
    assert_eq!(message, "data.csv.exclude: no column \"y\" in a.csv");
}

#[test]
fn a_label_is_never_a_feature() {
    let listing = |names: &[&str]| CsvConfig {
        features: Features::List(names.iter().map(|n| ColumnRef::Name((*n).to_owned())).collect()),
        ..CsvConfig::new("")
    };
    let text = "completion,like,x\n1,0,3\n";
    let tasks = [label("a", "completion"), label("b", "like")];
    assert_eq!(
        message_of(text, &listing(&["x", "like"]), &tasks),
        "features: column \"like\" is the label of task \"b\"; it cannot be a feature"
    );
    assert_eq!(message_of(text, &listing(&["x", "x"]), &tasks), "features: column \"x\" is listed twice");
    assert_eq!(
        message_of(text, &CsvConfig::new(""), &[label("a", "like"), label("b", "like")]),
        "tasks \"a\" and \"b\" have the same label column \"like\""
    );
    let product = TaskConfig { prediction: "a * c".parse().ok(), ..label("b", "like") };
    let again = TaskConfig { name: "d".into(), ..product.clone() };
    assert_eq!(
        message_of(text, &CsvConfig::new(""), &[label("a", "like"), product, again]),
        "tasks \"b\" and \"d\" have the same label column \"like\""
    );
    assert_eq!(
        message_of("l,m\n1,0\n", &CsvConfig::new(""), &[label("l", "l"), label("m", "m")]),
        "a.csv: no column is left as a feature"
    );
}

#[test]
fn settings_out_of_range_are_named() {
    let check = |data: DataConfig| data.check().unwrap_err().to_string();
    assert_eq!(
        check(DataConfig::default()),
        "data: exactly one of `csv`, `parquet` and `synth` is needed, found none"
    );
    let files = DataConfig::files(CsvConfig::new("x"));
    let both = DataConfig { synth: Some(Default::default()), ..files.clone() };
    assert_eq!(check(both), "data: exactly one of `csv`, `parquet` and `synth` is needed, found several");
    assert_eq!(
        check(DataConfig { valid_fraction: 1.5, ..files.clone() }),
        "data.valid_fraction: expected a share from 0 to below 1, found 1.5"
    );
    assert_eq!(
        check(DataConfig { valid_fraction: 0.5, test_fraction: Some(0.5), ..files.clone() }),
        "data.valid_fraction + data.test_fraction: expected a sum below 1 (something must be left to train on), found 1"
    );
    // The generator's rows are split for the test too, unless told not to.
    let synth = DataConfig { valid_fraction: 0.95, ..DataConfig::synthetic(Default::default()) };
    assert_eq!(
        check(synth.clone()),
        "data.valid_fraction + data.test_fraction: expected a sum below 1 (something must be left to train on), found 1.05"
    );
    assert!(DataConfig { test_fraction: Some(0.0), ..synth }.check().is_ok());
    // A fraction that is not used takes no rows away.
    let own = CsvConfig { valid: Some("y".into()), ..CsvConfig::new("x") };
    let data = DataConfig { valid_fraction: 0.5, test_fraction: Some(0.5), ..DataConfig::files(own) };
    assert!(data.check().is_ok());
    let own = CsvConfig { test: Some("z".into()), ..CsvConfig::new("x") };
    assert!(DataConfig { csv: Some(own), ..data }.check().is_ok());
    for delimiter in ['0', '.', '"', '\n', 'e', 'é'] {
        let csv = CsvConfig { delimiter, ..CsvConfig::new("x") };
        assert_eq!(
            check(DataConfig::files(csv)),
            format!(
                "data.csv.delimiter: expected one ASCII character that no number contains and that ends no line, found {delimiter:?}"
            )
        );
    }
    let csv = CsvConfig { names: Some("names.txt".into()), ..CsvConfig::new("x") };
    assert_eq!(
        check(DataConfig::files(csv)),
        "data.csv.names: expected nothing, as `header: true` takes the names from the files, found names.txt"
    );
}

#[test]
fn files_without_rows_are_nothing_to_train_on() {
    let files = Files::with("a.csv", "l,x\n");
    let data = DataConfig::files(CsvConfig::new(files.path("a.csv")));
    let error = Dataset::load(&data, &[label("l", "l")], &|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "train has no rows");
}

#[test]
fn bad_records_are_left_out_up_to_the_allowance() {
    let text = "l,x\n1,1\n1,bad\n\n0,2\n2,2\n1,3,4\n1,4\n";
    let skipping = |limit| CsvConfig { on_bad_record: BadRecords::Skip(limit), ..CsvConfig::new("") };
    let files = Files::with("a.csv", text);
    let paths = Paths::from(files.path("a.csv"));
    for block in [1, 7, 1 << 20] {
        let mut reader =
            TableReader::open_blocks(&paths, &DataConfig::files(skipping(3)), &[label("l", "l")], block)
                .unwrap();
        let rows: usize = reader.by_ref().map(|table| table.unwrap().len()).sum();
        assert_eq!((rows, reader.skipped().records), (3, 3));
        let messages: Vec<String> = reader.skipped().first.iter().map(|e| files.message(e)).collect();
        let expected = [
            "a.csv:3:3: field \"x\": expected a number, found \"bad\" (record 2)",
            "a.csv:6:1: field \"l\": expected 0 or 1, found \"2\" (record 4)",
            "a.csv:7:5: expected 2 fields, found 3 (record 5)",
        ];
        assert_eq!(messages, expected);

        let reader =
            TableReader::open_blocks(&paths, &DataConfig::files(skipping(2)), &[label("l", "l")], block)
                .unwrap();
        let error = join(reader).unwrap_err();
        let expected = "more than 2 bad records (`on_bad_record: {skip: 2}`); the first one follows";
        assert_eq!(error.to_string(), expected);
        let Error::TooManyBadRecords { first, .. } = error else { panic!("{error}") };
        assert_eq!(
            files.message(&first),
            "a.csv:3:3: field \"x\": expected a number, found \"bad\" (record 2)"
        );
    }
}
