//! `mt train --from`: a run a day.

use serde_json::Value;

use crate::support::{Folder, TINY, rows};

fn summary(folder: &Folder, run: &str) -> Value {
    serde_json::from_str(&folder.read(&format!("{run}/summary.json"))).expect("JSON")
}

#[test]
fn a_day_is_scored_by_the_model_of_the_day_before_and_goes_on_from_it() {
    let folder = Folder::tiny();
    folder.write("day-2.csv", rows(300, 11));
    folder.mt(&["train", "tiny.yaml", "--run-dir", "day-1"]).done();
    assert!(summary(&folder, "day-1").get("prequential").is_none());
    let day = ["train", "tiny.yaml", "--from", "day-1", "--set", "data.csv.train=day-2.csv", "--run-dir"];
    let said = folder.mt(&[&day[..], &["day-2"]].concat());
    assert!(said.err.contains("rows, before training on them"), "{}", said.err);
    assert!(said.err.contains("goes on from day-1/checkpoints/epoch-"), "{}", said.err);
    said.done();
    let (first, second) = (summary(&folder, "day-1"), summary(&folder, "day-2"));
    // As yesterday's model is evaluated on the rows that today's is trained on.
    let found = &second["prequential"];
    assert!(found["metrics"]["liked"]["auc"].is_f64(), "{found}");
    assert!(found["rows"].as_u64().is_some_and(|rows| rows > 0), "{found}");
    assert!(folder.read("day-2/report.html").contains("Before training"));
    assert!(!folder.read("day-1/report.html").contains("Before training"));
    assert!(first["epochs"].as_u64() > Some(0));
    // A run that is over stays as it is, and keeps what was said of it.
    folder.mt(&["train", "--resume", "day-2"]).done();
    assert_eq!(summary(&folder, "day-2")["prequential"], *found);
    let log = folder.read("day-2/metrics.jsonl");
    assert_eq!(log.matches("\"event\":\"prequential\"").count(), 1);
}

#[test]
fn what_a_day_cannot_go_on_from_is_refused_before_there_is_a_folder() {
    let folder = Folder::tiny();
    let train = ["train", "tiny.yaml", "--run-dir", "day-2", "--from"];
    folder.refuses(&[&train[..], &["day-1"]].concat(), 2, "day-1: holds no run (no config.yaml)");
    folder.mt(&["train", "tiny.yaml", "--run-dir", "day-1"]).done();
    folder.write("other.yaml", TINY.replace("batch_size: 32", "batch_size: 32\n  seed: 5"));
    let other = ["train", "other.yaml", "--run-dir", "day-2", "--from", "day-1"];
    let said = folder.mt(&other);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("train.seed: was 1 in the run to go on from and is 5"), "{}", said.err);
    assert!(!folder.path("day-2").exists());
}

fn write_day(folder: &Folder, day: &str, seed: u64) {
    std::fs::create_dir_all(folder.path(&format!("log/dt={day}"))).expect("a folder");
    folder.write(&format!("log/dt={day}/rows.csv"), rows(240, seed));
}

/// Three days in folders of their own.
fn log() -> Folder {
    let folder = Folder::tiny();
    for (i, day) in ["2024-02-28", "2024-02-29", "2024-03-01"].into_iter().enumerate() {
        write_day(&folder, day, 1 + i as u64);
    }
    folder
}

const DAYS: [&str; 6] =
    ["train", "tiny.yaml", "--days", "2024-02-28..2024-03-01", "--set", "data.csv.train=log/dt={day}/"];

/// The files of all checkpoints below a folder, with their bytes.
fn checkpoints(folder: &Folder, within: &str) -> Vec<(String, Vec<u8>)> {
    let files = folder.files(within).into_iter().filter(|file| file.contains("checkpoints"));
    let read = |file: String| {
        let bytes = folder.bytes(&format!("{within}/{file}"));
        (file, bytes)
    };
    files.map(read).collect()
}

#[test]
fn days_go_on_from_one_another_as_one_by_one_and_are_in_a_table() {
    let folder = log();
    let out = folder.mt(&[&DAYS[..], &["--run-dir", "days"]].concat()).done();
    assert!(out.contains("each day's rows, scored by the model of the day before; runs in days"), "{out}");
    for (day, from) in
        [("2024-02-28", None), ("2024-02-29", Some("2024-02-28")), ("2024-03-01", Some("2024-02-29"))]
    {
        let rows = format!("data.csv.train=log/dt={day}/");
        let (dir, from) = (format!("one/{day}"), from.map(|from| format!("one/{from}")));
        let mut args = vec!["train", "tiny.yaml", "--set", &rows, "--run-dir", &dir];
        args.extend(from.iter().flat_map(|from| ["--from", from]));
        folder.mt(&args).done();
    }
    assert!(checkpoints(&folder, "days").len() > 20);
    assert!(checkpoints(&folder, "days") == checkpoints(&folder, "one"));
    let days: Value = serde_json::from_str(&folder.read("days/days.json")).expect("JSON");
    assert!(days[0]["prequential"].is_null());
    for (i, day) in [(1, "2024-02-29"), (2, "2024-03-01")] {
        assert_eq!(days[i]["day"], day);
        assert_eq!(days[i]["prequential"], summary(&folder, &format!("one/{day}"))["prequential"]);
    }
    let page = folder.read("days/report.html");
    assert!(page.contains("Curves over the days") && page.contains("liked: AUC"), "{page}");
    // All is done: nothing is trained again, and the last line is the table.
    let before = folder.bytes("days/2024-03-01/metrics.jsonl");
    let again = folder.mt(&[&DAYS[..], &["--run-dir", "days", "--json"]].concat()).json();
    assert_eq!(again.len(), 1);
    assert_eq!((&again[0]["event"], &again[0]["days"]), (&"days".into(), &days));
    assert_eq!(folder.bytes("days/2024-03-01/metrics.jsonl"), before);
    // One more day goes on from the last.
    write_day(&folder, "2024-03-02", 9);
    let mut more = DAYS;
    more[3] = "2024-02-28..2024-03-02";
    folder.mt(&[&more[..], &["--run-dir", "days"]].concat()).done();
    assert!(folder.path("days/2024-03-02/summary.json").exists());
}

#[test]
fn days_that_cannot_be_are_refused() {
    let folder = log();
    let same = ["train", "tiny.yaml", "--days", "2024-02-28..2024-03-01", "--run-dir", "days"];
    let said = folder.mt(&same);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("the configuration is the same on every day; {day} or {yyyymmdd} stands for"),
        "{}",
        said.err
    );
    assert!(!folder.path("days").exists());
    folder.mt(&[&DAYS[..], &["--run-dir", "days"]].concat()).done();
    let other = folder.mt(&[&DAYS[..], &["--run-dir", "days", "--set", "train.batch_size=16"]].concat());
    assert_eq!(other.code, Some(2));
    assert!(other.err.contains("days/2024-02-28 was trained with another configuration"), "{}", other.err);
    let mut bad = DAYS;
    bad[3] = "2024-02-30..2024-03-01";
    assert_eq!(folder.mt(&bad).code, Some(2));
}

#[cfg(unix)]
#[test]
fn days_that_are_killed_again_and_again_end_with_the_same_bytes() {
    let folder = log();
    let set = ["--set", "train.log_every=1", "--set", "train.checkpoint.steps=1"];
    folder.mt(&[&DAYS[..], &set[..], &["--run-dir", "straight"]].concat()).done();
    let args = [&DAYS[..], &set[..], &["--run-dir", "killed"]].concat();
    let mut killed = 0;
    // Later each time, by less than a day takes.
    for wait in (0..).map(|n| 40 + 25 * n) {
        let mut child = folder
            .command(&args)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().expect("killed");
        if child.wait().expect("ends").success() {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 3, "{killed}");
    folder.mt(&args).done();
    assert!(checkpoints(&folder, "straight") == checkpoints(&folder, "killed"));
    let prequential = |run: &str| {
        let days: Value = serde_json::from_str(&folder.read(&format!("{run}/days.json"))).expect("JSON");
        days.as_array().expect("days").iter().map(|day| day["prequential"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(prequential("straight"), prequential("killed"));
}
