//! Groups, and rows picked for validation and test.

use mt_data::DataConfig;

use crate::support::{Files, label, load, section, values};

const LOG: &str = "l,user,date,x\n1,u2,20220428,1\n0,u1,20220429,2\n1,u2,20220430,3\n0,u1,20220428,4\n";

#[test]
fn rules_pick_rows_for_validation_and_test() {
    let files = Files::with("log.csv", LOG);
    let text = "
csv: {train: DIR/log.csv, features: [x]}
normalize: none
group: user
fields: [{column: user}]
split: {valid: date == 20220429, test: date == 20220430}
";
    let data = load(&section(&files, text), &[label("l", "l")]).unwrap();
    let (valid, test) = (data.valid.unwrap(), data.test.unwrap());
    assert_eq!([&data.train, &valid, &test].map(values), [vec![1.0, 4.0], vec![2.0], vec![3.0]]);
    assert_eq!(
        [&data.train, &valid, &test].map(|t| t.groups().unwrap().to_vec()),
        [vec![0, 1], vec![1], vec![0]]
    );
    assert_eq!(data.train.fields()[0].rows, [3, 2]);
    let only = text.replace("valid: date == 20220429, ", "");
    let data = load(&section(&files, &only), &[label("l", "l")]).unwrap();
    assert_eq!((data.train.len(), data.valid.is_some(), data.test.unwrap().len()), (3, false, 1));
}

#[test]
fn contradictions_about_the_split_are_refused() {
    let files = Files::with("log.csv", LOG);
    let text =
        "{csv: {train: DIR/log.csv, features: [x]}, split: {valid: date > 20220428, test: date > 20220429}}";
    let error = load(&section(&files, text), &[label("l", "l")]).unwrap_err();
    assert_eq!(
        files.message(&error),
        "log.csv:4:6: field \"data.split\": expected a row for validation or for the test, found \"both\" (record 3)"
    );
    let check =
        |text: &str| serde_yaml::from_str::<DataConfig>(text).unwrap().check().unwrap_err().to_string();
    assert_eq!(
        check("{csv: {train: a, valid: b}, split: {valid: date == 1}}"),
        "data.csv.valid: expected nothing, as `data.split` picks these rows, found b"
    );
    assert_eq!(
        check("{csv: {train: a}, valid_fraction: 0.2, split: {test: date == 1}}"),
        "data.valid_fraction: expected nothing, as there is `data.split`, found 0.2"
    );
    assert_eq!(
        check("{csv: {train: a}, test_fraction: 0.2, split: {test: date == 1}}"),
        "data.test_fraction: expected nothing, as there is `data.split`, found 0.2"
    );
}
