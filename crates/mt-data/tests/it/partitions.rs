//! Tables whose rows lie in folders `key=value` are those of one file with a real column for each key.

use mt_data::scan::{Scan, Sink};
use mt_data::{CsvConfig, DataConfig, Dataset, Kept, KeptForm, Labels, Paths, Records, Storage, TableReader};
use mt_features::{NumericMissing, Table, TaskConfig, Value};

use crate::support::{Files, join, label, load, section, values};

/// Days and hours, as folders call them and as they are.
const PARTS: [(&str, &str, &str); 4] = [
    ("dt=2022-04-25/hour=07", "2022-04-25", "07"),
    ("dt=2022-04-25/hour=20", "2022-04-25", "20"),
    ("dt=2022-04-28/hour=__HIVE_DEFAULT_PARTITION__", "2022-04-28", ""),
    ("dt=2022-04-29 12%3A30/hour=9", "2022-04-29 12:30", "9"),
];
const ROWS: usize = 50;

fn row(part: usize, i: usize) -> String {
    format!("{},u{},{}", (i + part) % 2, (i * 7 + part) % 11, (i + 100 * part) as f32 / 4.0)
}

/// The rows of a part, with what stands in `columns` behind each.
fn rows(part: usize, columns: &str) -> String {
    (0..ROWS).map(|i| format!("{}{columns}\n", row(part, i))).collect()
}

/// The table in folders and as one file.
fn table() -> Files {
    let files = Files::new();
    let mut whole = "click,user,x,dt,hour\n".to_owned();
    for (part, (folder, dt, hour)) in PARTS.into_iter().enumerate() {
        for kind in ["log", "bare", "typed"] {
            std::fs::create_dir_all(files.path(&format!("{kind}/{folder}"))).unwrap();
        }
        let text = format!("click,user,x\n{}", rows(part, ""));
        files.write(&format!("log/{folder}/part-0.csv"), &text);
        files.write(&format!("log/{folder}/_SUCCESS"), "");
        files.write(&format!("bare/{folder}/part-0"), rows(part, ""));
        #[cfg(feature = "parquet")]
        crate::parquet_writer::convert(
            text.as_bytes(),
            files.path(&format!("typed/{folder}/part-0.parquet")),
            crate::parquet_writer::Form { group: 30, ..Default::default() },
        );
        whole += &rows(part, &format!(",{dt},{hour}"));
    }
    files.write("whole.csv", whole);
    std::fs::create_dir(files.path("log/_temporary")).unwrap();
    files.write("log/_temporary/dt", "nothing");
    files
}

const CONFIG: &str = "
csv: {train: DIR/TRAIN, features: [x, hour]}
numeric_missing: mean
weight: day(dt) / 8
group: dt
fields: [{column: user}, {column: dt}, {name: day, value: 'cross(user, hour)'}]
numbers: [{name: weekday, value: 'weekday(dt, \"+01:00\")'}]
join: [{file: DIR/days.csv, key: dt}]
split: {valid: 'dt >= \"2022-04-28\" && dt < \"2022-04-29\"', test: 'dt >= \"2022-04-29\"'}
";
const DAYS: &str = "dt,feast\n2022-04-25,1\n2022-04-28,0\n";

fn tasks() -> [TaskConfig; 2] {
    [label("click", "click"), label("early", "click && hour < 10")]
}

fn configured(files: &Files, train: &str) -> DataConfig {
    section(files, &CONFIG.replace("TRAIN", train))
}

fn same(one: &Dataset, other: &Dataset) {
    assert_eq!((&one.train, &one.valid, &one.test), (&other.train, &other.valid, &other.test));
    assert_eq!((&one.schema, &one.encoders), (&other.schema, &other.encoders));
    assert_eq!((&one.identity, &one.normalizer), (&other.identity, &other.normalizer));
}

#[test]
fn partitions_give_the_table_of_one_file_with_the_columns() {
    let files = table();
    files.write("days.csv", DAYS);
    let whole = load(&configured(&files, "whole.csv"), &tasks()).unwrap();
    let parts = [Some(&whole.train), whole.valid.as_ref(), whole.test.as_ref()];
    assert_eq!(parts.map(|part| part.map_or(0, Table::len)), [100, 50, 50]);
    assert_eq!(whole.schema.numeric, ["x", "hour", "weekday"]);
    same(&load(&configured(&files, "log"), &tasks()).unwrap(), &whole);
    #[cfg(feature = "parquet")]
    same(&load(&configured(&files, "typed"), &tasks()).unwrap(), &whole);
    // A day by its name, some by a pattern, and a file alone.
    for (entry, rows) in [
        ("log/dt=2022-04-2*/", 4),
        ("log/dt=2022-04-2[58]*", 3),
        ("log/dt=2022-04-25/", 2),
        ("log/dt=2022-04-25/hour=07", 1),
        ("log/*/*/*.csv", 4),
        ("log/**/*.csv", 4),
        ("log/dt=*/hour=[02]*/*.csv", 2),
        ("log/dt=2022-04-25/hour=20/part-0.csv", 1),
    ] {
        let csv = CsvConfig::new(files.path(entry));
        let reader = TableReader::open_training(&csv.train, &csv, &[label("click", "hour > 10")]);
        let error = reader.as_ref().err().map(|error| error.to_string());
        assert_eq!(error, None, "{entry}");
        let csv = CsvConfig { features: mt_data::Features::List(vec![name("x")]), ..csv };
        let reader = TableReader::open_training(&csv.train, &csv, &[label("click", "hour > 10")]).unwrap();
        assert_eq!(join(reader).unwrap().len(), rows * ROWS, "{entry}");
    }
}

fn name(text: &str) -> mt_features::ColumnRef {
    crate::support::named(text)
}

#[test]
fn rows_do_not_depend_on_blocks_and_threads() {
    let files = table();
    files.write("days.csv", DAYS);
    let mut inputs = vec!["log"];
    #[cfg(feature = "parquet")]
    inputs.push("typed");
    // NaN is not even itself.
    let configured =
        |input: &str| DataConfig { numeric_missing: NumericMissing::Zero, ..configured(&files, input) };
    let whole = configured("whole.csv");
    let expected = join(TableReader::open_data(&whole.row_files().unwrap().train, &whole, &tasks()).unwrap());
    let expected = expected.unwrap();
    for (input, threads, block) in inputs.iter().flat_map(|input| [(input, 1, 1), (input, 4, 200)]) {
        let data = configured(input);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let paths = data.row_files().unwrap().train;
        let read = || join(TableReader::open_blocks(&paths, &data, &tasks(), block).unwrap()).unwrap();
        assert!(pool.install(read) == expected, "{input} {threads} {block}");
    }
}

#[test]
fn files_without_header_have_the_named_columns_of_folders_behind_their_own() {
    let files = table();
    let config = "
csv: {train: DIR/bare, header: false, features: [2, hour]}
numeric_missing: mean
fields: [{column: 1}, {column: dt}]
split: {valid: 'dt >= \"2022-04-28\"'}
";
    let tasks = [mt_features::TaskConfig::new("click", mt_features::ColumnRef::Index(0))];
    let bare = load(&section(&files, config), &tasks).unwrap();
    assert_eq!(bare.schema.numeric, ["column 2", "hour"]);
    let named = config
        .replace("bare", "whole.csv")
        .replace("header: false, features: [2,", "features: [x,")
        .replace("column: 1", "column: user");
    let whole = load(&section(&files, &named), &[label("click", "click")]).unwrap();
    assert_eq!((&bare.train, &bare.valid), (&whole.train, &whole.valid));
    // An index is one of the file's own columns.
    let error = load(&section(&files, &config.replace("[2, hour]", "[3]")), &tasks).unwrap_err();
    assert_eq!(
        files.message(&error),
        "data.csv.features: no column 3 in bare/dt=2022-04-25/hour=07/part-0, which has 3 columns, counted from 0"
    );
    // Files to be scored lack the label.
    let unlabelled = rows(0, "").lines().map(|line| line[2..].to_owned() + "\n").collect::<String>();
    std::fs::create_dir_all(files.path("new/dt=2022-04-25/hour=07")).unwrap();
    files.write("new/dt=2022-04-25/hour=07/rows", unlabelled);
    let reader = TableReader::open_encoded(
        &Paths::from(files.path("new")),
        &section(&files, config),
        &bare.schema,
        &tasks,
        &bare.normalizer,
        &bare.encoders,
        Labels::Ignored,
    );
    let scored = join(reader.unwrap());
    let rows: Vec<u32> = (0..ROWS as u32).collect();
    let expected = bare.train.take(&rows);
    let scored = scored.unwrap();
    assert_eq!((values(&scored), scored.fields()), (values(&expected), expected.fields()));
}

#[test]
fn under_all_features_the_folders_are_none_unless_they_are_named() {
    let files = table();
    let config = "csv: {train: DIR/log}\nfields: [{column: user}]";
    let tasks = [label("click", "click")];
    let data = load(&section(&files, config), &tasks).unwrap();
    assert_eq!(data.schema.numeric, ["x"]);
    assert_eq!(data.train.len(), 180);
}

/// What is scored of `input`, with the kept columns.
fn scored(
    files: &Files,
    data: &DataConfig,
    model: &Dataset,
    input: &str,
    form: KeptForm,
) -> (Table, Vec<Kept>) {
    let paths = Paths::from(files.path(input));
    let reader = TableReader::open_encoded(
        &paths,
        data,
        &model.schema,
        &tasks(),
        &model.normalizer,
        &model.encoders,
        Labels::Ignored,
    );
    let mut reader = reader.unwrap().keep(&["dt".to_owned(), "user".to_owned()], form).unwrap();
    assert_eq!(reader.kept_columns().names(), ["dt", "user"]);
    let mut table: Option<Table> = None;
    let mut kept = Vec::new();
    while let Some(read) = reader.next_kept() {
        let (rows, cells) = read.unwrap();
        match &mut table {
            Some(table) => table.append(rows).unwrap(),
            None => table = Some(rows),
        }
        kept.push(cells);
    }
    (table.unwrap(), kept)
}

#[test]
fn a_model_is_predicted_with_folders_or_with_the_column_itself() {
    let files = table();
    files.write("days.csv", DAYS);
    let data = configured(&files, "log");
    let model = load(&data, &tasks()).unwrap();
    let (expected, _) = scored(&files, &data, &model, "whole.csv", KeptForm::Text);
    let texts = |kept: &[Kept]| -> Vec<String> {
        let record = |kept: &Kept, row| -> Vec<String> {
            kept.texts(row).map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
        };
        kept.iter().flat_map(|kept| (0..ROWS).map(|row| record(kept, row).join(" "))).collect()
    };
    let mut inputs = vec!["log"];
    #[cfg(feature = "parquet")]
    inputs.push("typed");
    for input in inputs {
        let (rows, kept) = scored(&files, &data, &model, input, KeptForm::Text);
        assert_eq!(rows, expected, "{input}");
        if input == "log" {
            let texts = texts(&kept);
            assert_eq!(
                (texts.len(), &*texts[0], &*texts[199]),
                (200, "2022-04-25 u0", "2022-04-29 12:30 u5")
            );
        }
        let paths = Paths::from(files.path(input));
        let columns = ["hour", "x", "dt", "feast"].map(str::to_owned);
        let records = Records::read(&paths, &data, &columns, 101).unwrap();
        let record = |row| records.record(row).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
        assert_eq!(
            (records.len(), record(0), record(100)),
            (101, "07 0 2022-04-25 1".into(), " 50 2022-04-28 0".into())
        );
    }
    #[cfg(feature = "parquet")]
    {
        let (rows, kept) = scored(&files, &data, &model, "typed", KeptForm::Stored);
        assert_eq!(rows, expected);
        assert!(kept.len() >= 4);
    }
}

#[test]
fn a_scan_has_the_folders_behind_the_columns() {
    #[derive(Default)]
    struct Cells(Vec<String>);
    impl Sink for Cells {
        fn add(&mut self, value: Value<'_>) {
            self.0.push(value.cell());
        }
    }
    let files = table();
    let mut inputs = vec!["log/dt=2022-04-25/hour=07/part-0.csv"];
    #[cfg(feature = "parquet")]
    inputs.push("typed/dt=2022-04-25/hour=07/part-0.parquet");
    for input in inputs {
        let path = files.path(input);
        let csv = CsvConfig::new(path.clone());
        let mut scan = Scan::open(&Storage::default(), path.as_ref(), &csv, Default::default()).unwrap();
        assert_eq!(scan.start().names, ["click", "user", "x", "dt", "hour"]);
        assert_eq!(scan.start().partitions, 2);
        let mut cells = [Cells::default(), Cells::default()];
        assert!(scan.next(&[4, 2], &mut cells, 2).unwrap() >= 1, "{input}");
        assert_eq!((&*cells[0].0[0], &*cells[1].0[0]), ("07", "0"));
    }
}

#[test]
fn folders_that_make_no_columns_are_refused_by_name() {
    let tasks = [label("click", "click")];
    let fails = |contents: &[(&str, &str)], entry: &str| {
        let files = Files::new();
        for (name, content) in contents {
            let path = files.path(name);
            std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
            files.write(name, content);
        }
        let error = load(&section(&files, &format!("csv: {{train: 'DIR/{entry}'}}")), &tasks).unwrap_err();
        files.message(&error)
    };
    let rows = "click,x\n1,2\n0,3\n";
    assert_eq!(
        fails(&[("log/dt=1/a.csv", rows), ("log/dt=2/hour=3/b.csv", rows)], "log"),
        "log/dt=2/hour=3/b.csv: expected a file in dt=…, as log/dt=1/a.csv is, found dt=…/hour=…; \
         name apart what lies in other folders"
    );
    assert_eq!(
        fails(&[("log/a.csv", rows), ("log/day=2/b.csv", rows)], "log/"),
        "log/day=2/b.csv: expected a file in no folder key=value, as log/a.csv is, found day=…; \
         name apart what lies in other folders"
    );
    let unlike = fails(&[("log/dt=1/a.csv", rows), ("log/day=1/b.csv", rows)], "log/*");
    assert!(
        unlike.starts_with("log/dt=1/a.csv: expected a file in day=…, as log/day=1/b.csv is"),
        "{unlike}"
    );
    assert_eq!(
        fails(&[("log/dt=1/a.csv", "click,x,dt\n1,2,3\n")], "log"),
        "column \"dt\" is in both log/dt=1/a.csv and log/dt=1"
    );
    let a_folder = "a folder, where files are to be read; name the files, or a pattern that only they match";
    assert_eq!(
        fails(&[("log/dt=1/a.csv", rows), ("log/dt=1/old/a.csv", rows)], "log"),
        format!("log/dt=1/old: {a_folder}")
    );
    assert_eq!(fails(&[("log/dt=1/dt=2/a.csv", rows)], "log"), "log/dt=1/dt=2: the folders say \"dt\" twice");
    assert_eq!(
        fails(&[("log/dt=1/dt=2/a.csv", rows)], "log/dt=1/dt=2/a.csv"),
        "log/dt=1/dt=2/a.csv: the folders say \"dt\" twice"
    );
    assert!(fails(&[("log/dt=1/_SUCCESS", "")], "log").starts_with("no file matches"));
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_in_a_circle_are_refused() {
    let files = Files::new();
    std::fs::create_dir_all(files.path("log/a=1/b=2")).unwrap();
    files.write("log/a=1/b=2/rows.csv", "click,x\n1,2\n");
    let link = files.path("log/a=1/b=3");
    std::os::unix::fs::symlink("../../log", &link).unwrap();
    let fails = || {
        let error = load(&section(&files, "csv: {train: DIR/log}"), &[label("click", "click")]).unwrap_err();
        files.message(&error)
    };
    let circle = fails();
    assert_eq!(circle, "log/a=1/b=3/a=1: the folders say \"a\" twice");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert!(fails().starts_with("log/a=1/b=3: a link that leads nowhere"), "{}", fails());
}

#[test]
fn a_value_that_cannot_be_used_is_named_with_its_file() {
    let files = Files::new();
    std::fs::create_dir_all(files.path("log/day=x")).unwrap();
    files.write("log/day=x/rows.csv", "click,x\n1,2\n0,3\n");
    let config = "csv: {train: DIR/log, features: [x, day]}";
    let error = load(&section(&files, config), &[label("click", "click")]).unwrap_err();
    assert_eq!(
        files.message(&error),
        "log/day=x/rows.csv:2:1: field \"day\": expected a number, found \"x\" (record 1)"
    );
}
