//! Profiles: what files hold, without a configuration.

use mt_data::{Error, Paths};
use mt_features::Unit;
use mt_profile::{ColumnProfile, Evidence, Kind, Profile, Sample};

use crate::support::Files;

fn profile(files: &Files, name: &str, sample: &Sample) -> Profile {
    Profile::read(&Paths(vec![files.path(name)]), sample, &|_| ()).unwrap()
}

fn of_text(text: &str) -> Profile {
    profile(&Files::with("rows.csv", text), "rows.csv", &Sample::default())
}

/// A file with the column `x` of these cells, each so many times, beside a number.
fn column(cells: &[&str], times: usize) -> ColumnProfile {
    let cells = cells.iter().flat_map(|cell| std::iter::repeat_n(cell, times));
    let rows: String = cells.enumerate().map(|(row, cell)| format!("{}.5,{cell}\n", row * row % 7)).collect();
    of_text(&format!("y,x\n{rows}")).columns.swap_remove(1)
}

#[test]
fn kinds_follow_from_the_values() {
    for (cells, times, kind) in [
        (&["0", "1"][..], 5, Kind::Flag),
        (&["0", "1", "NULL"], 5, Kind::Flag),
        (&["1.5", "2", "-3e2"], 5, Kind::Number),
        (&["10", "20", "30"], 20, Kind::Category),
        (&["10", "20", "30"], 2, Kind::Number),
        (&["-1", "0", "1"], 20, Kind::Number),
        (&["", "NULL"], 5, Kind::Empty),
        (&["7"], 5, Kind::Constant),
        (&["7", ""], 5, Kind::Number),
        (&["True", "false"], 5, Kind::Boolean),
        (&["red", "green"], 5, Kind::Category),
        (&["7654321098", "7654321099", "8654321099"], 2, Kind::Identifier),
        (&["2026-03-07", "2026-03-08T10:00:00Z"], 5, Kind::IsoTime),
        (&["1772892000123", "1772892000999"], 5, Kind::Time(Unit::Milliseconds)),
        (&["a|b", "a", "b|a|c"], 5, Kind::List(Some('|'))),
        (&["1 2 3", "2"], 5, Kind::List(Some(' '))),
        (&["\"a,b\"", "c"], 5, Kind::List(Some(','))),
        (&["New York", "Rome"], 5, Kind::Category),
        (&["\"Doe, Jane\"", "\"Roe,\nJim\""], 5, Kind::Category),
        (&["a|", "|b"], 5, Kind::Category),
        (&["\"1,5\"", "\"27,25\""], 5, Kind::DecimalComma),
        (&["\"[1, 2]\"", "\"['a']\""], 5, Kind::Brackets),
    ] {
        assert_eq!(column(cells, times).kind, kind, "{cells:?}");
    }
    let ids: Vec<String> = (0..40).map(|i| format!("r{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(column(&ids, 1).kind, Kind::Unique);
    assert_eq!(column(&ids, 2).kind, Kind::Category);
}

#[test]
fn names_decide_where_values_leave_it_open() {
    let rows: String =
        (0..60).map(|i| format!("{0},{0},{1},{1},{2}\n", i % 30, 1_772_892_000 + i % 30, i)).collect();
    let profile = of_text(&format!("user_id,age,ts,serial,row\n{rows}"));
    let kinds: Vec<&Kind> = profile.columns.iter().map(|column| &column.kind).collect();
    let expected =
        [Kind::Identifier, Kind::Number, Kind::Time(Unit::Seconds), Kind::Identifier, Kind::Unique];
    assert_eq!(kinds, expected.iter().collect::<Vec<_>>());
    assert_eq!([0, 1].map(|column| profile.groups(column)), [Some(0), None]);
}

#[test]
fn what_is_counted_is_what_is_there() {
    let x = column(&["b", "a", "NaN", "", "-"], 3);
    assert_eq!((x.cells, x.missing, x.distinct, x.more), (15, 9, 2, false));
    assert_eq!(x.missing_texts, [("NaN", 3), ("-", 3)]);
    assert_eq!(x.top, [("a".to_owned(), 3), ("b".to_owned(), 3)]);
    let x = column(&["1", "2.5", "-4"], 2);
    let range = x.numbers.unwrap();
    assert_eq!((range.count, range.min, range.max, range.whole), (6, -4.0, 2.5, false));
    assert!((range.mean + 1.0 / 6.0).abs() < 1e-12);
    let x = column(&["a|b|a", "c"], 4);
    assert_eq!((x.distinct, x.lists.unwrap().max, x.lists.unwrap().mean), (3, 3, 2.0));
}

#[test]
fn a_sample_is_the_beginning_of_each_file_and_says_so() {
    let rows = |from: usize| (from..from + 50).map(|i| format!("{i}.5;{}\n", i % 2)).collect::<String>();
    let files = Files::with("a.csv", format!("x;y\n{}", rows(0)));
    files.write("b.csv", format!("y;x\n{}", rows(0).replace(".5;", ";9.")));
    let read = |most: usize| {
        let mut sample = Sample::default();
        sample.rows = Some(most);
        Profile::read(&Paths(vec![files.path("a.csv"), files.path("b.csv")]), &sample, &|_| ()).unwrap()
    };
    let (part, whole) = (read(20), read(50));
    assert_eq!((part.rows, part.whole, whole.rows, whole.whole), (40, false, 100, true));
    assert_eq!(part.csv.delimiter, ';');
    // Columns of other files are found by name.
    assert_eq!((part.columns[0].numbers.unwrap().max, part.columns[1].numbers.unwrap().max), (19.5, 19.0));
    let mut few = Sample::all();
    few.values = 10;
    let counted = profile(&files, "a.csv", &few);
    assert_eq!((counted.columns[0].distinct, counted.columns[0].more), (10, true));
}

#[test]
fn headers_are_told_from_data() {
    for (text, header) in [
        ("a,b\n1,2\n", true),
        ("1,2\n3,4\n", false),
        ("x,y\nx,z\nq,y\n", false),
        ("name,city\nAnn,Rome\nBob,Oslo\n", true),
        ("Ann,2026-03-07\nBob,2026-03-08\n", false),
        ("0,1,2\n5,6,7\n", true),
        ("a,a\n1,2\n", false),
        ("\u{feff}\n\nid,\"the, value\"\n7,\"8\n9\"\n", true),
    ] {
        assert_eq!(of_text(text).csv.header, header, "{text:?}");
    }
}

#[test]
fn columns_that_give_a_label_away_are_named() {
    let row = |i: usize| {
        let label = usize::from(i * 7 % 10 < 4);
        let echo = ["no", "yes"][label];
        format!("{},{echo},{label},{}.5,{}\n", i % 13, 100 * label + i % 90, 5 - 3 * label)
    };
    let rows: String = (0..400).map(row).collect();
    let profile = of_text(&format!("x,echo,label,near,twice\n{rows}"));
    let value = |text: &[u8]| std::str::from_utf8(text).unwrap().parse().ok();
    let leaks = profile.leaks(2, value, true, &[0, 1, 2, 3, 4]);
    assert_eq!(leaks, [(1, Evidence::Auc(1.0)), (3, Evidence::Auc(1.0)), (4, Evidence::Equal)]);
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let files = Files::with("a.csv", "x,y\n1,2\n3\n");
    let error = |names: &[&str]| {
        let paths = Paths(names.iter().map(|name| files.path(name)).collect());
        files.message(&Profile::read(&paths, &Sample::default(), &|_| ()).unwrap_err())
    };
    assert_eq!(error(&["a.csv"]), "a.csv:3:2: expected 2 fields, found 1 (record 2)");
    files.write("a.csv", "x,y\n1,2\n");
    files.write("b.csv", "x,z\n1,2\n");
    assert_eq!(error(&["a.csv", "b.csv"]), "b.csv: the feature column \"y\" is missing");
    let profile = profile(&files, "a.csv", &Sample::default());
    assert!(matches!(profile.find("yy", "--label"), Err(Error::UnknownColumn { .. })));
}

#[test]
fn typed_columns_are_what_texts_of_them_would_be() {
    use mt_data::testing::{Column, Form, write};
    let files = Files::new();
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| Some((*text).to_owned())).collect());
    let columns = [
        ("flag", Column::Bools([true, false, true, false].map(Some).to_vec())),
        ("ms", Column::Longs((0..4).map(|i| Some(1_772_892_000_000 + i)).collect())),
        ("user_id", Column::UnsignedLongs(vec![Some(u64::MAX), Some(7), None, Some(7)])),
        ("tags", Column::TextLists(vec![texts(&["a", "b"]), texts(&[]), None, texts(&["a|b"])])),
        ("x", Column::Doubles([0.5, f64::NAN, 7.0, 2.0].map(Some).to_vec())),
    ];
    write(files.path("rows.parquet"), &columns, Form::default());
    let profile = profile(&files, "rows.parquet", &Sample::default());
    assert_eq!((profile.rows, profile.typed, profile.whole), (4, 1, true));
    let kinds: Vec<Kind> = profile.columns.iter().map(|column| column.kind.clone()).collect();
    let time = Kind::Time(Unit::Milliseconds);
    assert_eq!(kinds, [Kind::Flag, time, Kind::Identifier, Kind::List(None), Kind::Number]);
    assert_eq!(profile.columns[2].top[1].0, "18446744073709551615");
    let tags = &profile.columns[3];
    assert_eq!((tags.missing, tags.distinct, tags.lists.unwrap().max), (1, 3, 2));
    assert_eq!(profile.columns[4].missing_texts, [("NaN", 1)]);
}

#[test]
fn folders_are_columns_behind_those_of_the_files() {
    let files = Files::new();
    for (hour, from) in [("07", 0), ("20", 50)] {
        std::fs::create_dir_all(files.path(&format!("log/hour={hour}"))).unwrap();
        let rows: String = (from..from + 50).map(|i| format!("{},{}.5,u{}\n", i % 2, i, i % 9)).collect();
        files.write(&format!("log/hour={hour}/part-0"), rows);
    }
    let profile = profile(&files, "log", &Sample::default());
    assert_eq!((profile.rows, profile.partitions, profile.csv.header), (100, 1, false));
    let hour = &profile.columns[3];
    assert_eq!((hour.name.as_str(), hour.distinct, hour.missing), ("hour", 2, 0));
    // Which have names where the others have numbers.
    assert_eq!([2, 3].map(|column| profile.is_named(column)), [false, true]);
    assert_eq!(profile.find("hour", "--label").unwrap(), 3);
    // They are no numbers under `features: all`.
    let text = format!("csv: {{train: {}, header: false}}", files.path("log"));
    let data: mt_data::DataConfig = serde_yaml::from_str(&text).unwrap();
    let tasks = [mt_features::TaskConfig::new("click", mt_features::ColumnRef::Index(0))];
    let found = mt_profile::NoNumbers::find(&data, &tasks).unwrap().unwrap();
    let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["column 2"]);
}
