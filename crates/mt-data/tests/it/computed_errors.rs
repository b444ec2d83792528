//! What is said of inputs that cannot be computed.

use mt_data::Dataset;
use mt_features::{MissingPolicy, RowEncoder, Value};

use crate::computed::{TEXT, files, raw};
use crate::support::{label, load, section};

#[test]
fn mistakes_are_named_with_their_key_and_place() {
    let files = files();
    let said = |rest: &str| {
        let text =
            format!("{{csv: {{train: DIR/log.csv, features: [duration]}}, valid_fraction: 0, {rest}}}");
        let error = load(&section(&files, &text), &[label("l", "l")]).unwrap_err();
        (files.message(&error), error.is_usage())
    };
    let usage = |rest: &str, expected: &str| assert_eq!(said(rest), (expected.to_owned(), true), "{rest}");
    usage(
        "numbers: [{name: r, value: 1 + plya}]",
        "data.numbers[0].value: \"1 + plya\", character 5: no column \"plya\" in log.csv; did you mean \"play\"?",
    );
    usage(
        "fields: [{column: tab}, {name: f, value: hour(tme)}]",
        "data.fields[1].value: \"hour(tme)\", character 6: no column \"tme\" in log.csv; did you mean \"time\"?",
    );
    usage(
        "numbers: [{name: r, value: duration * l}]",
        "data.numbers[0].value: \"duration * l\", character 12: column \"l\" is the label of task \"l\", so no input may be \
         computed of it",
    );
    usage(
        "numbers: [{name: r, value: 'cross(tab, user)'}]",
        "data.numbers[0].value: \"cross(tab, user)\", character 1: a text is no number; it can be compared by == and !=, or be \
         a value of cross, if and count",
    );
    usage(
        "numbers: [{name: n, value: len(seen)}]",
        "data.numbers[0].value: \"len(seen)\", character 5: no field with a `separator` reads the column \"seen\", so write what \
         stands between its values behind it: len(seen, \" \")",
    );
    usage(
        "numbers: [{name: tab, value: play + 1}]",
        "data.numbers[0].name: expected a name that no column has, as the input is computed, found \"tab\"",
    );
    usage(
        "fields: [{name: x, value: tab}], numbers: [{name: x, value: play}]",
        "data.numbers[0].name: expected another name for each input that is computed, found \"x\" again",
    );
    usage("fields: [{value: tab}]", "data.fields[0].name: expected a name, as there is `value`, found none");
    usage(
        "fields: [{name: x}]",
        "data.fields[0].column: expected a column, or an expression in `value`, found none",
    );
    usage(
        "fields: [{name: x, column: tab, value: tab}]",
        "data.fields[0].value: expected nothing, as there is `column`, found \"tab\"",
    );
    let data = |rest: &str, expected: &str| assert_eq!(said(rest), (expected.to_owned(), false), "{rest}");
    data(
        "numbers: [{name: r, value: tab + 1}]",
        "log.csv:2:46: field \"tab\": expected a number, found \"home\" (record 1)",
    );
    data(
        "fields: [{name: h, value: hour(tab)}]",
        "log.csv:2:46: field \"tab\": expected a time, as 2026-03-07, 2026-03-07T14:00:00Z or a number that counts from 1970, \
         found \"home\" (record 1)",
    );
    data(
        "numbers: [{name: r, value: duration / duration}]",
        "log.csv:4:9: field \"r\": expected a number, found an empty field (record 3)",
    );
    data(
        "fields: [{name: i, value: duration - 1, encode: {identity: 9}}]",
        "log.csv:4:9: field \"i\": expected a whole number from 0, found \"-1\" (record 3)",
    );
}

#[test]
fn raw_rows_that_cannot_be_computed_are_refused_whole() {
    let files = files();
    let config = section(&files, &TEXT.replace("numeric_missing: zero", "numeric_missing: mean"));
    let loaded = load(&config, &[label("l", "l")]).unwrap();
    let mut rows = raw(&config, &loaded);
    let said = |error: mt_features::Error| error.to_string();
    let list = ["a"].map(Value::from);
    assert_eq!(
        said(rows.push([("time", "soon".into())]).unwrap_err()),
        "row 0: column \"time\": expected a time, as 2026-03-07, 2026-03-07T14:00:00Z or a number that counts from 1970, found \
         \"soon\""
    );
    assert_eq!(
        said(rows.push([("tab", Value::List(&list))]).unwrap_err()),
        "row 0: column \"tab\": expected one value, found a list of 1"
    );
    assert!(said(rows.push([("hour", 7.into())]).unwrap_err()).contains("\"hour\""));
    assert_eq!(rows.len(), 0);
    rows.push([]).unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows.fields().iter().all(|ids| ids.len() == 1));
}

#[test]
fn a_schema_that_says_what_is_computed_is_stored_and_checked() {
    let files = files();
    let data = load(&section(&files, TEXT), &[label("l", "l")]).unwrap();
    let text = serde_yaml::to_string(&data.schema).unwrap();
    assert!(text.ends_with("- name: older\n  value: if(age > 30, age, -1)\n"), "{text}");
    assert_eq!(serde_yaml::from_str::<mt_features::Schema>(&text).unwrap(), data.schema);
    for (from, to, expected) in [
        ("value: play / duration", "value: play /", "computed column \"ratio\": \"play /\", character 7"),
        ("value: play / duration", "value: cross(a, b)", "computed column \"ratio\": expected a number"),
        ("name: older\n", "name: ratio\n", "computed column"),
        ("- duration\n- ratio\n", "- ratio\n- duration\n", "computed column"),
    ] {
        let wrong: mt_features::Schema = serde_yaml::from_str(&text.replace(from, to)).unwrap();
        let Dataset { encoders, normalizer, .. } = &data;
        let error = RowEncoder::new(&wrong, encoders, normalizer, &MissingPolicy::default()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{to}: {error}");
    }
}
