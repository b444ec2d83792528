//! Gradients task by task of what the tasks share.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use mt_features::{Task, TaskKind};
use mt_layers::{Gradient, Input, LossKind, LossTerm, MultiTaskLoss, Params, Run, SparseRows};
use mt_models::{Model, ModelConfig, build};
use mt_tables::{Embeddings, Field, Ids, Pooling, RowOptimizer, TableConfig};

use crate::gradients::{fields, named, rows};

const ROWS: usize = 40;
const INPUTS: usize = 12;
const SHARING: [&str; 6] = ["shared-bottom", "mmoe", "cgc", "ple", "aitm", "dbmtl"];

fn tasks() -> Vec<Task> {
    let kinds = [TaskKind::Binary, TaskKind::Multiclass { classes: 3 }, TaskKind::Regression];
    kinds.into_iter().zip(["like", "kind", "watch"]).map(|(kind, name)| Task::new(name, kind)).collect()
}

fn losses() -> [LossTerm; 3] {
    let loss = |logits, weight, kind| LossTerm { logits, weight, kind };
    [loss(1, 1.0, LossKind::CrossEntropy), loss(3, 0.5, LossKind::Multiclass), loss(1, 2.0, LossKind::Mse)]
}

/// Labels and mask `(B, 3)`; a third of the regression's labels are missing.
fn labels() -> (Vec<f32>, Vec<f32>) {
    let label = |i: usize| match i % 3 {
        0 => (i / 3 % 2) as f32,
        1 => (i / 3 % 3) as f32,
        _ => i as f32 / 40.0,
    };
    let mask = |i: usize| f32::from(u8::from(i % 9 != 2));
    ((0..3 * ROWS).map(label).collect(), (0..3 * ROWS).map(mask).collect())
}

/// A model, and where its input comes from.
struct Network {
    params: Params,
    model: Box<dyn Model>,
    embeddings: Embeddings,
    input: Source,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Dense,
    Sparse,
    Embedded,
}

type Found = BTreeMap<String, Vec<f32>>;

impl Network {
    fn new(cfg: &ModelConfig, input: Source) -> Self {
        let params = Params::new(3);
        let inputs = named(cfg, INPUTS, &tasks());
        let model =
            build(cfg, inputs, &mt_features::heads(&tasks()), params.builder(DType::F32, &Device::Cpu))
                .expect("a model");
        let table = TableConfig { optimizer: RowOptimizer::Sgd {}, ..TableConfig::new(9, 6) };
        let field = |name: &str, pooling| Field { name: name.into(), table: "items".into(), pooling };
        let fields = vec![field("item", Pooling::Sum), field("history", Pooling::Mean)];
        let embeddings = Embeddings::new([("items", table)], fields, 5).expect("a table");
        Self { params, model, embeddings, input }
    }

    fn logits(&self, run: &mut Run) -> candle_core::Result<Tensor> {
        let dense = rows(INPUTS)?;
        let xs = match self.input {
            Source::Dense => dense.into(),
            Source::Sparse => SparseRows::from_dense(&dense)?.into(),
            Source::Embedded => {
                let lists = (0..=ROWS as u32).map(|row| 2 * row).collect();
                let history = (0..2 * ROWS as u32).map(|i| i * i % 9).collect();
                let history = Ids { offsets: Some(lists), rows: history, ..Ids::default() };
                let item = Ids::single((0..ROWS as u32).map(|row| row % 9).collect());
                let xs = self.embeddings.forward(vec![item, history], None, run);
                Input::Dense(xs.map_err(candle_core::Error::wrap)?)
            }
        };
        self.model.forward(&xs, run)
    }

    /// All gradients by name, consumed, and those of the table, a row after the other.
    fn take(&self) -> Found {
        let host = |param: mt_layers::Param| {
            let mut gradient = param.gradient.lock();
            let host = std::mem::take(&mut gradient.host);
            *gradient = Gradient { host: vec![0.0; host.len()], ..Gradient::default() };
            drop(gradient);
            (param.name, host)
        };
        let mut all: Found = self.params.all().into_iter().map(host).collect();
        let rows = self.embeddings.gradient("items").expect("a table");
        for (id, row) in rows.ids.iter().zip(rows.values.chunks(6)) {
            all.insert(format!("items.{id}"), row.to_vec());
        }
        self.embeddings.step(|_| 0.0);
        all
    }

    /// The gradients of the loss with these tasks' weights.
    fn plain(&self, weights: [f32; 3]) -> Found {
        let (labels, mask) = labels();
        let mut tasks = losses();
        tasks.iter_mut().zip(weights).for_each(|(task, weight)| task.weight *= weight);
        let loss = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask };
        self.params.backward(|run| Ok(loss.forward(&self.logits(run)?)?.total)).expect("a loss");
        self.take()
    }

    /// The gradients with these weights of what the tasks share, and the inner products there.
    fn by_task(&self, weights: [f64; 3]) -> (Found, Vec<f64>) {
        let (labels, mask) = labels();
        let loss = MultiTaskLoss { tasks: &losses(), labels: &labels, mask: &mask };
        let mut products = Vec::new();
        let mut weigh = |gram: &[f64]| {
            products = gram.to_vec();
            weights.to_vec()
        };
        let total = |logits: &Tensor| Ok((loss.forward(logits)?.total, ()));
        let gradients = self.params.gradients();
        gradients
            .collect_by_task(
                &mut Run::training(),
                &[1, 3, 1],
                |run| self.logits(run),
                total,
                |(), gram| weigh(gram),
            )
            .expect("a loss");
        (self.take(), products)
    }
}

fn assert_close(found: &Found, expected: &Found, names: impl Fn(&str) -> bool, what: &str) {
    assert!(found.keys().eq(expected.keys()), "{what}");
    for (name, found) in found.iter().filter(|(name, _)| names(name)) {
        for (a, b) in found.iter().zip(&expected[name]) {
            assert!((a - b).abs() <= 1e-6 + 1e-5 * b.abs(), "{what}: {name}: {a}, expected {b}");
        }
    }
}

#[test]
fn with_all_weights_1_it_is_the_gradient_of_the_sum() {
    for kind in SHARING.into_iter().chain(["single-task", "ppnet"]) {
        for input in [Source::Dense, Source::Sparse, Source::Embedded] {
            let network = Network::new(&ModelConfig::new(kind), input);
            let (found, products) = network.by_task([1.0; 3]);
            assert_close(&found, &network.plain([1.0; 3]), |_| true, &format!("{kind} {input:?}"));
            let shares = SHARING.contains(&kind);
            assert_eq!(products.iter().any(|product| *product != 0.0), shares, "{kind}: {products:?}");
            for (i, product) in products.iter().enumerate() {
                assert_eq!(*product, products[i % 3 * 3 + i / 3]);
            }
        }
    }
}

#[test]
fn columns_that_a_gate_or_a_tower_reads_itself_are_not_shared() {
    for input in [Source::Dense, Source::Sparse, Source::Embedded] {
        let (gate_fields, tower_fields) =
            (fields("watch", &["x1", "x7"]), fields("like", &["x0", "x2", "x8"]));
        let cfg = ModelConfig { gate_fields, tower_fields, ..ModelConfig::new("mmoe") };
        let network = Network::new(&cfg, input);
        let found = network.by_task([1.0; 3]).0;
        assert_close(&found, &network.plain([1.0; 3]), |_| true, &format!("{input:?}"));
        let doubled = network.by_task([2.0; 3]).0;
        let own = |name: &str| name.starts_with("towers") || name.starts_with("gates");
        assert_close(&doubled, &found, own, &format!("{input:?}"));
    }
}

#[test]
fn what_the_tasks_share_follows_the_weights_and_nothing_else_does() {
    for input in [Source::Dense, Source::Sparse, Source::Embedded] {
        for (kind, shared) in [("shared-bottom", "bottom"), ("mmoe", "experts"), ("cgc", "experts.shared")] {
            let network = Network::new(&ModelConfig::new(kind), input);
            let of_one = network.by_task([0.0, 1.0, 0.0]).0;
            let what = format!("{kind} {input:?}");
            assert_close(&of_one, &network.plain([0.0, 1.0, 0.0]), |name| name.starts_with(shared), &what);
            let outside = |name: &str| !name.starts_with(shared) && !name.starts_with("items");
            assert_close(&of_one, &network.plain([1.0; 3]), outside, &what);
        }
    }
}

#[test]
fn embeddings_below_a_shared_bottom_follow_the_weights_too() {
    let network = Network::new(&ModelConfig::new("shared-bottom"), Source::Embedded);
    let mixed = network.by_task([2.0, 0.0, -0.5]).0;
    assert_close(&mixed, &network.plain([2.0, 0.0, -0.5]), |name| !name.starts_with("towers"), "mixed");
}

#[test]
fn the_levels_below_the_highest_of_a_ple_get_the_mixture() {
    // Only shared experts above: all of the level below gets there through them or through the tasks' gates.
    let cfg = ModelConfig::new("ple").with("experts_per_task", 1);
    let network = Network::new(&cfg, Source::Dense);
    let (doubled, plain) = (network.by_task([2.0; 3]).0, network.plain([1.0; 3]));
    let weight = |found: &Found| found["levels.1.experts.shared.0.weight"].clone();
    for (a, b) in weight(&doubled).iter().zip(weight(&plain)) {
        assert!((a - 2.0 * b).abs() <= 1e-6 + 1e-5 * b.abs(), "{a}, expected twice {b}");
    }
    assert_close(
        &doubled,
        &plain,
        |name| name.starts_with("towers") || name.starts_with("levels.1.gates"),
        "gates",
    );
    let below = |found: &Found| found["levels.0.experts.shared.0.weight"].clone();
    assert!(below(&doubled) != below(&plain));
}
