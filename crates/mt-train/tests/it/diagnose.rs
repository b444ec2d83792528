//! A loss that is not finite names its rows and the first layer, parameter or input that was not.

use std::path::Path;

use candle_core::{Device, Tensor};
use mt_data::Dataset;
use mt_features::split;
use mt_train::{Config, Culprit, Error, NotFinite, RunDir, train};

use crate::fields::{config, folder, load, rows, run_in, seal};

fn diverged(cfg: &Config, data: &Dataset, dir: &Path) -> (Culprit, String) {
    let run = RunDir::create(dir, cfg).expect("a folder");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let error = train(cfg, data, &Device::Cpu, &run, &stop, &mut |_| ()).expect_err("must diverge");
    let text = error.to_string();
    let Error::Diverged { culprit: Some(culprit), .. } = error else { panic!("{text}") };
    (*culprit, text)
}

#[test]
fn a_huge_learning_rate_overflows_a_layer_that_is_named() {
    let dir = folder(&rows(600));
    let cfg = config(dir.path(), &["train.optimizer={kind: sgd, lr: 1e25}", "train.dropout=0.1"]);
    let (culprit, text) = diverged(&cfg, &load(&cfg), &dir.path().join("run"));
    let NotFinite::Output(layer) = &culprit.first else { panic!("{text}") };
    assert!(
        ["experts.0", "gates.click.0", "towers.click.0", "towers.click.1"].contains(&layer.as_str()),
        "{text}"
    );
    let origin = dir.path().join("rows.csv").display().to_string();
    assert_eq!(culprit.origin, origin);
    assert!(
        text.contains(&format!("first not finite is the output of {layer}, whose parameters and input are"))
    );
    assert!(text.contains(&format!("of {origin}; the last checkpoint is untouched")), "{text}");
}

#[test]
fn rows_are_those_of_the_batch_also_where_a_layer_reads_more_than_one_thing_of_a_row() {
    let dir = folder(&rows(600));
    let model = "model={kind: aitm, bottom: [8], tower: [], embedding: {width: 4}}";
    let mut seen = std::collections::BTreeSet::new();
    for lr in ["1e9", "1e11", "1e13", "1e17"] {
        let optimizer = format!("train.optimizer={{kind: sgd, lr: {lr}}}");
        let cfg = config(dir.path(), &[model, &optimizer]);
        let (culprit, text) = diverged(&cfg, &load(&cfg), &dir.path().join(lr));
        assert!(!culprit.rows.is_empty() && culprit.rows.len() <= 64, "{text}");
        let NotFinite::Output(layer) = culprit.first else { panic!("{text}") };
        seen.insert(layer);
    }
    assert!(seen.contains("transfers.buy.value.0"), "{seen:?}");
}

#[test]
fn a_parameter_of_a_hostile_checkpoint_is_named() {
    let dir = folder(&rows(600));
    let (run, _) = run_in(
        &config(dir.path(), &["train.epochs=1"]),
        &load(&config(dir.path(), &[])),
        &dir.path().join("good"),
        &mut |_| {},
    );
    let weights = run.checkpoint(1).join("weights.safetensors");
    for (hostile, value) in [("experts.0.weight", f32::INFINITY), ("towers.buy.1.bias", f32::NAN)] {
        let mut tensors = candle_core::safetensors::load(&weights, &Device::Cpu).expect("weights");
        let mut values = tensors[hostile].flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
        values[0] = value;
        let changed = Tensor::from_vec(values, tensors[hostile].shape(), &Device::Cpu).expect("a tensor");
        tensors.insert(hostile.to_owned(), changed);
        let copy = dir.path().join(format!("hostile-{hostile}"));
        std::fs::create_dir(&copy).expect("a folder");
        for entry in std::fs::read_dir(run.checkpoint(1)).expect("a checkpoint") {
            let path = entry.expect("a file").path();
            std::fs::copy(&path, copy.join(path.file_name().expect("a name"))).expect("a copy");
        }
        candle_core::safetensors::save(&tensors, copy.join("weights.safetensors")).expect("written");
        seal(&copy);
        let start = format!("train.warm_start={{from: '{}'}}", copy.display());
        let cfg = config(dir.path(), &[&start, "model.gate=[]"]);
        let at = dir.path().join(format!("run-{hostile}-{value}"));
        let (culprit, text) = diverged(&cfg, &load(&cfg), &at);
        assert_eq!(culprit.first, NotFinite::Parameter(hostile.to_owned()), "{text}");
        assert_eq!(culprit.rows.len(), 64, "all rows of the batch");
    }
}

#[test]
fn a_parameter_that_a_relu_hides_from_the_loss_does_not_reach_a_checkpoint() {
    let dir = folder(&rows(600));
    let cfg = config(dir.path(), &["train.epochs=1"]);
    let (run, _) = run_in(&cfg, &load(&cfg), &dir.path().join("good"), &mut |_| {});
    let path = run.checkpoint(1).join("weights.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).expect("weights");
    let mut bias = vec![0f32; 16];
    bias[3] = f32::NAN;
    tensors.insert("experts.0.bias".into(), Tensor::from_vec(bias, (2, 8), &Device::Cpu).expect("a bias"));
    candle_core::safetensors::save(&tensors, &path).expect("written");
    seal(&run.checkpoint(1));
    let start = format!("train.warm_start={{from: '{}'}}", run.checkpoint(1).display());
    let cfg = config(dir.path(), &[&start]);
    let folder = RunDir::create(&dir.path().join("run"), &cfg).expect("a folder");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let error = train(&cfg, &load(&cfg), &Device::Cpu, &folder, &stop, &mut |_| ()).expect_err("must stop");
    // At the first loss, where the unit's ReLU lets it pass, or before the checkpoint of the epoch.
    assert!(error.to_string().contains("the parameter experts.0.bias"), "{error}");
    assert_eq!(folder.epochs().expect("a folder"), [0; 0]);
}

#[test]
fn the_row_of_an_extreme_input_is_named_by_its_place_in_the_file() {
    // A row of numbers that a float32 can just hold, and whose sums it cannot; its place is among rows set aside.
    let (columns, extreme) = (30, split(200, &[0.2, 0.0], 1)[2][50] as usize);
    let row = |i: usize| {
        let values: Vec<String> = (0..columns).map(|c| ((i * 7 + c * 3) % 10).to_string()).collect();
        let values = if i == extreme { vec!["3.3e38".to_owned(); columns] } else { values };
        format!("{},{}\n", values.join(","), i % 2)
    };
    let names: Vec<String> = (0..columns).map(|c| format!("x{c}")).collect();
    let content = names.join(",") + ",click\n" + &(0..200).map(row).collect::<String>();
    let dir = folder(&content);
    let set = [
        "data.csv.features=all",
        "data.fields=[]",
        "data.normalize=none",
        "tasks=[{name: click, label: click}]",
        "model={kind: shared-bottom, bottom: [64]}",
        "train.shards=2",
        "train.batch_size=32",
    ];
    let cfg = config(dir.path(), &set);
    let (culprit, text) = diverged(&cfg, &load(&cfg), &dir.path().join("run"));
    assert_eq!(culprit.first, NotFinite::Output("bottom.0".into()), "{text}");
    assert_eq!(culprit.rows, [extreme + 1], "{text}");
    assert!(
        text.contains(&format!("in row {} of ", extreme + 1))
            && text.contains("rows.csv; the last checkpoint"),
        "{text}"
    );

    // The same where a record before it was left out, and nobody remembers the places of those behind.
    let dir = folder(&content.replacen("\n0,", "\nnone,", 1));
    let cfg = config(dir.path(), &[&set[..], &["data.csv.on_bad_record={skip: 1}"]].concat());
    let data = load(&cfg);
    assert_eq!(data.skipped.records, 1);
    let (culprit, text) = diverged(&cfg, &data, &dir.path().join("run"));
    assert_eq!(culprit.rows.len(), 1);
    assert!(culprit.origin.starts_with("those trained on of "), "{text}");
}

#[test]
fn a_loss_that_overflows_by_itself_names_its_task() {
    let dir = folder(&rows(600));
    let tasks = "tasks=[{name: seconds, label: play * 1e35, kind: regression}]";
    let set = [tasks, "train.optimizer.lr=1e-9", "train.standardize=false"];
    let cfg = config(dir.path(), &set);
    let (culprit, text) = diverged(&cfg, &load(&cfg), &dir.path().join("run"));
    assert_eq!(culprit.first, NotFinite::Loss("seconds".into()), "{text}");
}
