//! Runs that read rows as another model does, and numbers that single precision does not tell apart.

use crate::support::{Folder, numbers, rows};

fn normalizer(folder: &Folder, run: &str) -> serde_json::Value {
    let text = folder.read(&format!("{run}/checkpoints/epoch-001/model.json"));
    serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["normalizer"].clone()
}

#[test]
fn a_fit_of_a_run_or_a_bundle_is_used_again() {
    let folder = Folder::trained();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let twice = |line: &str| -> String {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        cells[2] = cells[2].parse::<f64>().map_or(cells[2].clone(), |x| (2.0 * x + 1.0).to_string());
        cells.join(",") + "\n"
    };
    folder.write("later.csv", rows(300, 7).lines().map(twice).collect::<String>());
    let train = |run: &str, sets: &[&str]| {
        let mut args = vec!["train", "tiny.yaml", "--run-dir", run, "--set", "train.epochs=1"];
        args.extend(["--set", "data.csv.train=later.csv"]);
        sets.iter().for_each(|set| args.extend(["--set", set]));
        folder.mt(&args)
    };
    train("anew", &[]).done();
    for (run, from) in [("from-run", "data.fitted=run"), ("from-bundle", "data.fitted=bundle")] {
        train(run, &[from]).done();
        assert_eq!(normalizer(&folder, run), normalizer(&folder, "run"), "{from}");
    }
    assert_ne!(normalizer(&folder, "anew"), normalizer(&folder, "run"));
    // The weights are new, and the run goes on with what it began with.
    folder.mt(&["train", "--resume", "from-run", "--extend", "--set", "train.epochs=2"]).done();
    assert_eq!(normalizer(&folder, "from-run"), normalizer(&folder, "run"));

    let refused = |sets: &[&str], message: &str| {
        let said = train("refused", sets);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains(message), "{}", said.err);
    };
    refused(&["data.fitted=run", "data.normalize=min-max"], "data.normalize: expected nothing");
    refused(
        &["data.fitted=run", "data.csv.exclude=[c]"],
        "run: it was fitted on other columns: there is no column \"c\"",
    );
    refused(&["data.fitted=run", "data.numeric_missing=zero"], "missing values were");
    refused(&["data.fitted=nowhere"], "nowhere");
}

#[test]
fn unix_seconds_are_worth_what_they_tell_in_training_prediction_and_serving() {
    let folder = Folder::new();
    const START: u64 = 1_772_892_000;
    // The label follows from which half of ten minutes it is: to single precision these are 6 moments.
    let row = |i: u64| {
        let second = (i * 4_871) % 600;
        format!("{},{},{}\n", START + second, i % 5, u8::from(second < 300))
    };
    let file = |from: u64, to: u64| "time,x,late\n".to_owned() + &(from..to).map(row).collect::<String>();
    folder.write("train.csv", file(0, 3000));
    folder.write("test.csv", file(3000, 4000));
    folder.write(
        "seconds.yaml",
        "version: 1\nname: seconds\ndata: {csv: {train: train.csv, test: test.csv}}\n\
         tasks: [{name: late, label: late}]\n\
         model: {kind: shared-bottom, bottom: [4], tower: [4]}\n\
         train: {epochs: 10, batch_size: 32, optimizer: {kind: adam, lr: 0.02}}\n",
    );
    folder.mt(&["train", "seconds.yaml", "--run-dir", "run"]).done();
    let eval = folder.mt(&["eval", "--run", "run", "--json", "--data", "test.csv"]).json();
    let auc = eval[0]["tasks"]["late"]["auc"].as_f64().expect("an AUC");
    assert!(auc > 0.999, "{auc}");
    // A bundle's predictions are those of the run, and rows of a caller have those of a file.
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    folder.mt(&["predict", "--bundle", "bundle", "--input", "test.csv", "--output", "scores.csv"]).done();
    let scores = numbers(&folder.read("scores.csv"));
    let edges = (scores.len(), scores.iter().filter(|row| row[0] > 0.5).count());
    assert_eq!(edges.0, 1000);
    assert!((480..520).contains(&edges.1), "{edges:?}");
}
