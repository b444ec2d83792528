//! Inputs that give a label away.

use mt_profile::{Evidence, leaks};

use crate::support::{Files, label, load, real_data, section};

#[test]
fn features_and_fields_that_hold_the_label_are_found() {
    let row = |i: u64| {
        let h = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        let (l, ratio) = (h.is_multiple_of(5), h % 7);
        let word = ["no", "yes"][usize::from(l)];
        // `after` is an outcome that orders rows nearly perfectly, the other way round.
        let after = if l { h % 100 } else { 100 + h % 1000 };
        format!("{},{ratio},{after},{},{word},{},{}|{}\n", u8::from(l), h % 1000, h % 49, h % 9, word)
    };
    let rows: String = (0..50_000).map(row).collect();
    let files = Files::with("log.csv", format!("l,ratio,after,noise,word,city,words\n{rows}"));
    let text = "
csv: {train: DIR/log.csv, features: [after, noise, ratio]}
fields: [{column: word}, {column: city}, {column: words, separator: '|'}]
";
    let tasks: Vec<mt_features::TaskConfig> =
        serde_yaml::from_str("[{name: a, label: l == 1}, {name: b, label: ratio * 2, kind: regression}]")
            .unwrap();
    let data = load(&section(&files, text), &tasks).unwrap();
    let found: Vec<String> = leaks(&data.train, &data.schema).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "input \"after\" alone gives AUC 1.0000 on task \"a\"",
            "input \"word\" alone gives AUC 1.0000 on task \"a\"",
            "input \"words\" alone gives AUC 1.0000 on task \"a\"",
            "input \"ratio\" is the label of task \"b\"",
        ]
    );
}

#[test]
fn the_outcomes_of_the_kuairand_log_are_leaks_and_its_features_are_not() {
    let Some(folder) = real_data("the_outcomes_of_the_kuairand_log_are_leaks") else { return };
    let folder = folder.with_file_name("kuairand-pure");
    let text = "
csv: {train: DIR/log_standard_4_25_to_4_30.csv.gz, features: [play_time_ms, duration_ms, hourmin, is_profile_enter]}
fields: [{column: user_id}, {column: video_id}, {column: tab}]
";
    let data = serde_yaml::from_str(&text.replace("DIR", folder.to_str().unwrap())).unwrap();
    let tasks = [label("enter", "is_profile_enter == 1"), label("valid", "play_time_ms >= 3000")];
    let data = load(&data, &tasks).unwrap();
    let found = leaks(&data.train, &data.schema);
    let short: Vec<_> =
        found.iter().map(|leak| (leak.input.as_str(), leak.task.as_str(), leak.evidence)).collect();
    assert_eq!(
        short,
        [("is_profile_enter", "enter", Evidence::Equal), ("play_time_ms", "valid", Evidence::Auc(1.0))]
    );
}

#[test]
fn inputs_that_expressions_name_are_said() {
    let files = Files::with("log.csv", "play,duration,tab,x,like,y\n5,10,1,3,1,7\n1,9,0,4,0,8\n");
    let tasks: Vec<mt_features::TaskConfig> = serde_yaml::from_str(
        "[{name: long, label: play / duration > 0.3}, {name: like, label: like, where: tab == '1' || x > 2}]",
    )
    .unwrap();
    let said = |features: &str, more: &str| -> Vec<String> {
        let text = format!("csv: {{train: DIR/log.csv, features: {features}}}\nvalid_fraction: 0\n{more}");
        let data = load(&section(&files, &text), &tasks).unwrap();
        data.mentioned.iter().map(|input| format!("{} {}", input.input, input.key)).collect()
    };
    assert_eq!(said("all", "weight: '1 + 1'"), [""; 0]);
    let listed = ["duration tasks.long.label", "tab tasks.like.where", "x data.weight"];
    assert_eq!(
        said("[duration]", "weight: x + 1\nfields: [{column: tab}, {column: x, encode: {buckets: 2}}]")[..2],
        listed[..2]
    );
    assert!(said("[x]", "weight: x + 1").contains(&listed[2].to_owned()));
    let text = "input \"duration\" stands in tasks.long.label too; list it only if it is known before the outcome is";
    let named = mt_data::Mentioned { input: "duration".into(), key: "tasks.long.label".into() };
    assert_eq!(named.to_string(), text);
}
