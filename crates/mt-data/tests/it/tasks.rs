//! Labels of every kind, expressions, sample spaces and weights.

use mt_data::DataConfig;
use mt_features::{ColumnRef, Table, TaskConfig, TaskKind};

use crate::support::{Files, headerless, label, load, named, section, values};

const LOG: &str = "click,buy,play,duration,income,stars,w,x\n\
                   1,1,30,60,50000+.,2,1,1\n\
                   0,0,90,60,- 50000.,0,0.5,2\n\
                   1,,5,0,50000+.,NaN,2,3\n\
                   0,1,null,60,?,1,0,4\n";
const DATA: &str =
    "{csv: {train: DIR/log.csv, features: [x], missing: ['?']}, valid_fraction: 0, normalize: none}";

fn tasks(text: &str) -> Vec<TaskConfig> {
    serde_yaml::from_str(text).unwrap()
}

fn read(data: &str, text: &str) -> Table {
    let files = Files::with("log.csv", LOG);
    load(&section(&files, data), &tasks(text)).unwrap().train
}

fn message(log: &str, data: &str, text: &str) -> String {
    let files = Files::with("log.csv", log);
    files.message(&load(&section(&files, data), &tasks(text)).unwrap_err())
}

#[test]
fn labels_may_be_expressions_classes_and_numbers() {
    let table = read(
        DATA,
        "[{name: rich, label: income == \"50000+.\"}, {name: done, label: play >= duration},
          {name: ratio, label: 'min(play / duration, 1.2)', kind: regression},
          {name: stars, label: stars, kind: multiclass, classes: 3}]",
    );
    assert_eq!(table.labels(), [1., 0., 0.5, 2., 0., 1., 1.2, 0., 1., 1., 0., 0., 0., 0., 0., 1.],);
    assert_eq!(table.mask(), [1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 0., 0., 0., 0., 0., 1.]);
    assert_eq!(table.labelled(), None);
    assert_eq!(values(&table), [1., 2., 3., 4.]);
}

#[test]
fn a_task_counts_only_in_its_sample_space() {
    let table = read(DATA, "[{name: click, label: click}, {name: buy, label: buy, where: click == 1}]");
    assert_eq!(table.labels(), [1., 1., 0., 0., 1., 0., 0., 1.]);
    assert_eq!(table.mask(), [1., 1., 1., 0., 1., 0., 1., 0.]);
    assert_eq!(table.labelled(), Some(&[1., 1., 1., 1., 1., 0., 1., 1.][..]));
    assert_eq!((table.positives(0), table.positives(1)), ((2, 4), (1, 1)));
    assert_eq!(table.take(&[3, 0]).labelled(), Some(&[1., 1., 1., 1.][..]));
}

#[test]
fn weights_multiply_the_mask() {
    let weighted = DATA.replace("valid_fraction", "weight: w, valid_fraction");
    let table = read(&weighted, "[{name: buy, label: buy, where: click == 1 || x == 4}]");
    assert_eq!(table.mask(), [1., 0., 0., 0.]);
    assert_eq!(table.labelled(), Some(&[1., 0.5, 0., 0.][..]));
    let doubled = DATA.replace("valid_fraction", "weight: '2 * x', valid_fraction");
    assert_eq!(read(&doubled, "[{name: click, label: click}]").mask(), [2., 4., 6., 8.]);
}

#[test]
fn columns_of_labels_and_expressions_are_no_features_unless_listed() {
    let files = Files::with("log.csv", "a,b,c,d,e,f\n1,2,3,1,1,6\n");
    let text = "{csv: {train: DIR/log.csv}, weight: d, valid_fraction: 0}";
    let task = tasks("[{name: l, label: a / b, kind: regression, where: e}]");
    assert_eq!(load(&section(&files, text), &task).unwrap().schema.numeric, ["c", "f"]);
    let text = "{csv: {train: DIR/log.csv, features: [b, c]}, weight: d, valid_fraction: 0, normalize: none}";
    let data = load(&section(&files, text), &task).unwrap();
    assert_eq!((data.schema.numeric, values(&data.train)), (vec!["b".into(), "c".into()], vec![2.0, 3.0]));
}

#[test]
fn a_text_that_is_a_columns_name_is_the_column() {
    let files = Files::with("log.csv", "a-b,a,b,x\n1,5,6,1\n");
    let text = "{csv: {train: DIR/log.csv, features: [x]}, valid_fraction: 0}";
    let read = |label: &str| {
        let mut task = TaskConfig::new("l", named(label));
        task.kind = TaskKind::Regression;
        load(&section(&files, text), &[task]).unwrap().train.labels().to_vec()
    };
    assert_eq!((read("a-b"), read("a - b"), read("`a-b` + a")), (vec![1.0], vec![-1.0], vec![6.0]));
}

#[test]
fn a_file_without_names_has_expressions_over_made_up_names() {
    let files = Files::with("log.csv", "5,50000+.\n6,- 50000.\n");
    let data = DataConfig { valid_fraction: 0.0, ..DataConfig::files(headerless(files.path("log.csv"))) };
    let table = load(&data, &[label("rich", "`column 1` == '50000+.'")]).unwrap().train;
    assert_eq!(table.labels(), [1.0, 0.0]);
}

#[test]
fn bad_labels_are_named_with_their_place() {
    let at = |text: &str| message(LOG, DATA, text);
    assert_eq!(
        at("[{name: a, label: w}]"),
        "log.csv:3:22: field \"w\": expected 0 or 1, found \"0.5\" (record 2)"
    );
    assert_eq!(
        at("[{name: a, label: w * 2}]"),
        "log.csv:2:21: field \"w * 2\": expected 0 or 1, found \"2\" (record 1)"
    );
    assert_eq!(
        at("[{name: a, label: stars, kind: multiclass, classes: 2}]"),
        "log.csv:2:19: field \"stars\": expected a class from 0 to 1, found \"2\" (record 1)"
    );
    assert_eq!(
        at("[{name: a, label: income, kind: regression}]"),
        "log.csv:2:11: field \"income\": expected a number, found \"50000+.\" (record 1)"
    );
    assert_eq!(
        at("[{name: a, label: income + 1, kind: regression}]"),
        "log.csv:2:11: field \"income\": expected a number, found \"50000+.\" (record 1)"
    );
    let weighted = DATA.replace("valid_fraction", "weight: x - 2, valid_fraction");
    assert_eq!(
        message(LOG, &weighted, "[{name: click, label: click}]"),
        "log.csv:2:23: field \"x - 2\": expected a weight from 0, found \"-1\" (record 1)"
    );
}

#[test]
fn mistakes_in_expressions_are_named_with_position_and_nearest_column() {
    let at = |text: &str| message(LOG, DATA, text);
    assert_eq!(
        at("[{name: a, label: play / duratoin}]"),
        "tasks.a.label: \"play / duratoin\", character 8: no column \"duratoin\" in log.csv; did you mean \"duration\"?"
    );
    assert_eq!(
        at("[{name: a, label: play >= }]"),
        "tasks.a.label: \"play >=\", character 8: expected a value, found the end"
    );
    assert_eq!(
        at("[{name: a, label: cluck}]"),
        "tasks.a.label: no column \"cluck\" in log.csv; did you mean \"click\"?"
    );
    assert_eq!(
        at("[{name: a, label: click, where: x ==}]"),
        "tasks.a.where: \"x ==\", character 5: expected a value, found the end"
    );
}

#[test]
fn classes_belong_to_multiclass() {
    let wrong = |text: &str| serde_yaml::from_str::<Vec<TaskConfig>>(text).unwrap_err().to_string();
    assert_eq!(wrong("[{name: a, label: b, kind: multiclass}]"), "task \"a\": `multiclass` needs `classes`");
    assert_eq!(
        wrong("[{name: a, label: b, classes: 3}]"),
        "task \"a\": `classes` is only for `kind: multiclass`"
    );
    assert!(wrong("[{name: a, label: b, wehre: c}]").contains("unknown field `wehre`"));
    let task =
        TaskConfig { kind: TaskKind::Multiclass { classes: 1 }, ..TaskConfig::new("a", ColumnRef::Index(0)) };
    assert_eq!(
        mt_features::tasks(&[task]).unwrap_err().to_string(),
        "tasks.a.classes: expected 2 to 16777216, found 1"
    );
    let text = "[{name: a, label: b, kind: multiclass, classes: 3, where: c == 1}, {name: d, label: e, kind: regression}]";
    let read = tasks(text);
    assert_eq!(
        serde_yaml::from_str::<Vec<TaskConfig>>(&serde_yaml::to_string(&read).unwrap()).unwrap(),
        read
    );
    assert_eq!(read[0].kind.outputs(), 3);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::default()
    })]

    #[test]
    fn no_text_as_a_label_and_no_cells_make_the_reader_panic(
        label in "([a-c]|[0-9.]{1,3}|[-+*/()!<>=&|,\"'` ]|min|clamp|==|&&|é){0,12}",
        cells in "([a-c0-9\"', \\-.]{0,6}\n){1,4}",
    ) {
        let files = Files::with("log.csv", format!("a,b,x\n{cells}"));
        let text = "{csv: {train: DIR/log.csv, features: none, on_bad_record: {skip: 2}}, fields: [{column: x, separator: ' '}, {column: b}]}";
        let mut task = TaskConfig::new("l", named(&label));
        task.kind = TaskKind::Regression;
        // Whatever it says, it says it as an error.
        let _ = load(&section(&files, text), &[task]).map_err(|error| error.to_string());
    }
}

#[test]
fn outside_of_its_sample_space_a_label_may_be_anything() {
    let text = "seen,like,stars,x\n1,1,2,5\n0,-1,-1,6\n1,0,0,7\n0,unknown,n/a,8\n,,,9\n0,1,1,10\n";
    let files = Files::with("log.csv", text);
    let data = "csv: {train: DIR/log.csv, features: [x]}\nvalid_fraction: 0";
    let tasks = "[{name: a, label: like, where: seen}, {name: b, label: stars, kind: multiclass, classes: 3, where: seen == 1}]";
    let tasks: Vec<TaskConfig> = serde_yaml::from_str(tasks).unwrap();
    let check = |data: &DataConfig| {
        let table = load(data, &tasks).unwrap().train;
        assert_eq!(table.labels(), [1., 2., 0., 0., 0., 0., 0., 0., 0., 0., 1., 1.]);
        assert_eq!(table.mask(), [1., 1., 0., 0., 1., 1., 0., 0., 0., 0., 0., 0.]);
        // What is a label counts among those of all rows.
        assert_eq!(table.labelled().unwrap(), [1., 1., 0., 0., 1., 1., 0., 0., 0., 0., 1., 1.]);
    };
    check(&section(&files, data));
    #[cfg(feature = "parquet")]
    {
        use crate::parquet_writer::{Form, convert};
        convert(text.as_bytes(), files.path("log.parquet"), Form::default());
        check(&section(
            &files,
            &data.replace("csv: {train: DIR/log.csv", "parquet: {train: DIR/log.parquet"),
        ));
    }
    // Inside it must be one.
    files.write("log.csv", text.replace("1,0,0,7", "1,-1,0,7"));
    let error = load(&section(&files, data), &tasks).unwrap_err();
    let expected = "log.csv:4:3: field \"like\": expected 0 or 1, found \"-1\" (record 3)";
    assert_eq!(files.message(&error), expected);
}

#[test]
fn a_label_of_ten_thousand_terms_is_computed() {
    let files = Files::with("log.csv", "a,b,x\n0.5,2,1\n1,0,2\n");
    let terms: Vec<String> = (0..10_000).map(|i| ["a", "b * a", "-b", "1"][i % 4].to_owned()).collect();
    let mut task = label("sum", &terms.join(" + "));
    task.kind = TaskKind::Regression;
    let data = section(&files, "csv: {train: DIR/log.csv}\nvalid_fraction: 0");
    // On a thread with a small stack, as a library's caller may have.
    let read = move || {
        let table = load(&data, std::slice::from_ref(&task)).unwrap().train;
        assert_eq!(table.labels(), [2500. * (0.5 + 1. - 2. + 1.), 2500. * (1. + 0. - 0. + 1.)]);
        let long = label("sum", &format!("{} + c", terms.join(" + ")));
        load(&data, &[long]).unwrap_err().to_string()
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(read).unwrap();
    let message = thread.join().unwrap();
    assert!(message.len() < 500 && message.contains("no column \"c\""), "{message}");
}
