//! Records, lines and names of text files: what is read, and what is said of what is not.

use mt_data::{BadRecords, CsvConfig, Features, KeptForm, Labels, Records, TableReader};
use mt_features::{ColumnRef, TaskConfig};

use crate::support::{Files, headerless, join, label, label_at, load, read, section, values};

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
    let open = "the header cannot be read: expected a closing quote right before the next name";
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

/// Rows in which every text has line breaks, quotes and delimiters, as a text file with these line ends, and the texts.
fn quoted(rows: usize, end: &str) -> (String, Vec<String>) {
    let texts = ["two\nlines", "a \"b\"\n, c", "\n", "plain", "\r\nx", "5\" pipe", ""];
    let texts: Vec<String> = (0..rows).map(|row| texts[row % texts.len()].to_owned()).collect();
    let quote = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
    let line =
        |(row, text): (usize, &String)| format!("{},{},{row},{}{end}", row % 2, quote(text), quote(text));
    let header = format!("l,\"t\n1\",a,unused{end}");
    (header + &texts.iter().enumerate().map(line).collect::<String>(), texts)
}

#[test]
fn a_record_goes_on_where_a_quote_is_open_in_used_and_in_unused_columns() {
    for end in ["\n", "\r\n"] {
        let (text, texts) = quoted(700, end);
        let files = Files::with("a.csv", &text);
        let config = "csv: {train: DIR/a.csv, features: [a]}\nfields: [{column: \"t\\n1\"}]\nvalid_fraction: 0\nnormalize: none";
        let data = section(&files, config);
        let loaded = load(&data, &[label("l", "l")]).unwrap();
        assert_eq!(values(&loaded.train), (0..700).map(|row| row as f32).collect::<Vec<_>>());
        let mt_features::Encoder::Vocabulary(vocabulary) = &loaded.encoders.tables[0].encoder else {
            panic!()
        };
        let known: Vec<&[u8]> = vocabulary.values().collect();
        for (row, text) in texts.iter().enumerate() {
            let found = loaded.train.fields()[0].of(row)[0];
            // Blanks around a value, and line breaks are some, are no part of it.
            match text.trim_ascii() {
                "" => assert_eq!(found, mt_features::fields::MISSING, "{row}"),
                text => assert_eq!(known[found as usize - 2], text.as_bytes(), "{row}"),
            }
        }
        // Blocks end anywhere, and keys are handed on as they were written.
        let paths = &data.csv.as_ref().unwrap().train;
        for block in [1, 7, 100, 5000] {
            let tasks = [label("l", "l")];
            let table = join(TableReader::open_blocks(paths, &data, &tasks, block).unwrap()).unwrap();
            assert_eq!(values(&table), values(&loaded.train), "{block}");
        }
        let csv = CsvConfig {
            features: Features::List(vec![ColumnRef::Name("a".to_owned())]),
            ..CsvConfig::new(paths.clone())
        };
        let schema = TableReader::open_training(paths, &csv, &[label("l", "l")]).unwrap().schema();
        let reader =
            TableReader::open_raw(paths, &csv, &schema, &[label("l", "l")], Labels::Ignored).unwrap();
        let mut reader = reader.keep(&["unused".to_owned(), "a".to_owned()], KeptForm::Text).unwrap();
        let mut row = 0;
        while let Some(next) = reader.next_kept() {
            let (table, kept) = next.unwrap();
            for at in 0..table.len() {
                let cells: Vec<&[u8]> = kept.texts(at).collect();
                assert_eq!(cells, [texts[row].as_bytes(), row.to_string().as_bytes()], "{row}");
                row += 1;
            }
        }
        assert_eq!(row, 700);
        let columns = ["a".to_owned(), "t\n1".to_owned()];
        let records = Records::read(paths, &data, &columns, 10).unwrap();
        let cells: Vec<&[u8]> = records.record(1).collect();
        assert_eq!((records.len(), cells), (10, vec![&b"1"[..], b"a \"b\"\n, c"]));
    }
}

#[test]
fn side_tables_have_records_of_several_lines_too() {
    let files = Files::with("log.csv", "l,user\n1,\"a\nb\"\n0,c\n1,\"a\nb\"\n");
    files.write("users.csv", "user,age\n\"a\nb\",\"3\n\"\nc,x\n");
    let config = |extra: &str| {
        format!(
            "{{csv: {{train: DIR/log.csv, features: [age]{extra}}}, join: [{{file: DIR/users.csv, key: user}}], \
             valid_fraction: 0, normalize: none}}"
        )
    };
    let read = |extra: &str| load(&section(&files, &config(extra)), &[label("l", "l")]);
    let said = "users.csv:5:3: field \"age\": expected a number, found \"x\" (record 2)";
    assert_eq!(files.message(&read("").unwrap_err()), said);
    assert_eq!(values(&read(", on_bad_record: {skip: 1}").unwrap().train), [3.0, 3.0]);
}

#[test]
fn bad_records_are_counted_and_placed_behind_records_of_several_lines() {
    let text = "l,t,a\n1,\"x\ny\",2\n\n0,\"\n\n\",n/a\n1,\"z\"w\n,3\n1,q,5\n0,\"r\n\",\"6\n x\"\n";
    let files = Files::with("a.csv", text);
    let read = |skip: u64| {
        let config = format!(
            "csv: {{train: DIR/a.csv, features: [a], on_bad_record: {{skip: {skip}}}}}\nfields: [{{column: t}}]\nvalid_fraction: 0\nnormalize: none"
        );
        load(&section(&files, &config), &[label("l", "l")])
    };
    let data = read(4).unwrap();
    assert_eq!(values(&data.train), [2.0, 5.0]);
    let said: Vec<String> = data.skipped.first.iter().map(|error| files.message(error)).collect();
    assert_eq!(
        said,
        [
            "a.csv:7:3: field \"a\": expected a number, found \"n/a\" (record 2)",
            "a.csv:8:7: expected 3 fields, found 2 (record 3)",
            "a.csv:9:3: expected 3 fields, found 2 (record 4)",
            "a.csv:12:4: field \"a\": expected a number, found \"6\\n x\" (record 6)",
        ]
    );
}

#[test]
fn a_quote_that_stays_open_is_an_error_wherever_it_is() {
    let expected = "expected a closing quote; it is open up to the end of the file, found";
    for (text, place, found) in [
        ("l,a,t\n1,2,\"x\n3\n", "2:5: field \"t\"", "\"\\\"x\\n3\""),
        ("l,t,a\n1,\"x\ny,2\n", "2:3: field \"t\"", "\"\\\"x\\ny,2\""),
        ("l,a,t\n1,2,x\n0,3, \"y, z\n", "3:6: field \"t\"", "\"\\\"y, z\""),
    ] {
        let files = Files::with("a.csv", text);
        let features = Features::List(vec![ColumnRef::Name("a".to_owned())]);
        let unused = CsvConfig { features, ..CsvConfig::new(files.path("a.csv")) };
        let record = &place[..1].parse::<u8>().unwrap() - 1;
        let expected = format!("a.csv:{place}: {expected} {found} (record {record})");
        // What is behind it cannot be told to be records: leaving it out would lose them all.
        for on_bad_record in [BadRecords::Fail, BadRecords::Skip(100)] {
            let csv = CsvConfig { on_bad_record, ..unused.clone() };
            assert_eq!(problem(&files, &csv, &[label("l", "l")]), expected);
        }
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
