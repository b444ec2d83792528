//! `mt export --since`: bundles of what changed.

use crate::support::{Folder, TINY, rows};

/// The tiny configuration with a table that grows.
fn growing() -> Folder {
    let folder = Folder::tiny();
    let fields = "  fields:\n  - {column: who, encode: {growing: {capacity: 100}}}\ntasks:";
    let text =
        TINY.replace("tasks:", fields).replace("  expert: [4]", "  expert: [4]\n  embedding: {width: 4}");
    folder.write("tiny.yaml", text);
    let with_who = |text: String, of: usize| -> String {
        let who = |(i, line): (usize, &str)| match i {
            0 => format!("{line},who\n"),
            i => format!("{line},u{}\n", i % of + of),
        };
        text.lines().enumerate().map(who).collect()
    };
    folder.write("rows.csv", with_who(rows(400, 1), 30));
    folder.write("day-2.csv", with_who(rows(300, 2), 7));
    folder
}

#[test]
fn what_changed_since_a_bundle_or_a_run_predicts_as_the_whole_bundle_does() {
    let folder = growing();
    folder.mt(&["train", "tiny.yaml", "--run-dir", "day-1"]).done();
    let day = ["train", "tiny.yaml", "--from", "day-1", "--set", "data.csv.train=day-2.csv", "--run-dir"];
    folder.mt(&[&day[..], &["day-2"]].concat()).done();
    for tables in ["f32", "f16", "int8"] {
        let at = |name: &str| format!("{tables}/{name}");
        let export = |run: &str, more: &[&str]| folder.mt(&[&["export", "--run", run], more].concat());
        export("day-1", &["--out", &at("1"), "--tables", tables]).done();
        export("day-2", &["--out", &at("whole"), "--tables", tables]).done();
        let said = export("day-2", &["--out", &at("2"), "--since", &at("1")]).done();
        assert!(
            said.contains("tables.changed.safetensors") && said.contains(", changed since the bundle "),
            "{said}"
        );
        export("day-2", &["--out", &at("of-run"), "--since", "day-1", "--tables", tables]).done();
        assert_eq!(folder.bytes(&at("of-run/bundle.json")), folder.bytes(&at("2/bundle.json")));
        let predict =
            |bundle: &str| folder.mt(&["predict", "--bundle", &at(bundle), "--input", "day-2.csv"]).done();
        assert_eq!(predict("2"), predict("whole"), "{tables}");
        assert_ne!(predict("2"), predict("1"), "{tables}");
        folder.mt(&["inspect", &at("2")]).done();
        folder.mt(&["eval", "--bundle", &at("2"), "--data", "day-2.csv", "--json"]).json();
        // Another model starts from it as from any bundle.
        let warm = format!("train.warm_start.from={}", at("2"));
        folder.mt(&["train", "tiny.yaml", "--set", &warm, "--run-dir", &at("warm")]).done();
    }
    let onnx = ["export", "--run", "day-2", "--out", "onnx", "--format", "onnx", "--since", "f32/1"];
    folder.refuses(&onnx, 2, "--since: an ONNX file is always whole");
    let other = ["export", "--run", "day-2", "--out", "x", "--tables", "f16", "--since", "f32/1"];
    let said = folder.mt(&other);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("f32/1: keeps its tables as F32, and not as F16"), "{}", said.err);
    assert!(!folder.path("x").exists());
    std::fs::remove_dir_all(folder.path("f32/1")).expect("removed");
    let said = folder.mt(&["predict", "--bundle", "f32/2", "--input", "day-2.csv"]);
    assert!(said.err.contains("f32/2/bundle.json: holds changes of the bundle "), "{}", said.err);
}
