//! Tables of one's own, of many makes: what `mt init` makes of them trains as it is, and what is wrong with them is said with what to
//! write.

use std::fmt::Write;

use crate::support::Folder;

const NAMES: &str =
    "request,user_id,city,tags,price,premium,age,shown_at,event_ms,title,clicked,liked,rating,seconds";

/// Rows of [`NAMES`]: identifiers and words as texts, lists, decimals, booleans, ISO times, labels that are -1 where they are not
/// known, line breaks in quotes. Chance is in them, and no clock.
fn table(rows: u64, delimiter: &str, header: bool, line_end: &str, missing: &str) -> String {
    let mut text = if header { NAMES.replace(',', delimiter) + line_end } else { String::new() };
    let mut state = 7_u64;
    for row in 0..rows {
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let (user, tag, price) = (draw(90), draw(4), draw(9_000));
        let clicked = draw(10) < 2 + 2 * (user % 3) + tag;
        let liked = if clicked { i64::from(draw(4) < tag) } else { -1 };
        let age = if draw(9) == 0 { missing.to_owned() } else { (18 + user % 50).to_string() };
        let cells = [
            format!("r-{row}"),
            format!("u{user}"),
            ["Köln", "São Paulo", "東京"][user as usize % 3].to_owned(),
            format!(
                "{}|{}",
                ["cats", "music", "news", "süß"][tag as usize],
                ["cats", "how to"][draw(2) as usize]
            ),
            format!("{}.{:02}", price / 100, price % 100),
            if draw(3) == 0 { "True" } else { "False" }.to_owned(),
            age,
            format!("2026-03-{:02}T12:00:{:02}Z", 1 + row * 20 / rows, row % 60),
            (1_772_323_200_000 + row * 61_013).to_string(),
            format!("\"a \"\"title\"\"\nin {row} lines, or two\""),
            if clicked { "True" } else { "False" }.to_owned(),
            liked.to_string(),
            (1 + draw(5)).to_string(),
            if clicked { format!("{}.5", draw(60) * draw(20)) } else { "0".to_owned() },
        ];
        let _ = write!(text, "{}{line_end}", cells.join(delimiter));
    }
    text
}

/// The lines of a configuration without their comments.
fn bare(yaml: &str) -> Vec<String> {
    let line = |line: &str| line.split("  #").next().unwrap_or_default().trim_end().to_owned();
    yaml.lines().map(line).filter(|line| !line.trim_start().starts_with('#') && !line.is_empty()).collect()
}

#[test]
fn a_configuration_is_written_that_trains_as_it_is() {
    let folder = Folder::new();
    folder.write("log.csv", table(900, ",", true, "\r\n", "NULL"));
    let init = ["init", "log.csv", "--label", "clicked,liked,rating,seconds"];
    let said = folder.mt(&init).done();
    assert_eq!(
        said,
        "my.yaml: 4 tasks, 3 numbers, 3 fields, 3 columns left out, by 900 rows\ntrain it with: mt train my.yaml\n"
    );
    let yaml = folder.read("my.yaml");
    let expected = "\
version: 1
data:
  csv:
    train: \"log.csv\"
    delimiter: \",\"
    header: true
    missing: [\"NULL\"]
    features:
    - price
    - premium
    - age
  numeric_missing: mean
  fields:
  - {column: user_id}
  - {column: city}
  - {column: tags, separator: \"|\"}
  group: user_id
  split:
    valid: 'event_ms >= 1772356147020 && event_ms < 1772367129360'
    test: 'event_ms >= 1772367129360'
tasks:
- {name: clicked, label: clicked}
- {name: liked, label: liked, where: 'liked != -1'}
- {name: rating, label: 'rating - 1', kind: multiclass, classes: 5}
- {name: seconds, label: seconds, kind: regression}
model:
  kind: mmoe
  experts: 4
  expert: [64, 32]
  tower: [16]
  embedding: {width: 8}
train:
  epochs: 10
  patience: 2
  batch_size: 64
  optimizer: {kind: adam, lr: 0.001}";
    assert_eq!(bare(&yaml).join("\n"), expected);
    for said in [
        "#   \"request\"   another value in every row, such as \"r-0\"\n",
        "#   \"shown_at\"  a time as a text, such as \"2026-03-01T12:00:00Z\": later rows have values that training has not\n",
        "  # By time, as the model will meet rows that come later: \"event_ms\" (unix milliseconds) from 2026-03-01\n",
        "    - age      # from 18 to 67, mean ",
        "    - premium  # true and false, true in ",
        "  # texts that mean true and false; true ",
        "-1 says that it is not known\n",
    ] {
        assert!(yaml.contains(said), "{said}\n{yaml}");
    }
    folder.mt(&[&init[..], &["--out", "again.yaml"]].concat()).done();
    assert_eq!(folder.read("again.yaml"), yaml, "the same files give the same configuration");
    folder.refuses(&init, 2, "my.yaml is there already; name another file with --out");
    assert_eq!(folder.read("my.yaml"), yaml);
    folder.mt(&["train", "my.yaml", "--set", "train.epochs=2"]).done();
    folder.mt(&["eval", "--run", "runs/my"]).done();
}

#[test]
fn files_of_other_makes_are_found_out() {
    let folder = Folder::new();
    folder.write("semicolons.txt", table(300, ";", true, "\n", "N/A"));
    let hive = table(300, "\u{1}", false, "\n", "\\N").replace('|', "\u{2}");
    folder.write("hive", hive.replace("\"\"", "").replace("\nin", " in").replace('"', ""));
    folder.write("tabs.tsv", table(300, "\t", true, "\n", "?"));
    for (file, label, found) in [
        ("semicolons.txt", "clicked", ["delimiter: \";\"", "header: true", "missing: [\"N/A\"]"]),
        ("hive", "10", ["delimiter: \"\\u0001\"", "header: false", "missing: [\"\\\\N\"]"]),
        ("tabs.tsv", "clicked", ["delimiter: \"\\t\"", "header: true", "missing: [\"?\"]"]),
    ] {
        let out = format!("{file}.yaml");
        folder.mt(&["init", file, "--label", label, "--out", &out]).done();
        let yaml = folder.read(&out);
        found.iter().for_each(|line| assert!(yaml.contains(line), "{file}: {line}\n{yaml}"));
        assert!(
            yaml.contains("alone gives AUC 1.0000"),
            "{file}: `liked` is -1 where nothing was clicked\n{yaml}"
        );
        folder.mt(&["train", &out, "--set", "train.epochs=1"]).done();
    }
    let yaml = folder.read("hive.yaml");
    assert!(yaml.contains("{column: 3, separator: \"\\u0002\"}"), "{yaml}");
    assert!(yaml.contains("- {name: column_10, label: 10}"), "{yaml}");
    assert!(yaml.contains("valid: '`column 8` >= "), "{yaml}");
}

#[test]
fn names_of_any_make_are_written_so_that_they_are_found() {
    let folder = Folder::new();
    // An index without a name, as pandas writes it, and names that YAML, expressions and parameters take for something else.
    let mut text = ",a.b,a_b,\"user id\",größe,2019,no,x: y,shared,is click,is_click\n".to_owned();
    let mut state = 7_u64;
    for row in 0..300 {
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let [click, other] = [draw(3) / 2, draw(7) / 4].map(|bit| if bit == 1 { "yes" } else { "no" });
        let (user, word) = (draw(29), ["p", "q", "r"][draw(5) as usize % 3]);
        let size = draw(97) as f64 / 8.0;
        let _ = writeln!(
            text,
            "{row},{word},{word}{},{user},{size},w{},{size},{},{},{click},{other}",
            draw(2),
            draw(4),
            draw(6),
            draw(2)
        );
    }
    folder.write("odd.csv", text);
    folder.mt(&["init", "odd.csv", "--label", "is click,is_click,shared"]).done();
    let yaml = folder.read("my.yaml");
    for line in [
        "- 'größe'",
        "- 'no'",
        "- {column: 'a.b'}",
        "- {column: a_b, name: a_b_2}",
        "- {column: 'user id'}",
        "- {column: '2019'}",
        "- {column: 'x: y'}",
        "group: 'user id'",
        "- {name: is_click, label: '`is click` == \"yes\"'}",
        "- {name: is_click_2, label: 'is_click == \"yes\"'}",
        "- {name: task_shared, label: shared}",
        "#   \"\"  another value in every row, such as \"0\"",
    ] {
        assert!(yaml.contains(line), "{line}\n{yaml}");
    }
    folder.mt(&["train", "my.yaml", "--set", "train.epochs=1"]).done();
}

#[test]
fn what_cannot_be_begun_with_is_said() {
    let folder = Folder::tiny();
    let init = |label| ["init", "rows.csv", "--label", label];
    folder.refuses(&init("likd"), 2, "--label: no column \"likd\" in rows.csv; did you mean \"liked\"?");
    folder.refuses(&init("liked,liked"), 2, "--label names \"liked\" twice");
    folder.write("texts.csv", "x,y,z\n1,red,0\n2,green,0\n3,blue,0\n");
    let of = |label| ["init", "texts.csv", "--label", label];
    folder.refuses(
        &of("y"),
        2,
        "--label y: expected numbers or two texts, found \"blue\", \"green\", \"red\"; leave it out here, and write a task by \
         hand, such as {name: y, label: 'y == \"blue\"'}",
    );
    folder.refuses(&of("z"), 2, "--label z: 0 in each of 3 rows: there is nothing to learn");
    folder.write("notes.txt", "one\ntwo\n");
    let message = "notes.txt:1:1: no delimiter found: none of a comma, tab, semicolon, \"|\" and \"\\x01\" makes records of one width";
    folder.refuses(&["init", "notes.txt", "--label", "one"], 1, message);
}

#[test]
fn columns_of_files_are_shown_without_a_configuration() {
    let folder = Folder::new();
    folder.write("log.csv", table(300, ";", true, "\r\n", "NULL"));
    let said = folder.mt(&["data", "stats", "log.csv"]).done();
    let (title, grid) = said.split_once('\n').expect("a title");
    assert_eq!(title, "300 rows x 14 columns of 1 file: text, ';' between cells, with header");
    let cells = |name: &str| -> Vec<String> {
        let line = grid.lines().find(|line| line.starts_with(&format!("│ {name} "))).expect("a line");
        line.trim_matches('│').split('┆').map(|cell| cell.trim().to_owned()).collect()
    };
    assert_eq!(cells("request")[..5], ["request", "unique", "-", "300", "r-0, r-1, r-10"]);
    assert_eq!(cells("tags")[1], "lists by '|'");
    assert_eq!(cells("tags")[5], "2, 2 at most");
    assert!(cells("age")[2].ends_with(" % NULL") && cells("premium")[4].starts_with("False 6"), "{said}");
    assert_eq!(cells("event_ms")[6..8], ["2026-03-01 00:00:00", "2026-03-01 05:04:02"]);
    let json = &folder.mt(&["data", "stats", "log.csv", "--json"]).json()[0];
    assert_eq!((&json["rows"], &json["delimiter"]), (&300.into(), &";".into()));
    let column = |name: &str| json["columns"].as_array().expect("a list").iter().find(|c| c["name"] == name);
    let city = column("city").expect("a column");
    assert_eq!(
        (&city["kind"], &city["distinct"], &city["more"]),
        (&"category".into(), &3.into(), &false.into())
    );
    assert_eq!(column("tags").expect("a column")["kind"], serde_json::json!({"list": "|"}));
    // As ever, with a configuration.
    folder.mt(&["init", "log.csv", "--label", "clicked"]).done();
    assert!(folder.mt(&["data", "stats", "my.yaml"]).done().contains(" training rows x 3 columns"));
    folder.refuses(
        &["data", "stats", "my.yaml", "log.csv"],
        2,
        "name one configuration, or files without one",
    );
    let set = ["data", "stats", "log.csv", "--set", "train.epochs=1"];
    folder.refuses(&set, 2, "--set changes a configuration, and there is none");
}

/// The lines that an error says are to be written under a key.
fn lines_under<'a>(said: &'a str, key: &str) -> Vec<&'a str> {
    let mut lines = said.lines().skip_while(|line| !line.ends_with(&format!(" under {key}:"))).skip(1);
    std::iter::from_fn(|| lines.next().filter(|line| line.starts_with("  "))).collect()
}

#[test]
fn all_columns_that_are_no_numbers_are_named_at_once_with_what_to_write() {
    let folder = Folder::new();
    folder.write("log.csv", table(200, ",", true, "\n", "NULL"));
    let config = |own: &[&str], beside: &[&str]| {
        format!(
            "version: 1\ndata:\n  csv:\n    train: log.csv\n{}{}tasks:\n- {{name: liked, label: liked, where: liked != -1}}\n\
             model: {{kind: shared-bottom}}\ntrain: {{epochs: 1}}\n",
            own.iter().map(|line| format!("{line}\n")).collect::<String>(),
            beside.iter().map(|line| format!("{line}\n")).collect::<String>(),
        )
    };
    folder.write("all.yaml", config(&[], &[]));
    let said = folder.mt(&["train", "all.yaml"]);
    assert_eq!(said.code, Some(1));
    let start = "error: log.csv:2:1: field \"request\": expected a number, found \"r-0\" (record 1)\n6 columns hold \
                 something else than the numbers that `features: all` makes of them, by the first 200 rows:\n  request   \
                 unique, such as \"r-0\", \"r-1\", \"r-10\"\n";
    assert!(said.err.starts_with(start), "{}", said.err);
    let own = lines_under(&said.err, "data.csv");
    assert_eq!(own, ["    exclude: [request, shown_at, title]", "    missing: ['NULL']"], "{}", said.err);
    let beside = lines_under(&said.err, "data");
    // True and False are 1 and 0.
    let expected = [
        "  numeric_missing: mean",
        "  fields:",
        "  - {column: user_id}",
        "  - {column: city}",
        "  - {column: tags, separator: \"|\"}",
    ];
    assert_eq!(beside, expected);
    // What is to be written makes it one that trains.
    folder.write("all.yaml", config(&own, &beside));
    folder.mt(&["train", "all.yaml"]).done();
    // Listed columns are what was asked for.
    folder.write("listed.yaml", config(&["    features: [city, price]"], &[]));
    let said = folder.mt(&["train", "listed.yaml"]);
    assert_eq!(
        said.err,
        "error: log.csv:2:8: field \"city\": expected a number, found \"東京\" (record 1)\n"
    );
}

#[test]
fn lists_of_a_typed_file_are_named_with_the_others() {
    use crate::parquet_writer::{Column, Form, write};
    let folder = Folder::new();
    let list = |i: i64| Some(vec![Some(i), Some(7)]);
    let columns = [
        ("like", Column::Longs((0..80).map(|i| Some(i * 3 % 7 % 2)).collect())),
        ("x", Column::Doubles((0..80).map(|i| Some(f64::from(i) / 3.0)).collect())),
        ("seen", Column::LongLists((0..80).map(|i| list(i % 5)).collect())),
        ("tab", Column::Texts((0..80).map(|i| Some(format!("t{}", i % 3))).collect())),
    ];
    write(folder.path("rows.parquet"), &columns, Form::default());
    let config = |beside: &[&str]| {
        let beside: String = beside.iter().map(|line| format!("{line}\n")).collect();
        format!(
            "version: 1\ndata:\n  parquet: {{train: rows.parquet}}\n{beside}tasks: [{{name: like, label: like}}]\nmodel: {{kind: \
             shared-bottom}}\ntrain: {{epochs: 1}}\n"
        )
    };
    folder.write("all.yaml", config(&[]));
    let said = folder.mt(&["train", "all.yaml"]);
    let beside = lines_under(&said.err, "data");
    assert_eq!(
        beside,
        ["  fields:", "  - {column: seen, separator: \"|\"}", "  - {column: tab}"],
        "{}",
        said.err
    );
    folder.write("all.yaml", config(&beside));
    folder.mt(&["train", "all.yaml"]).done();
}

#[test]
fn a_time_as_a_text_splits_the_rows_and_its_hour_and_weekday_need_no_more_than_two_marks() {
    let folder = Folder::new();
    let row = |i: u64| {
        let clicked = (i * 31 % 24 > 11) != i.is_multiple_of(7);
        format!(
            "2026-03-{:02} {:02}:30:00,{},u{},{}\n",
            1 + i / 100,
            i * 31 % 24,
            i % 50,
            i * 17 % 40,
            clicked
        )
    };
    folder.write("log.csv", format!("at,x,user_id,clicked\n{}", (0..1000).map(row).collect::<String>()));
    folder.mt(&["init", "log.csv", "--label", "clicked"]).done();
    let yaml = folder.read("my.yaml");
    let said = |line: &str| assert!(yaml.contains(line), "{line}\n{yaml}");
    said("  split:\n    valid: 'at >= \"2026-03-0");
    said("will meet rows that come later: \"at\" from 2026-03-0");
    said("  # - {name: at_hour, value: 'hour(at)'}\n  # - {name: at_weekday, value: 'weekday(at)'}\n");
    folder.mt(&["train", "my.yaml", "--run-dir", "run"]).done();
    folder.write("times.yaml", yaml.replace("  # - {name", "  - {name"));
    folder.mt(&["train", "times.yaml", "--run-dir", "times"]).done();
    let auc = |run: &str| {
        let lines = folder.mt(&["eval", "--run", run, "--data", "log.csv", "--json"]).json();
        lines[0]["tasks"]["clicked"]["auc"].as_f64().unwrap_or_else(|| panic!("{lines:?}"))
    };
    let (without, with) = (auc("run"), auc("times"));
    assert!(with > without + 0.1, "{without} {with}");
}
