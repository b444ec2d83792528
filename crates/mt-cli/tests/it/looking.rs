//! `mt inspect` and `mt data`: what is in a configuration, a run and its data.

use crate::support::Folder;

#[test]
fn a_configuration_and_its_run_show_the_same_parameters() {
    let folder = Folder::trained();
    let config = folder.mt(&["inspect", "tiny.yaml"]).done();
    let run = folder.mt(&["inspect", "run"]).done();
    assert!(config.starts_with("tiny: mmoe, 3 inputs, tasks watched, liked\n"), "{config}");
    assert!(config.ends_with("\n146 parameters\n"), "{config}");
    assert_eq!(run.replacen("run:", "tiny:", 1), config.replacen("config:", "tiny:", 1));

    let json = |what| folder.mt(&["inspect", what, "--json"]).json().remove(0);
    let (config, run) = (json("tiny.yaml"), json("run"));
    assert_eq!(config["parameters"], 146);
    assert_eq!(config["inputs"], 3);
    assert_eq!(config["shapes"]["experts.0.weight"], serde_json::json!([3, 2, 4]));
    for key in ["parameters", "inputs", "shapes", "tasks"] {
        assert_eq!(config[key], run[key], "{key}");
    }
    let message = "--set changes a configuration; run is a run";
    folder.refuses(&["inspect", "run", "--set", "model.experts=3"], 2, message);
    let set = folder.mt(&["inspect", "tiny.yaml", "--set", "model.experts=3", "--json"]).json().remove(0);
    assert_eq!(set["shapes"]["experts.0.weight"], serde_json::json!([3, 3, 4]));
}

#[test]
fn statistics_count_rows_labels_and_values_as_they_are_in_the_file() {
    let folder = Folder::tiny();
    folder.write("rows.csv", "watched,liked,a,b,c\n1,0,1,10,0\n0,,2,20,1\n1,1,3,30,0\n0,1,0,40,1\n");
    let none = ["--set", "data.valid_fraction=0", "--set", "data.test_fraction=0"];
    let stats = |more: &[&str]| folder.mt(&[&["data", "stats", "tiny.yaml"], &none[..], more].concat());
    let json = stats(&["--json"]).json().remove(0);
    assert_eq!(json["rows"], 4);
    let task = |i: usize| (json["tasks"][i]["positives"].clone(), json["tasks"][i]["present"].clone());
    assert_eq!(task(0), (2.into(), 4.into()));
    assert_eq!(task(1), (2.into(), 3.into()));
    let text = stats(&[]).done();
    assert!(text.starts_with("4 training rows x 3 columns, 75.00 % non-zero, 0 MB in memory\n"), "{text}");
    assert!(text.contains("10.00") && text.contains("40.00") && text.contains("25.000"), "{text}");
    assert!(text.ends_with("and 1 columns of only 0 and 1\n"), "{text}");
}

#[test]
fn generated_files_begin_alike_whatever_their_length() {
    let folder = Folder::new();
    for (rows, file) in [("50", "short.csv"), ("80", "long.csv")] {
        folder.mt(&["data", "synth", "--rows", rows, "--seed", "3", "--out", file]).done();
    }
    let (short, long) = (folder.read("short.csv"), folder.read("long.csv"));
    assert_eq!((short.lines().count(), long.lines().count()), (51, 81));
    assert!(long.starts_with(&short) && short.starts_with("completion,like,user_taste_0,"));
    assert_eq!(folder.files(""), ["long.csv", "short.csv"]);
}

#[test]
fn generated_rows_have_a_column_for_each_tab() {
    let folder = Folder::new();
    folder.mt(&["data", "synth", "--rows", "20", "--contexts", "3", "--out", "tabs.csv"]).done();
    let text = folder.read("tabs.csv");
    let header = text.lines().next().expect("a header");
    assert!(header.ends_with(",noise,tab_0,tab_1,tab_2"), "{header}");
    let of_one_tab = |line: &str| [",1,0,0", ",0,1,0", ",0,0,1"].iter().any(|tabs| line.ends_with(tabs));
    assert!(text.lines().skip(1).all(of_one_tab), "{text}");
    folder.refuses(
        &["data", "synth", "--contexts", "9", "--out", "x.csv"],
        2,
        "data.synth.contexts: expected 1 to 8, found 9",
    );
    let yaml =
        "version: 1\ndata: {synth: {contexts: 3}}\ntasks: [{name: like, label: like}]\nmodel: {kind: mmoe}\n";
    folder.write("tabs.yaml", yaml);
    let shown = folder.mt(&["inspect", "tabs.yaml"]).done();
    assert!(shown.starts_with("tabs: mmoe, 43 inputs, "), "{shown}");
}
