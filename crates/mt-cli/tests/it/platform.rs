//! What the machine's C library must not decide.

use std::process::Command;

use crate::support::{Folder, Said};

/// A libm in which every function is off by a unit in the last place.
const LIBM: &str = "\
#include <math.h>
#define OFF(name) \\
  double name(double x) { return nextafter((double)name##l(x), INFINITY); } \\
  float name##f(float x) { return nextafterf((float)name##l(x), INFINITY); }
OFF(exp) OFF(exp2) OFF(expm1) OFF(log) OFF(log2) OFF(log10) OFF(log1p) OFF(tanh) OFF(sinh) OFF(cosh) OFF(sin) OFF(cos)
double pow(double x, double y) { return nextafter((double)powl(x, y), INFINITY); }
float powf(float x, float y) { return nextafterf((float)powl(x, y), INFINITY); }
";

/// Every kind of task and link, over logarithms of amounts.
const TASKS: &str = "\
version: 1
data: {csv: {train: rows.csv}, group: tab, normalize: log1p-standard, valid_fraction: 0.2}
tasks:
- {name: click, label: click}
- {name: tab, label: tab, kind: multiclass, classes: 3}
- {name: seconds, label: seconds, kind: regression}
- {name: spend, label: spend, kind: regression}
- {name: watch, label: watch, kind: regression}
- {name: pair, label: click > 0.5}
- {name: joint, label: click >= 1, kind: binary-softmax}
- {name: lived, label: spend * 2, kind: regression}
- {name: long, label: watch + 1, kind: regression}
- {name: rare, label: seconds > 2, where: click}
- {name: seldom, label: seconds > 3, where: click}
model: {kind: mmoe, experts: 2, expert: [8]}
train:
  epochs: 1
  batch_size: 32
  task_losses: {spend: log-mse, watch: weighted-logistic, pair: ranknet, joint: jrc, lived: ziln, long: {ordinal: {thresholds: 7}}}
  joint_losses: [{order: {tasks: [click, pair], weight: 0.6}}]
  propensities: {rare: click, seldom: {of: click, imputed: seldom_error}}
";

fn bundle() -> Folder {
    let folder = Folder::new();
    let mut text = "a,b,c,click,tab,seconds,spend,watch\n".to_owned();
    for i in 0..400u32 {
        let (a, b, c) =
            (i * i % 977, f64::from(i * 37 % 101) / 7.0, i32::from(i % 9 < 4) * (i as i32 % 31 - 12));
        let (click, tab, seconds) = (i * 7 % 23 % 2, i % 3, f64::from(i % 11) / 3.0);
        text += &format!("{a},{b},{c},{click},{tab},{seconds},{},{}\n", a * 3, i % 60);
    }
    folder.write("rows.csv", text);
    folder.write("tasks.yaml", TASKS);
    folder.mt(&["train", "tasks.yaml", "--run-dir", "run"]).done();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    folder
}

const PREDICT: [&str; 7] = [
    "predict",
    "--bundle",
    "bundle",
    "--input",
    "rows.csv",
    "--score",
    "click ^ 0.3 * log1p(spend) + max(watch, 1) ^ -0.7",
];

/// Calls the program with that libm in the place of the machine's.
fn elsewhere(folder: &Folder, args: &[&str]) -> Said {
    if !folder.path("libm.so").exists() {
        folder.write("libm.c", LIBM);
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let compile = ["-O2", "-fno-builtin", "-shared", "-fPIC", "-o", "libm.so", "libm.c", "-lm"];
        let compiled = Command::new(compiler).current_dir(folder.path("")).args(compile).status();
        assert!(compiled.expect("a C compiler").success());
    }
    let mut command = folder.command(args);
    Said::of(command.env("LD_PRELOAD", folder.path("libm.so")).output().expect("it starts"))
}

#[test]
fn no_bit_of_a_prediction_or_of_a_weight_is_the_platforms() {
    let folder = bundle();
    let expected = folder.mt(&PREDICT);
    let found = elsewhere(&folder, &PREDICT);
    assert_eq!(found.err, "", "{}", found.out);
    assert_eq!(found.done(), expected.done());
    for kind in [
        "mmoe",
        "ple, levels: 2, norm: batch",
        "cgc, norm: layer",
        "shared-bottom",
        "single-task",
        "aitm",
        "ppnet",
        "dbmtl, experts: 2",
        "mmoe, stages: [{kind: cross}, {kind: fm, fields: [a, c]}, {kind: epnet, fields: [a]}]",
    ] {
        let weights = |run: &str| {
            ["weights", "optimizer"]
                .map(|file| folder.bytes(&format!("{run}/checkpoints/epoch-001/{file}.safetensors")))
        };
        let model = format!("model={{kind: {kind}}}");
        let [here, there] = ["here", "there"].map(|run| format!("{run} {kind}"));
        let train = |run| ["train", "tasks.yaml", "--set", &model, "--run-dir", run];
        folder.mt(&train(&here)).done();
        elsewhere(&folder, &train(&there)).done();
        assert!(weights(&here) == weights(&there), "{kind}");
        let predict = ["predict", "--run", &here, "--input", "rows.csv"];
        assert_eq!(elsewhere(&folder, &predict).done(), folder.mt(&predict).done(), "{kind}");
    }
}

#[test]
fn a_bundle_says_whether_its_rows_come_out_to_the_bit_or_within_rounding_and_refuses_what_is_beyond() {
    let folder = bundle();
    let recorded =
        || -> serde_json::Value { serde_json::from_str(&folder.read("bundle/check.json")).expect("JSON") };
    // As another build would have written it, with its hash in the manifest.
    let write = |check: &serde_json::Value| {
        folder.write("bundle/check.json", check.to_string());
        let contents = mt_bundle::Contents::of(&folder.path("bundle/check.json")).expect("a file");
        let mut manifest: serde_json::Value =
            serde_json::from_str(&folder.read("bundle/bundle.json")).expect("JSON");
        manifest["files"]["check.json"] = serde_json::to_value(contents).expect("JSON");
        folder.write("bundle/bundle.json", manifest.to_string());
    };
    let inspect = || folder.mt(&["inspect", "bundle"]);
    let exact = "bundle: the recorded rows come out to the bit\n";
    assert_eq!(inspect().err, exact);
    assert_eq!(folder.mt(&PREDICT).err, "");

    let check = recorded();
    let moved = |factor: f64| {
        let mut other = check.clone();
        for row in other["predictions"].as_array_mut().expect("rows") {
            row[0] = (row[0].as_f64().expect("a number") * factor).into();
        }
        other["instructions"] = "x86-64-v0".into();
        other
    };
    write(&moved(1.0 + 1e-5));
    let said = inspect();
    assert_eq!(said.code, Some(0));
    assert!(said.err.contains("come out within rounding: they differ by "), "{}", said.err);
    assert!(said.err.contains("1e-4 is allowed (recorded on x86-64-v0, computed on "), "{}", said.err);
    let said = folder.mt(&PREDICT);
    assert!(said.err.starts_with("note: bundle: the recorded rows come out within rounding"), "{}", said.err);
    said.done();

    write(&moved(1.0 + 1e-3));
    for args in [&PREDICT[..], &["inspect", "bundle"]] {
        let said = folder.mt(args);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
        assert!(said.err.starts_with("error: bundle/check.json: row 0 is predicted as "), "{}", said.err);
    }
    write(&check);
    assert_eq!(inspect().err, exact);
}
