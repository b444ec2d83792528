//! A binary with a loss of its own does with it what `mt` does with the others; `mt` predicts with what that trained.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::own_network::program;
use crate::support::{Folder, Said, TINY};

const LOSS: &str = "  task_losses: {watched: {softplus: {scale: 1.5}}}\n";

#[test]
fn a_loss_of_ones_own_goes_through_every_command_and_predictions_need_none() {
    let folder = Folder::tiny();
    folder.write("own.yaml", format!("{TINY}{LOSS}"));
    let own = |args: &[&str]| -> Said {
        Said::of(folder.command_of(&program(), args).output().expect("the program starts"))
    };
    own(&["train", "own.yaml", "--run-dir", "straight"]).done();
    assert!(folder.read("straight/config.yaml").contains("softplus:\n        scale: 1.5"));

    // Killed in an epoch, and gone on with; and for longer.
    let often = ["--set", "train.log_every=1", "--set", "train.checkpoint.steps=1"];
    let args = ["train", "own.yaml", "--run-dir", "killed", "--json"];
    let mut command = folder.command_of(&program(), &[&args[..], &often].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    assert!(lines.by_ref().any(|line| line.contains("\"step\":3,")), "it ended too early");
    child.kill().and_then(|()| child.wait()).expect("it ends");
    own(&["train", "--resume", "killed"]).done();
    own(&["train", "own.yaml", "--run-dir", "longer", "--set", "train.epochs=1"]).done();
    own(&["train", "--resume", "longer", "--extend", "--set", "train.epochs=2"]).done();
    let weights = |run: &str| folder.bytes(&format!("{run}/checkpoints/epoch-002/weights.safetensors"));
    for run in ["killed", "longer"] {
        assert!(weights("straight") == weights(run), "{run}");
    }

    own(&["train", "own.yaml", "--run-dir", "balanced", "--set", "train.balance.kind=pcgrad"]).done();
    own(&["inspect", "own.yaml"]).done();
    let over = "train.task_losses.watched.softplus.scale=[0.5, 2]";
    own(&["sweep", "own.yaml", "--over", over, "--method", "grid", "--out", "sweep"]).done();
    own(&["compare", "own.yaml", "tiny.yaml", "--out", "compared"]).done();
    own(&["export", "--run", "straight", "--format", "onnx", "--out", "onnx"]).done();
    own(&["export", "--run", "straight", "--out", "bundle"]).done();

    // Who has not the loss predicts and looks, the same; but does not train.
    let auc = |said: Said| said.json()[0]["tasks"]["watched"]["auc"].as_f64();
    let learned = auc(own(&["eval", "--run", "straight", "--json"]));
    assert!(learned.is_some_and(|auc| auc > 0.7), "{learned:?}");
    assert_eq!(auc(folder.mt(&["eval", "--run", "straight", "--json"])), learned);
    folder.mt(&["inspect", "straight"]).done();
    let predict = |output| ["predict", "--bundle", "bundle", "--input", "rows.csv", "--output", output];
    own(&predict("own.csv")).done();
    folder.mt(&predict("mt.csv")).done();
    assert_eq!(folder.read("own.csv"), folder.read("mt.csv"));
    let known = "(expected one of: cross-entropy, paddlerec-log, focal, multiclass, mse, mae, huber, quantile, log-mse, \
                 weighted-logistic, ziln, ordinal, ranknet, jrc)";
    let missing = format!("train.task_losses.watched: unknown value \"softplus\" {known}");
    folder.refuses(&["train", "own.yaml", "--run-dir", "other"], 2, &format!("own.yaml:17:26: {missing}"));
    for args in [&["train", "--resume", "straight"][..], &["compare", "own.yaml", "tiny.yaml"]] {
        let said = folder.mt(args);
        assert!(said.code == Some(2) && said.err.contains(&missing), "{}", said.err);
    }
}

#[test]
fn losses_within_groups_are_compared_with_cross_entropy_and_predicted_with() {
    let folder = Folder::tiny();
    let rows = folder.read("rows.csv");
    let numbered = rows.lines().enumerate().map(|(i, row)| match i {
        0 => format!("{row},user\n"),
        _ => format!("{row},{}\n", i % 30),
    });
    folder.write("rows.csv", numbered.collect::<String>());
    let grouped = TINY.replace("{train: rows.csv}", "{train: rows.csv, exclude: [user]}\n  group: user");
    folder.write("plain.yaml", &grouped);
    folder.write("ranknet.yaml", format!("{grouped}  task_losses: {{watched: ranknet}}\n"));
    let two = grouped.replace("{name: watched, ", "{name: watched, kind: binary-softmax, ");
    folder.write("jrc.yaml", format!("{two}  task_losses: {{watched: {{jrc: {{alpha: 0.7}}}}}}\n"));
    folder.mt(&["compare", "plain.yaml", "ranknet.yaml", "jrc.yaml", "--out", "compared"]).done();
    for name in ["ranknet", "jrc"] {
        let config = format!("{name}.yaml");
        folder.mt(&["train", &config, "--run-dir", name]).done();
        let evaluation = &folder.mt(&["eval", "--run", name, "--json"]).json()[0]["tasks"]["watched"];
        assert!(evaluation["gauc"]["value"].as_f64().is_some_and(|gauc| gauc > 0.7), "{name}: {evaluation}");
        let (bundle, scores) = (format!("{name}-bundle"), format!("{name}.csv"));
        folder.mt(&["export", "--run", name, "--out", &bundle]).done();
        folder.mt(&["predict", "--bundle", &bundle, "--input", "rows.csv", "--output", &scores]).done();
    }
    folder.write("lost.yaml", folder.read("ranknet.yaml").replace("\n  group: user", ""));
    let message = "lost.yaml:17:26: train.task_losses.watched: ranknet compares the rows of a group; write in data.group \
                   which column tells these apart, such as a user's";
    folder.refuses(&["train", "lost.yaml", "--run-dir", "other"], 2, message);
}
