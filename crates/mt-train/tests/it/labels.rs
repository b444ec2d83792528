//! Tasks whose labels are no 0 or 1 in every row: missing ones, sample spaces, numbers and classes.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use mt_data::Dataset;
use mt_features::Batches;
use mt_layers::Params;
use mt_models::{Features, InputLayer, Readout, build};
use mt_train::{Config, Evaluation, Event, Labelled, Metrics, Objective, Scorer, read_state};

use crate::fields::{HEADER, bits, config, folder, load, records, rows, run_in};

/// All rows for training, in their order, and nothing that is fitted to them.
const AS_THEY_ARE: [&str; 5] = [
    "data.valid_fraction=0",
    "data.normalize=none",
    "data.fields[0].encode={hash: 1000}",
    "data.fields[1].encode={hash: 100}",
    "train.shuffle=false",
];

/// Loss, gradients by parameter and by table row, and metrics of the model at its start values on all rows.
struct FirstStep {
    loss: f32,
    gradients: BTreeMap<String, Vec<f32>>,
    evaluation: Evaluation,
}

impl FirstStep {
    fn of(cfg: &Config, data: &Dataset) -> Self {
        let tasks = &data.schema.tasks;
        let rule = cfg.train.table_optimizer;
        let layer = InputLayer::new(&cfg.model, &data.schema, &data.encoders, rule, 1, &Device::Cpu);
        let (layer, params) = (layer.expect("tables"), Params::new(1));
        let sized = |vb| build(&cfg.model, layer.width(), &data.schema.heads(), vb).expect("a model");
        let model = sized(params.builder(DType::F32, &Device::Cpu));
        let objective = Objective::new(cfg, tasks).expect("losses");
        let order: Vec<u32> = (0..data.train.len() as u32).collect();
        let batch = Batches::new(&data.train, &order, order.len()).next().expect("a batch");
        let (labels, mask) = (batch.labels.clone(), batch.mask.clone());
        let labelled = Labelled { rows: batch.rows(), labels, mask, groups: None };
        let features = Features::of(batch).expect("features");
        let loss = params.backward(|run| {
            let input = layer.forward(&features, run).map_err(candle_core::Error::wrap)?;
            let loss = objective.loss(&model.forward(&model.read(&input, run)?, run)?, &labelled);
            Ok(loss.map_err(candle_core::Error::wrap)?.total)
        });
        let loss = loss.and_then(|loss| loss.to_scalar()).expect("a loss");
        let host = |param: mt_layers::Param| (param.name, param.gradient.lock().host.clone());
        let mut gradients: BTreeMap<_, _> = params.all().into_iter().map(host).collect();
        for table in ["user", "tags"] {
            let rows = layer.embeddings().expect("tables").gradient(table).expect("a table");
            for (id, values) in rows.ids.iter().zip(rows.values.chunks(4)) {
                gradients.insert(format!("{table}.{id}"), values.to_vec());
            }
        }
        let readout = Readout::new(tasks, &cfg.links(tasks).expect("losses"));
        let scorer = Scorer {
            model: sized(params.frozen(DType::F32, &Device::Cpu)),
            layer,
            readout,
            ranks: std::sync::Arc::new(mt_dist::Solo),
        };
        let predictions = scorer.predict(&data.train, &Device::Cpu).expect("predictions");
        Self { loss, gradients, evaluation: Evaluation::new(&predictions, &data.train, tasks) }
    }
}

#[test]
fn rows_without_a_label_change_neither_loss_nor_gradients_nor_metrics() {
    let labelled = records(90);
    // The same features, and no label in columns 3 and 4.
    let unlabelled: Vec<String> = labelled.iter().take(38).map(|row| mask(row, &[3, 4])).collect();
    let mixed: Vec<&str> =
        labelled.iter().zip(unlabelled.iter().cycle()).flat_map(|(a, b)| [a.as_str(), b]).collect();
    let files = [labelled.concat(), labelled.concat() + &unlabelled.concat(), mixed.concat()];
    let steps = files.map(|rows| {
        let dir = folder(&(HEADER.to_owned() + &rows));
        let cfg = config(dir.path(), &[&AS_THEY_ARE[..], &["tasks=[{name: click, label: click}]"]].concat());
        FirstStep::of(&cfg, &load(&cfg))
    });
    let [expected, behind, between] = &steps;
    assert!(expected.gradients.values().flatten().filter(|g| **g != 0.0).count() > 300);
    for (step, what) in [(behind, "behind"), (between, "between")] {
        assert_eq!(step.loss.to_bits(), expected.loss.to_bits(), "{what}");
        assert_eq!(step.evaluation.tasks, expected.evaluation.tasks, "{what}");
        assert!(step.gradients.keys().eq(expected.gradients.keys()), "{what}");
        for (name, gradient) in &expected.gradients {
            let largest = gradient.iter().fold(0f32, |max, g| max.max(g.abs()));
            for (found, expected) in step.gradients[name].iter().zip(gradient) {
                // Sums of blocks of rows are grouped anew where other rows stand between.
                assert!((found - expected).abs() <= 1e-6 * largest, "{what}: {name}: {found} {expected}");
            }
        }
    }
    for (name, gradient) in &expected.gradients {
        assert_eq!(bits(&behind.gradients[name]), bits(gradient), "{name}");
    }
}

/// The record without the cells of these columns.
fn mask(record: &str, columns: &[usize]) -> String {
    let cells = record.trim_end().split(',').enumerate();
    cells.map(|(i, cell)| if columns.contains(&i) { "" } else { cell }).collect::<Vec<_>>().join(",") + "\n"
}

#[test]
fn a_sample_space_limits_loss_and_metrics_and_all_labelled_rows_are_reported_beside_it() {
    // Of the last row nobody knows whether it is in the sample space.
    let labels = ["1,1", "1,0", "1,1", "0,1", "0,0", "0,1", ",1"];
    let record = |(i, labels): (usize, &&str)| format!("{i},t{i},0.{i},{labels},0,0\n");
    let text: String = labels.iter().enumerate().map(record).collect();
    let dir = folder(&(HEADER.to_owned() + &text));
    // A step so small that predictions afterwards are those before.
    let own = ["tasks[1].where=click == 1", "train.optimizer.lr=1e-30", "train.epochs=1"];
    let cfg = config(dir.path(), &[&AS_THEY_ARE[..], &own].concat());
    let data = load(&cfg);
    let mut losses = None;
    let (_, outcome) = run_in(&cfg, &data, &dir.path().join("run"), &mut |event| {
        if let Event::Progress { tasks, .. } = event {
            losses = Some(["click", "buy"].map(|task| tasks[task].loss));
        }
    });
    let p = outcome.scorer.predict(&data.train, &Device::Cpu).expect("predictions");
    let loss = |rows: &[(usize, u8)], task: usize| {
        let of = |&(row, label): &(usize, u8)| {
            let p = f64::from(p[2 * row + task]);
            -(if label == 1 { p } else { 1.0 - p }).ln()
        };
        rows.iter().map(of).sum::<f64>() / rows.len() as f64
    };
    let [click, buy] = losses.expect("one step");
    let clicks = [(0, 1), (1, 1), (2, 1), (3, 0), (4, 0), (5, 0)];
    approx::assert_relative_eq!(click, loss(&clicks, 0), epsilon = 1e-6);
    approx::assert_relative_eq!(buy, loss(&[(0, 1), (1, 0), (2, 1)], 1), epsilon = 1e-6);

    let predictions: Vec<f32> =
        [0.9, 0.8, 0.3, 0.2, 0.7, 0.6, 0.5].into_iter().flat_map(|p| [0.5, p]).collect();
    let evaluation = Evaluation::new(&predictions, &data.train, &data.schema.tasks);
    let task = |name: &str| *evaluation.task(name).expect("a task");
    assert_eq!((task("click").metrics.rows(), task("click").everywhere), (6, None));
    let (within, everywhere) = (task("buy").metrics, task("buy").everywhere.expect("more rows"));
    assert_eq!((within.rows(), everywhere.rows()), (3, 7));
    // Within, 0.9 is above 0.8 and 0.3 is not; everywhere 0.9 alone is above 0.8 and 0.7, of five positives.
    assert_eq!((within.ranking(), everywhere.ranking()), (Some(0.5), Some(0.2)));
    let expected = -(0.9f64.ln() + 0.2f64.ln() + 0.3f64.ln()) / 3.0;
    approx::assert_relative_eq!(within.log_loss().expect("defined"), expected, epsilon = 1e-6);
}

fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).expect("tensors").into_iter().collect()
}

#[test]
fn a_task_without_a_label_in_a_batch_keeps_its_own_parameters_whatever_their_momentum() {
    let all = records(128);
    let of_click = |row: &String| mask(row, &[4]);
    let first = HEADER.to_owned() + &all[..64].concat();
    let both = first.clone() + &all[64..].iter().map(of_click).collect::<String>();
    for kind in ["shared-bottom", "single-task", "mmoe", "cgc", "aitm", "ppnet", "dbmtl"] {
        for optimizer in ["{kind: adam}", "{kind: adamw, weight_decay: 0.1}", "{kind: sgd, momentum: 0.9}"] {
            let run = |text: &str| {
                let dir = folder(text);
                let model = format!("model={{kind: {kind}}}");
                let set = format!("train.optimizer={optimizer}");
                let own = [model.as_str(), &set, "train.epochs=1"];
                let cfg = config(dir.path(), &[&AS_THEY_ARE[..], &own].concat());
                let (run, _) = run_in(&cfg, &load(&cfg), &dir.path().join("run"), &mut |_| ());
                let state = read_state(&run.checkpoint(1)).expect("a state");
                (tensors(&run.checkpoint(1).join("weights.safetensors")), state)
            };
            let ((one, earlier), (two, later)) = (run(&first), run(&both));
            assert_eq!((earlier.step, later.step), (1, 2));
            let mut own = 0;
            for (name, tensor) in &one {
                let values =
                    |tensor: &Tensor| tensor.flatten_all().and_then(|t| t.to_vec1()).expect("values");
                let same = bits(&values(tensor)) == bits(&values(&two[name]));
                if name.contains(".buy.") {
                    assert!(same, "{kind} {optimizer}: {name} moved");
                    assert_eq!(later.updates[name], 1, "{name}");
                    own += 1;
                } else if name.ends_with("weight") {
                    assert!(!same, "{kind} {optimizer}: {name} did not learn");
                }
            }
            assert!(own >= 4, "{kind}: {:?}", one.keys());
        }
    }
}

#[test]
fn numbers_are_predicted_on_the_scale_of_their_labels_and_classes_are_learnt() {
    let dir = folder(&rows(2000));
    let tasks = "tasks=[{name: seconds, label: seconds, kind: regression}, {name: minutes, label: seconds / 60, \
                 kind: regression}, {name: plain, label: seconds / 10, kind: regression}, {name: class, label: \
                 class, kind: multiclass, classes: 3}]";
    let losses = "train.task_losses={seconds: log-mse, minutes: weighted-logistic}";
    let more = ["train.epochs=20", "train.optimizer.lr=0.02", "model={kind: mmoe, experts: 4, expert: [16]}"];
    let cfg = config(dir.path(), &[&[tasks, losses], &more[..]].concat());
    let mut last = None;
    run_in(&cfg, &load(&cfg), &dir.path().join("run"), &mut |event| {
        if let Event::Epoch { valid, .. } = event {
            last = valid.clone();
        }
    });
    let evaluation = last.expect("an evaluation");
    // The labels take five values evenly, 1 to 29 seconds.
    for (task, mean) in [("seconds", 15.0), ("minutes", 0.25), ("plain", 1.5)] {
        let Some(Metrics::Regression(m)) = evaluation.task(task).map(|task| task.metrics) else {
            panic!("{task} is a number")
        };
        let (target, found) = (m.mean_target.expect("rows"), m.mean_prediction.expect("rows"));
        approx::assert_relative_eq!(target, mean, max_relative = 0.1);
        approx::assert_relative_eq!(found, target, max_relative = 0.05);
        let (rmse, xauc) = (m.rmse.expect("rows"), m.xauc.expect("different targets"));
        assert!(rmse < 0.2 * mean && xauc > 0.95, "{task}: rmse {rmse}, xauc {xauc}");
    }
    let Some(Metrics::Multiclass(m)) = evaluation.task("class").map(|task| task.metrics) else {
        panic!("class is a class")
    };
    assert!(m.accuracy > Some(0.95) && m.macro_auc > Some(0.98), "{m:?}");
}
