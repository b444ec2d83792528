//! Loss balancing in training: all methods learn, remember what they must, and are worth it where tasks conflict.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use candle_core::{DType, Device, Tensor};
use mt_features::{Batches, permutation};
use mt_layers::{Columns, Input, Params, Run};
use mt_models::candle_nn::VarBuilder;
use mt_models::{Architecture, Facts, Features, InputLayer, ModelConfig, Registry, Sizes, Trunk, build};
use mt_train::{BalanceState, Balancer, Config, Event, Labelled, Metrics, Objective, RunDir, read_state};

use crate::fields::{bits, config, folder, load, rows, run_in};
use crate::training::files;

const OF_LOSSES: [&str; 6] =
    ["schedule, gamma: {buy: 0.9}", "uncertainty, lr: 0.01", "dwa", "random", "geometric", "famo"];
const OF_GRADIENTS: [&str; 7] = ["gradnorm", "pcgrad", "mgda", "cagrad", "imtl", "aligned", "nash"];

/// The overrides for a method and a kind of model.
fn balanced(method: &str) -> String {
    format!("train.balance={{kind: {method}}}")
}

/// Two binary tasks, one of them with a label in half of the rows, and a regression.
const TASKS: &str = "tasks=[{name: click, label: click}, {name: buy, label: buy}, {name: seconds, label: seconds / 30, kind: \
                     regression}]";

/// One epoch with a few lines of the log.
const SHORT: &str = "train={epochs: 1, batch_size: 16, log_every: 25, optimizer: {lr: 0.02}}";

/// A network that does nothing, and does not say what its tasks share.
#[derive(Debug)]
struct Nothing(usize);

impl Architecture for Nothing {
    fn build(
        &self,
        sizes: Sizes<'_>,
        _: &[Option<Columns>],
        _: VarBuilder<'_>,
    ) -> candle_core::Result<Box<dyn Trunk>> {
        Ok(Box::new(Nothing(sizes.inputs)))
    }

    fn facts(&self, _: &[&str]) -> Facts {
        Facts::default()
    }
}

impl Trunk for Nothing {
    fn forward(&self, xs: &Input, _: &mut Run) -> candle_core::Result<Tensor> {
        xs.to_dense(DType::F32, &Device::Cpu)
    }

    fn width(&self) -> usize {
        self.0
    }
}

#[test]
fn gradients_of_what_is_shared_are_not_balanced_where_nobody_says_what_that_is() {
    let dir = folder(&rows(300));
    let registry = Registry::default().with("nothing", |_| Ok(Box::new(Nothing(0))));
    let train = |method: &str, name: &str| {
        let mut cfg = config(dir.path(), &[TASKS, SHORT, &balanced(method)]);
        cfg.model = ModelConfig { registry: registry.clone(), ..ModelConfig::new("nothing") };
        let data = load(&cfg);
        let run = RunDir::create(&dir.path().join(name), &cfg).expect("a folder");
        let stop = std::sync::atomic::AtomicBool::new(false);
        mt_train::train(&cfg, &data, &Device::Cpu, &run, &stop, &mut |_| ())
    };
    train("dwa", "losses").expect("losses can be balanced of any network");
    let refused = train("pcgrad", "gradients").expect_err("nothing says what is shared").to_string();
    assert!(refused.contains("pcgrad weighs") && refused.contains("nothing does not say"), "{refused}");
}

#[test]
fn every_method_learns_and_says_what_it_does() {
    let dir = folder(&rows(1500));
    let data = load(&config(dir.path(), &[TASKS]));
    // At this rate, the attention of wide transfers would soon be all a task's own, whose gradient of the others is 0 then.
    let models = ["mmoe", "shared-bottom", "cgc", "ple", "aitm, bottom: [16]", "dbmtl, bottom: [16]"];
    let all = OF_LOSSES.iter().map(|method| (method, &models[..1]));
    for (method, models) in all.chain(OF_GRADIENTS.iter().map(|method| (method, &models[..]))) {
        for model in models {
            // No hidden layer, whose few units could all be off for good.
            let model = format!("model={{kind: {model}, tower: [], embedding: {{width: 4}}}}");
            let cfg = config(dir.path(), &[TASKS, &model, SHORT, &balanced(method)]);
            let mut losses: Vec<f64> = Vec::new();
            run_in(&cfg, &data, &dir.path().join(format!("{method} {}", cfg.model.kind)), &mut |event| {
                let Event::Progress { tasks, cosines, .. } = event else { return };
                assert_eq!(
                    cosines.len(),
                    if OF_GRADIENTS.contains(method) { 3 } else { 0 },
                    "{method}, {model}"
                );
                assert!(cosines.values().all(|cosine| cosine.abs() < 1.0 + 1e-6), "{method}: {cosines:?}");
                assert!(tasks.values().all(|task| task.weight.is_some_and(f64::is_finite)), "{method}");
                losses.push(tasks.values().map(|task| task.loss).sum());
            });
            // Not each task's: a method may favour others so early.
            let model = cfg.model.kind;
            assert!(
                losses.len() > 2 && losses[losses.len() - 1] < 0.95 * losses[0],
                "{method}, {model}: {losses:?}"
            );
        }
    }
}

#[test]
fn fixed_weights_leave_neither_weights_nor_state() {
    let dir = folder(&rows(300));
    let cfg = config(dir.path(), &[]);
    let (run, _) = run_in(&cfg, &load(&cfg), &dir.path().join("run"), &mut |event| {
        if let Event::Progress { tasks, cosines, .. } = event {
            assert!(cosines.is_empty() && tasks.values().all(|task| task.weight.is_none()));
        }
    });
    assert_eq!(read_state(&run.checkpoint(1)).expect("a state").balance, None);
}

#[test]
fn no_method_moves_running_statistics_more_than_once_a_batch() {
    let dir = folder(&rows(300));
    let model = "model={kind: mmoe, experts: 2, expert: [4], norm: batch, embedding: {width: 4}}";
    let train = "train={epochs: 1, batch_size: 256, dropout: 0.2}";
    let data = load(&config(dir.path(), &[TASKS]));
    // The first step begins with the same weights, so its batch has the same statistics.
    let statistics = |method: &str| {
        let cfg = config(dir.path(), &[TASKS, model, train, &balanced(method)]);
        let (run, _) = run_in(&cfg, &data, &dir.path().join(method), &mut |_| ());
        assert_eq!(read_state(&run.checkpoint(1)).expect("a state").step, 1);
        let file = run.checkpoint(1).join("weights.safetensors");
        let tensors = candle_core::safetensors::load(file, &Device::Cpu).expect("tensors");
        let running = tensors.into_iter().filter(|(name, _)| name.contains(".running_"));
        let bits = |tensor: Tensor| bits(&tensor.flatten_all().and_then(|t| t.to_vec1()).expect("values"));
        running.map(|(name, tensor)| (name, bits(tensor))).collect::<BTreeMap<_, _>>()
    };
    let expected = statistics("fixed");
    assert!(!expected.is_empty());
    for method in OF_LOSSES.iter().chain(&OF_GRADIENTS) {
        assert_eq!(statistics(method), expected, "{method}");
    }
}

#[test]
fn a_continued_run_ends_with_the_bytes_of_a_straight_one() {
    let dir = folder(&rows(600));
    for method in ["uncertainty", "dwa", "random", "famo", "gradnorm", "pcgrad"] {
        // Dynamic weight average looks back two epochs.
        let cfg = config(dir.path(), &[TASKS, &balanced(method), "train.epochs=3"]);
        let data = load(&cfg);
        let at = |name: &str| dir.path().join(format!("{method}-{name}"));
        run_in(&cfg, &data, &at("straight"), &mut |_| ());
        let mut shorter = cfg.clone();
        shorter.train.epochs = 2;
        run_in(&shorter, &data, &at("stopped"), &mut |_| ());
        run_in(&cfg, &data, &at("stopped"), &mut |_| ());
        assert!(files(&at("stopped/checkpoints")) == files(&at("straight/checkpoints")), "{method}");
    }
}

#[test]
fn a_run_is_not_continued_with_another_method() {
    let dir = folder(&rows(300));
    let cfg = |method| config(dir.path(), &[&balanced(method), "train.epochs=1"]);
    let data = load(&cfg("fixed"));
    let path = dir.path().join("run");
    run_in(&cfg("famo"), &data, &path, &mut |_| ());
    for other in ["fixed", "dwa", "nash"] {
        let run = RunDir::open(&path).expect("a run").0;
        let stop = std::sync::atomic::AtomicBool::new(false);
        let error = mt_train::train(&cfg(other), &data, &Device::Cpu, &run, &stop, &mut |_| ());
        let error = error.expect_err("must be refused").to_string();
        assert!(error.ends_with("Continue with those the run began with"), "{error}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let dir = folder(&rows(600));
    for method in ["famo", "nash"] {
        let cfg = config(dir.path(), &[TASKS, &balanced(method), "train.batch_size=300"]);
        let data = load(&cfg);
        let checkpoints = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let path = dir.path().join(format!("{method}-{threads}"));
            pool.install(|| run_in(&cfg, &data, &path, &mut |_| ()));
            files(&path.join("checkpoints"))
        });
        assert!(checkpoints[0] == checkpoints[1], "{method}");
    }
}

/// The weights that a method gives ten batches after another, with its state written and read back after `stop` of them.
fn weights_of_ten(cfg: &Config, stop: usize) -> Vec<BTreeMap<String, Option<f64>>> {
    let data = load(cfg);
    let tasks = &data.schema.tasks;
    let layer =
        InputLayer::new(&cfg.model, &data.schema, &data.encoders, cfg.train.table_optimizer, 1, &Device::Cpu)
            .expect("tables");
    let params = Params::new(1);
    let model =
        build(&cfg.model, layer.width(), &data.schema.heads(), params.builder(DType::F32, &Device::Cpu))
            .expect("a model");
    let (gradients, objective) = (params.gradients(), Objective::new(cfg, tasks).expect("losses"));
    let mut balancer = Balancer::new(&cfg.train, tasks);
    let order: Vec<u32> = permutation(data.train.len() as u32, 1, 1);
    let mut found = Vec::new();
    for (step, batch) in Batches::new(&data.train, &order, 40).take(10).enumerate() {
        if step == stop {
            let text = serde_json::to_string(&balancer.state()).expect("json");
            balancer = Balancer::new(&cfg.train, tasks);
            let state: Option<BalanceState> = serde_json::from_str(&text).expect("json");
            assert!(balancer.restore(state));
        }
        let (labels, mask) = (batch.labels.clone(), batch.mask.clone());
        let labelled = Labelled { rows: batch.rows(), labels, mask, groups: None };
        let features = Features::of(batch).expect("features");
        let forward = |run: &mut Run| {
            let xs = layer.forward(&features, run).map_err(candle_core::Error::wrap)?;
            model.forward(&model.read(&xs, run)?, run)
        };
        let run = &mut Run::training();
        balancer.collect(&gradients, &objective, &labelled, run, forward).expect("a loss");
        balancer.after_step(&objective, || forward(&mut Run::look())).expect("a loss");
        if step % 4 == 3 {
            balancer.end_epoch();
        }
        let progress = mt_train::TaskProgress::default();
        let mut report = tasks.iter().map(|task| (task.name.clone(), progress.clone())).collect();
        balancer.report(&mut report);
        found.push(report.into_iter().map(|(name, task)| (name, task.weight)).collect());
    }
    found
}

#[test]
fn a_state_that_was_written_and_read_goes_on_to_the_last_bit() {
    let dir = folder(&rows(600));
    for method in OF_LOSSES.iter().chain(&OF_GRADIENTS) {
        let cfg = config(dir.path(), &[TASKS, &balanced(method)]);
        let straight = weights_of_ten(&cfg, usize::MAX);
        for stop in [1, 6] {
            assert_eq!(weights_of_ten(&cfg, stop), straight, "{method}");
        }
    }
}

#[test]
fn a_task_without_labels_takes_no_part() {
    // No row of `buy` has a label.
    let content: String = rows(400)
        .lines()
        .map(|line| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if cells[4] != "buy" {
                cells[4] = "";
            }
            cells.join(",") + "\n"
        })
        .collect();
    let dir = folder(&content);
    for method in OF_LOSSES.iter().chain(&OF_GRADIENTS) {
        let cfg = |tasks: &str| config(dir.path(), &[tasks, &balanced(&method.replace("buy", "click"))]);
        let (all, without) = (weights_of_ten(&cfg(TASKS), 99), {
            let tasks = TASKS.replace("{name: buy, label: buy}, ", "");
            weights_of_ten(&cfg(&tasks), 99)
        });
        for (mut all, without) in all.into_iter().zip(without) {
            assert_eq!(all.remove("buy"), Some(None), "{method}");
            // Trunks with another number of gates sum in another order.
            for (task, weight) in without {
                let (found, expected) = (all[&task].expect("a weight"), weight.expect("a weight"));
                assert!(
                    (found - expected).abs() < 1e-6 * expected.abs().max(1.0),
                    "{method}: {found} {expected}"
                );
            }
        }
    }
}

/// Two tasks that agree on half of the columns and are opposite on the other half.
fn conflict() -> tempfile::TempDir {
    let mut content = "x0,x1,x2,x3,x4,x5,x6,x7,a,b\n".to_owned();
    const ROWS: u32 = 8000;
    // Uniform in [-1, 1), a column a draw.
    let draws: Vec<Vec<u32>> = (0..10).map(|salt| permutation(ROWS, 11, salt)).collect();
    let uniform = |column: usize, row: usize| 2.0 * f64::from(draws[column][row]) / f64::from(ROWS) - 1.0;
    for row in 0..ROWS as usize {
        let x: Vec<f64> = (0..8).map(|column| uniform(column, row)).collect();
        let (same, opposite): (f64, f64) = (x[..4].iter().sum(), x[4..].iter().sum());
        let label = |z: f64, draw| u8::from(0.5 * uniform(draw, row) + 0.5 < 1.0 / (1.0 + (-z).exp()));
        x.iter().for_each(|x| write!(content, "{x},").expect("a text"));
        let (a, b) = (label(3.0 * (same + opposite), 8), label(3.0 * (same - opposite), 9));
        writeln!(content, "{a},{b}").expect("a text");
    }
    folder(&content)
}

/// AUC by task on half of the rows after training on the others, with a bottom of four units.
fn auc(dir: &tempfile::TempDir, tasks: &str, train: &str) -> BTreeMap<String, f64> {
    let text = format!(
        "version: 1\nname: conflict\ndata:\n  csv: {{train: '{}', exclude: [a, b]}}\n  valid_fraction: 0.5\n\
         tasks: [{tasks}]\nmodel: {{kind: shared-bottom, bottom: [4], tower: []}}\n\
         train: {{epochs: 5, batch_size: 64, optimizer: {{lr: 0.01}}{train}}}\n",
        dir.path().join("rows.csv").display()
    );
    let cfg = Config::parse(&text, "conflict.yaml", &[]).expect("valid");
    let mut last = None;
    let run = tempfile::tempdir().expect("a folder");
    run_in(&cfg, &load(&cfg), &run.path().join("run"), &mut |event| {
        if let Event::Epoch { valid: Some(valid), .. } = event {
            last = Some(valid.clone());
        }
    });
    let of = |(name, task): (String, mt_train::TaskEvaluation)| match task.metrics {
        Metrics::Binary(summary) => (name, summary.auc.expect("both classes")),
        _ => panic!("{name} is binary"),
    };
    last.expect("an evaluation").tasks.into_iter().map(of).collect()
}

/// The size of one task's loss hides the other's gradient from a sum. It is what a regression in seconds beside a click
/// does.
#[test]
fn where_tasks_conflict_balanced_gradients_keep_both_and_their_sum_does_not() {
    let dir = conflict();
    const A: &str = "{name: a, label: a}";
    const B: &str = "{name: b, label: b}";
    let alone = [auc(&dir, A, "")["a"], auc(&dir, B, "")["b"]];
    let both = |balance: &str| {
        let found = auc(
            &dir,
            &format!("{A}, {B}"),
            &format!(", task_weights: {{a: 100}}, balance: {{kind: {balance}}}"),
        );
        ["a", "b"].map(|task| found[task])
    };
    let plain = both("fixed");
    assert!(alone[1] - plain[1] > 0.01, "alone {alone:?}, summed {plain:?}");
    for method in ["imtl", "nash", "aligned", "cagrad, c: 0.9"] {
        let found = both(method);
        for (alone, found) in alone.iter().zip(found) {
            assert!(alone - found < 0.01, "{method}: alone {alone}, balanced {found}");
        }
    }
}
