//! `mt explain`.

use crate::support::{Folder, TINY, rows};

/// A run on rows in which `watched` follows `a`, `liked` follows `a` and `b`, and nothing `c`.
fn trained() -> Folder {
    let folder = Folder::new();
    folder.write("rows.csv", rows(4000, 1));
    folder.write("tiny.yaml", TINY);
    folder.mt(&["train", "tiny.yaml", "--run-dir", "run"]).done();
    folder
}

#[test]
fn what_decides_a_task_comes_first_and_noise_is_near_zero() {
    let folder = trained();
    let json = folder.mt(&["explain", "--run", "run", "--repeats", "10", "--json"]).json().remove(0);
    assert_eq!((&json["on"], &json["rows"], &json["repeats"]), (&"valid".into(), &1000.into(), &10.into()));
    let features = json["features"].as_array().expect("a list");
    let names: Vec<&str> = features.iter().filter_map(|feature| feature["name"].as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let drop =
        |i: usize, task: &str, what: &str| features[i]["tasks"][task][what].as_f64().expect("a number");
    assert!(drop(0, "watched", "mean") > 0.2, "{json}");
    assert!(drop(1, "liked", "mean") > 10.0 * drop(1, "watched", "mean").abs(), "{json}");
    for task in ["watched", "liked"] {
        assert!(drop(2, task, "mean").abs() < 2.0 * drop(2, task, "sd") + 1e-3, "{json}");
    }
    let text = folder.mt(&["explain", "--run", "run"]).done();
    assert!(text.starts_with("tiny on 1,000 valid rows: watched 0."), "{text}");
    assert!(text.lines().nth(4).is_some_and(|line| line.starts_with("│ a ")), "{text}");
}

#[test]
fn the_same_call_says_the_same_whatever_the_threads_and_another_seed_something_else() {
    let folder = trained();
    let explain = |more: &[&str]| {
        let args = ["explain", "--run", "run", "--json", "--rows", "500"];
        folder.mt(&[&args, more].concat()).done()
    };
    assert_eq!(explain(&["--threads", "1"]), explain(&["--threads", "3"]));
    assert_ne!(explain(&[]), explain(&["--seed", "2"]));
    assert!(explain(&[]).contains("\"rows\":500"));
    let once = explain(&["--repeats", "1"]);
    assert!(once.contains("\"sd\":null"), "{once}");
}

#[test]
fn one_hot_columns_may_be_one_and_fields_are_shuffled_as_lists() {
    let folder = Folder::new();
    // Mostly zeros, so sparse: the label follows the colour and the tag.
    let mut text = "y,colour=red,colour=blue,size=1,size=2,size=3,size=4,size=5,size=6,tags\n".to_owned();
    for i in 0..1200usize {
        let (colour, size, tag) = (i % 3, i / 3 % 6, i * 7 / 5 % 4);
        let one_hot =
            |at: usize, n: usize| (0..n).map(|j| u8::from(j == at).to_string()).collect::<Vec<_>>().join(",");
        let label = u8::from(colour == 0 || tag == 2);
        let tags = ["x", "x|y", "z", ""][tag];
        text += &format!("{label},{},{},{tags}\n", one_hot(colour, 2), one_hot(size, 6));
    }
    folder.write("rows.csv", text);
    folder.write(
        "tags.yaml",
        "version: 1
data:
  csv: {train: rows.csv, exclude: ['size=6']}
  fields: [{column: tags, separator: '|'}]
  valid_fraction: 0.25
tasks: [{name: y, label: y}]
model: {kind: shared-bottom, bottom: [8]}
train: {epochs: 10, batch_size: 32, optimizer: {lr: 0.03}}
",
    );
    folder.mt(&["train", "tags.yaml", "--run-dir", "run"]).done();
    let json = folder.mt(&["explain", "--run", "run", "--group", "--json"]).json().remove(0);
    let features = json["features"].as_array().expect("a list");
    let what: Vec<_> = features.iter().map(|f| (f["name"].as_str(), f["kind"].as_str())).collect();
    let named = |name, kind| (Some(name), Some(kind));
    assert_eq!(what, [named("colour", "group"), named("tags", "field"), named("size", "group")]);
    assert!(features[1]["tasks"]["y"]["mean"].as_f64() > Some(0.05), "{json}");
    let text = folder.mt(&["explain", "--run", "run"]).done();
    assert!(text.contains("│ tags (field)") && text.contains("│ colour=red "), "{text}");
}
