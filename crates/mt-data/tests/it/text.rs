//! Records, lines and names of text files: what is read, and what is said of what is not.

use mt_data::{ColumnRef, CsvConfig, Features, TableReader, TaskConfig};

use crate::support::{Files, headerless, label, label_at, load, read, section, values};

fn problem(files: &Files, csv: &CsvConfig, tasks: &[TaskConfig]) -> String {
    files.message(&read(csv, tasks).unwrap_err())
}

#[test]
fn names_in_a_header_are_read_as_cells_are() {
    let tasks = [label("like", "like")];
    let names = |text: &str| {
        let files = Files::with("a.csv", text);
        let csv = CsvConfig::new(files.path("a.csv"));
        TableReader::open_training(&csv.train, &csv, &tasks).unwrap().schema().numeric
    };
    for header in ["like,a,\"b, c\"", "like , \"a\" ,\t\"b, c\" ", "\"like\",a, \" b, c \""] {
        assert_eq!(names(&format!("{header}\n1,2,3\n")), ["a", "b, c"], "{header}");
    }
    assert_eq!(names("like,\"say \"\"x\"\"\", a\"\"b\n1,2,3\n"), ["say \"x\"", "a\"\"b"]);
    let said = |header: &str| {
        let files = Files::with("a.csv", format!("{header}\n1,2,3\n"));
        problem(&files, &CsvConfig::new(files.path("a.csv")), &tasks)
    };
    let open =
        "the header cannot be read: expected a closing quote right before the next name, on the same line";
    assert_eq!(said("like, \"a,b"), format!("a.csv:1:7: {open}"));
    assert_eq!(said("like,\"a\" x,b"), format!("a.csv:1:7: {open}"));
}

#[test]
fn control_characters_are_delimiters_and_separators() {
    for (delimiter, separator) in [("\\x01", "\\x02"), ("\\x1f", "\\x1d"), ("\\x02", "\\x7f"), ("\\0", "\\t")]
    {
        let load = |delimiter: &str, separator: &str| {
            let of = |text: &str| serde_yaml::from_str::<String>(&format!("\"{text}\"")).unwrap();
            let plain = "like,tags,x\n1,a|b,2\n0,b,3\n1,,0\n";
            let files = Files::with("a.csv", plain.replace(',', &of(delimiter)).replace('|', &of(separator)));
            let csv = format!("csv: {{train: DIR/a.csv, delimiter: \"{delimiter}\"}}");
            let fields = format!("fields: [{{column: tags, separator: \"{separator}\"}}]");
            load(&section(&files, &format!("{csv}\n{fields}\nvalid_fraction: 0")), &[label("like", "like")])
        };
        let (expected, found) = (load(",", "|").unwrap(), load(delimiter, separator).unwrap());
        assert_eq!(found.train, expected.train, "{delimiter}{separator}");
    }
    let refused = |delimiter| CsvConfig { delimiter, ..CsvConfig::new("a") }.check().is_err();
    assert!(['\n', '\r', '0', 'e', '"', 'é'].map(refused) == [true; 6]);
}

#[test]
fn a_line_break_in_quotes_is_named_in_used_and_in_unused_columns() {
    let expected = "expected a closing quote on the same line, as a record is a line, found";
    for (text, place, found) in [
        ("l,a,t\n1,2,\"x\n3\"\n", "2:5: field \"t\"", "\"\\\"x\""),
        ("l,t,a\n1,\"x\ny\",2\n", "2:3: field \"t\"", "\"\\\"x\""),
        ("l,a,t\n1,2,x\n0,3, \"y, z\n", "3:6: field \"t\"", "\"\\\"y, z\""),
    ] {
        let files = Files::with("a.csv", text);
        let features = Features::List(vec![ColumnRef::Name("a".to_owned())]);
        let unused = CsvConfig { features, ..CsvConfig::new(files.path("a.csv")) };
        let record = &place[..1].parse::<u8>().unwrap() - 1;
        let expected = format!("a.csv:{place}: {expected} {found} (record {record})");
        assert_eq!(problem(&files, &unused, &[label("l", "l")]), expected);
        let used = "csv: {train: DIR/a.csv, features: [a]}\nfields: [{column: t}]\nvalid_fraction: 0";
        let error = load(&section(&files, used), &[label("l", "l")]).unwrap_err();
        assert_eq!(files.message(&error), expected);
    }
    // Quotes in the middle of a text are none.
    let files = Files::with("a.csv", "l,a,t\n1,2,5\" pipe\n0,3,\"a\" b\n");
    let features = Features::List(vec![ColumnRef::Name("a".to_owned())]);
    let csv = CsvConfig { features, ..CsvConfig::new(files.path("a.csv")) };
    assert_eq!(values(&read(&csv, &[label("l", "l")]).unwrap()), [2.0, 3.0]);
}

#[test]
fn lines_that_end_in_a_return_alone_are_named() {
    let said = |text: &str, header: bool| {
        let files = Files::with("a.csv", text);
        let csv = CsvConfig { header, ..CsvConfig::new(files.path("a.csv")) };
        problem(&files, &csv, &[label_at("l", 0)])
    };
    let alone = "a line break \"\\r\" alone; let lines end in \"\\n\" or \"\\r\\n\"";
    assert_eq!(said("l,a\r1,2\r0,3\r", true), format!("a.csv:1:4: {alone}"));
    assert_eq!(said("1,2\r0,3\r", false), format!("a.csv:1:4: {alone}"));
    let expected = "a.csv:2:4: field \"line end\": expected \"\\n\" or \"\\r\\n\", found \"\\r\" (record 1)";
    assert_eq!(said("l,a\n1,2\r0,3\r", true), expected);
    let files = Files::with("a.csv", "1,2\n");
    let names = CsvConfig {
        names: Some(files.write("names.txt", "l\ra\r").into()),
        ..headerless(files.path("a.csv"))
    };
    assert_eq!(problem(&files, &names, &[label("l", "l")]), format!("names.txt:1:1: {alone}"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    let files = Files::with("a.csv", "1,2\n0,3\n");
    let names = Some(files.write("names.txt", "\u{feff}l\r\na\r\n").into());
    let csv = CsvConfig { names, ..headerless(files.path("a.csv")) };
    assert_eq!(read(&csv, &[label("l", "l")]).unwrap().labels(), [1.0, 0.0]);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_in_a_folder_or_a_pattern_is_named() {
    let files = Files::new();
    let tasks = [label("l", "l")];
    for part in ["data", "data/old", "links", "_later", "data/.hidden"] {
        std::fs::create_dir(files.path(part)).unwrap();
    }
    files.write("data/a.csv", "l,a\n1,2\n");
    std::os::unix::fs::symlink(files.path("nowhere"), files.path("links/b.csv")).unwrap();
    let what = "where files are to be read; name the files, or a pattern that only they match";
    let said = |train: &str| problem(&files, &CsvConfig::new(files.path(train)), &tasks);
    assert_eq!(said("data"), format!("data/old: a folder, {what}"));
    assert_eq!(said("data/*"), format!("data/old: a folder, {what}"));
    assert_eq!(said("links"), format!("links/b.csv: a link that leads nowhere, {what}"));
    assert_eq!(said("links/*.csv"), format!("links/b.csv: a link that leads nowhere, {what}"));
    assert_eq!(read(&CsvConfig::new(files.path("data/*.csv")), &tasks).unwrap().len(), 1);
}

#[test]
fn a_number_that_is_none_is_named_in_each_kind_of_file() {
    let files = Files::with("a.csv", "l,a\n1,NaN\n");
    let csv = CsvConfig::new(files.path("a.csv"));
    let expected = "a.csv:2:3: field \"a\": expected a number, found \"NaN\" (record 1)";
    assert_eq!(problem(&files, &csv, &[label("l", "l")]), expected);
    #[cfg(feature = "parquet")]
    {
        use crate::parquet_writer::{Column, Form, write};
        let columns = [("l", Column::Whole(vec![1])), ("a", Column::Doubles(vec![Some(f64::NAN)]))];
        write(files.path("a.parquet"), &columns, Form::default());
        let expected = "a.parquet: row 1: field \"a\": expected a number, found \"NaN\"";
        assert_eq!(problem(&files, &CsvConfig::new(files.path("a.parquet")), &[label("l", "l")]), expected);
    }
}
