//! The pages in `docs/` say what the code does: examples are valid, keys complete, parameter counts right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mt_data::{
    BadRecords, CsvConfig, DataConfig, Features, JoinConfig, JoinList, JoinMissing, ParquetConfig, Paths,
    SplitConfig,
};
use mt_datasets::synth::{SynthConfig, feature_names};
use mt_features::{
    Attention, ColumnRef, Encoding, FieldConfig, Growing, Normalize, NumericMissing, Pooling, Schema, Task,
    TaskConfig, TaskKind,
};
use mt_layers::{Initializer, LossKind, Norm};
use mt_models::{
    AttentionConfig, EmbeddingConfig, ModelConfig, Registry, SelfAttentionConfig, count, inventory,
};
use mt_tables::{RowOptimizer, Storage};
use serde_yaml::Value;

use crate::{
    BalanceConfig, BalanceKind, CheckpointConfig, Config, OptimizerConfig, OptimizerKind, PropensityConfig,
    Schedule, ScheduleKind, Select, SelectMetric, TrainConfig, WarmStart,
};

const PAGES: [&str; 4] = ["config.md", "models.md", "balancing.md", "paddlerec.md"];

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The YAML blocks of a page that start with `start`.
fn blocks<'a>(page: &'a str, start: &str) -> Vec<&'a str> {
    let yaml = page.split("```yaml\n").skip(1);
    yaml.filter_map(|rest| rest.split("```").next()).filter(|block| block.starts_with(start)).collect()
}

fn parse(text: &str, origin: &str, overrides: &[String]) -> Config {
    Config::parse(text, origin, overrides).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A configuration with every key there is. No `..`: a new key has to be added here, and to the page.
fn full() -> Config {
    let paths = || Paths(vec!["a.csv".into()]);
    let csv = CsvConfig {
        train: paths(),
        valid: Some(paths()),
        test: Some(paths()),
        header: false,
        names: Some("names.txt".into()),
        delimiter: ',',
        features: Features::All,
        exclude: vec![ColumnRef::Index(0)],
        missing: vec!["?".into()],
        on_bad_record: BadRecords::Fail,
    };
    let parquet = ParquetConfig {
        train: paths(),
        valid: Some(paths()),
        test: Some(paths()),
        features: Features::All,
        exclude: vec![ColumnRef::Index(0)],
        missing: vec!["?".into()],
        on_bad_record: BadRecords::Fail,
    };
    let synth = SynthConfig {
        rows: 1,
        seed: 1,
        correlation: 0.0,
        signal: 1.0,
        interaction: 0.0,
        sinusoids: 0.0,
        contexts: 1,
    };
    let field = FieldConfig {
        column: Some(ColumnRef::Index(1)),
        name: Some("user".into()),
        value: Some("user".into()),
        table: Some("user".into()),
        encode: Some(Encoding::Growing(Growing { capacity: 1, admit: 1, ttl: Some(1) })),
        separator: Some(' '),
        pooling: Some(Pooling::Attention(Attention { query: "item".into(), beside: Some("seen".into()) })),
        last: Some(1),
        first: Some(1),
    };
    let candidate = Attention { query: "item".into(), beside: Some("seen".into()) };
    let ordered = FieldConfig { pooling: Some(Pooling::SelfAttention(candidate)), ..field.clone() };
    // The keys of all architectures, of which one stands for a list of more.
    let kinds = Registry::default();
    let of_kinds = kinds.kinds().flat_map(|kind| kinds.keys(kind).expect("a kind that is there"));
    let mut keys: BTreeMap<String, serde_json::Value> =
        of_kinds.map(|key| (key.to_owned(), 1.into())).collect();
    let level = ["experts_per_task", "shared_experts", "expert", "gate"]
        .map(|key| (key.to_owned(), keys[key].clone()));
    keys.insert("levels".to_owned(), vec![serde_json::Value::Object(level.into_iter().collect())].into());
    Config {
        version: 1,
        name: "full".into(),
        data: DataConfig {
            csv: Some(csv),
            parquet: Some(parquet),
            synth: Some(synth),
            valid_fraction: 0.1,
            test_fraction: Some(0.1),
            split_seed: 1,
            normalize: Normalize::None,
            fitted: Some("runs/yesterday".into()),
            numeric_missing: NumericMissing::Zero,
            fields: vec![field, ordered],
            numbers: vec![mt_features::Computed { name: "ratio".into(), value: "a / b".into() }],
            join: vec![JoinConfig {
                file: "users.csv".into(),
                key: "user".into(),
                missing: JoinMissing::Empty,
                lists: vec![JoinList {
                    column: "seen".into(),
                    separator: ' ',
                    file: "items.csv".into(),
                    key: "item".into(),
                    take: [("authors".into(), "author".into())].into(),
                }],
            }],
            weight: Some(ColumnRef::Index(1)),
            group: Some(ColumnRef::Index(1)),
            split: Some(SplitConfig { valid: Some(ColumnRef::Index(1)), test: Some(ColumnRef::Index(1)) }),
            cache: Some(mt_data::CacheConfig::default()),
            storage: mt_data::Storage::default(),
        },
        tasks: vec![TaskConfig {
            name: "like".into(),
            label: ColumnRef::Index(0),
            kind: TaskKind::Multiclass { classes: 3 },
            within: Some(ColumnRef::Index(1)),
            prediction: "click * cvr".parse().ok(),
            imputed: None,
            labels: None,
        }],
        model: ModelConfig {
            kind: "ple".into(),
            keys,
            embedding: Some(EmbeddingConfig {
                width: 1,
                widths: [("user".into(), 1)].into(),
                storage: Storage::Bf16,
            }),
            attention: Some(AttentionConfig { hidden: 1 }),
            self_attention: Some(SelfAttentionConfig { heads: 1, hidden: 1 }),
            stages: vec![
                ["kind", "layers", "rank", "fields", "hidden"].map(|key| (key.to_owned(), 1.into())).into(),
            ],
            tower: vec![1],
            gate_fields: [("like".into(), vec!["user".into()])].into(),
            tower_fields: [("like".into(), vec!["user".into()])].into(),
            init: Initializer::Xavier,
            norm: Norm::Batch,
            budget: Some(1),
            registry: Registry::default(),
        },
        train: TrainConfig {
            epochs: 1,
            batch_size: 1,
            shards: 2,
            seed: 1,
            shuffle: true,
            optimizer: OptimizerConfig {
                kind: OptimizerKind::Sgd,
                lr: 1.0,
                weight_decay: Some(1.0),
                beta1: Some(0.5),
                beta2: Some(0.5),
                epsilon: Some(1.0),
                momentum: Some(0.5),
            },
            table_optimizer: RowOptimizer::Adam { beta1: 0.5, beta2: 0.5, epsilon: 1.0 },
            table_lr: Some(1.0),
            dropout: 0.5,
            warm_start: Some(WarmStart {
                from: "run".into(),
                take: vec!["*".into()],
                rename: [("gates.a.".into(), "gates.b.".into())].into(),
                optimizer: true,
                strict: true,
                scaling: crate::WarmScaling::Fit,
            }),
            schedule: Schedule {
                kind: ScheduleKind::Step,
                warmup: Some(1),
                floor: Some(0.1),
                every: Some(1),
                factor: Some(0.5),
                patience: Some(1),
                rise: Some(0.5),
            },
            rates: [("gates.*".into(), 0.1)].into(),
            clip_norm: Some(1.0),
            average: Some(0.9),
            label_smoothing: 0.1,
            patience: Some(1),
            loss: LossKind::CrossEntropy,
            task_losses: [("like".into(), LossKind::Mse.into())].into(),
            standardize: false,
            smearing: false,
            task_weights: [("like".into(), 1.0)].into(),
            propensities: [(
                "like".into(),
                PropensityConfig { of: "click".into(), imputed: Some("error".into()) },
            )]
            .into(),
            joint_losses: vec![mt_models::LossConfig::new("order").with("weight", 0.6)],
            balance: BalanceConfig {
                kind: BalanceKind::Dwa,
                gamma: [("like".into(), 1.0)].into(),
                lr: Some(1.0),
                decay: Some(1.0),
                temperature: Some(1.0),
                alpha: Some(1.0),
                c: Some(1.0),
            },
            load_balance: 0.5,
            select: Select {
                metric: SelectMetric::Auc,
                task: Some("like".into()),
                weights: [("like".into(), 1.0)].into(),
            },
            keep: 1,
            checkpoint: CheckpointConfig { steps: Some(1), minutes: 1.0 },
            log_every: 1,
            allow_symmetry: false,
        },
    }
}

/// Paths of all keys: `train.optimizer.lr`, `tasks[].name`.
fn keys(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        // Its keys are the user's own.
        _ if [
            "train.task_weights",
            "train.propensities",
            "train.task_losses",
            "train.joint_losses[]",
            "train.select.weights",
            "train.rates",
            "train.balance.gamma",
            "train.warm_start.rename",
            "model.embedding.widths",
            "data.join[].lists[].take",
            "model.gate_fields",
            "model.tower_fields",
        ]
        .contains(&at) => {}
        Value::Mapping(mapping) => {
            for (key, value) in mapping {
                let key = key.as_str().expect("a name");
                let path = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
                keys(value, &path, found);
                found.insert(path);
            }
        }
        Value::Sequence(list) => list.iter().for_each(|value| keys(value, &format!("{at}[]"), found)),
        _ => {}
    }
}

#[test]
fn every_example_is_a_valid_configuration() {
    for name in PAGES {
        for block in blocks(&page(name), "version:") {
            parse(block, name, &[]);
        }
    }
    assert!(blocks(&page("config.md"), "version:").len() >= 2);
}

#[test]
fn the_page_of_keys_lists_every_key_and_no_other() {
    let mut expected = BTreeSet::new();
    let value = serde_yaml::from_str(&full().to_yaml().expect("yaml")).expect("yaml");
    keys(&value, "", &mut expected);
    let page = page("config.md");
    let (_, section) = page.split_once("## Keys").expect("the keys");
    let (section, _) = section.split_once("## Overrides").expect("the end of the keys");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let sections = ["version", "name", "data", "tasks", "model", "train"];
    let is_key = |text: &&str| sections.contains(text) || (text.contains('.') && !text.starts_with('{'));
    let listed: BTreeSet<String> = rows.filter(is_key).map(str::to_owned).collect();
    assert_eq!(listed, expected);
}

#[test]
fn every_override_shown_fits_the_complete_example() {
    let page = page("config.md");
    let example = blocks(&page, "version:").into_iter().max_by_key(|block| block.len()).expect("an example");
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `--set ")).collect();
    assert!(rows.len() >= 5);
    for row in rows {
        let shown = row.split('`').next().expect("a code span");
        let overrides: Vec<String> = shown.split(" --set ").map(|text| text.replace('\'', "")).collect();
        parse(example, "config.md", &overrides);
    }
}

#[test]
fn every_model_shown_has_the_parameters_it_claims() {
    let mut kinds = BTreeSet::new();
    for name in PAGES {
        for block in blocks(&page(name), "model:") {
            let (claim, _) = block.split_once(" parameters").expect("a parameter count");
            let claim = claim.rsplit("# ").next().expect("a comment").replace(',', "");
            let tasks = "version: 1\ndata: {synth: {}}\ntasks: [{name: completion, label: 0}, {name: like, label: 1}]\n";
            let cfg = parse(&format!("{tasks}{block}"), name, &[]);
            let task = |name: &str| Task::new(name, TaskKind::Binary);
            let tasks = [task("completion"), task("like")];
            let model = cfg.sized_model(499, &mt_features::heads(&tasks)).expect("a model");
            let found = count(&inventory(&model, 499, &mt_features::heads(&tasks)).expect("an inventory"));
            assert_eq!(found.to_string(), claim, "{name}:\n{block}");
            kinds.insert(cfg.model.kind.to_string());
        }
    }
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}

/// The configurations that the study's map and the quickstart run, single-task first.
fn map() -> Vec<Config> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut paths: Vec<_> = ["sharing", "quickstart"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort_by_key(|path| path.file_name().map(std::ffi::OsStr::to_owned));
    paths.iter().map(|path| Config::read(path, &[]).unwrap_or_else(|error| panic!("{error}"))).collect()
}

#[test]
fn the_quickstart_compares_models_of_equal_size_on_rows_where_a_gate_has_something_to_decide() {
    let configs = map();
    let kinds: Vec<String> = configs.iter().map(|cfg| cfg.model.kind.to_string()).collect();
    assert_eq!(kinds, ["single-task", "shared-bottom", "mmoe", "cgc", "ple"]);
    let synth = configs[0].data.synth.as_ref().expect("generated rows");
    assert!(synth.contexts > 1);
    let tabs: Vec<String> = (0..synth.contexts).map(|tab| format!("tab_{tab}")).collect();
    let task = |name: &str| Task::new(name, TaskKind::Binary);
    let tasks = [task("completion"), task("like")];
    for cfg in &configs {
        assert_eq!(
            (&cfg.data, &cfg.tasks, &cfg.train),
            (&configs[0].data, &configs[0].tasks, &configs[0].train)
        );
        for fields in cfg.model.gate_fields.values() {
            assert_eq!(fields, &tabs, "{}: gates read the tab", cfg.name);
        }
        let schema = Schema { numeric: feature_names(synth), tasks: tasks.to_vec(), ..Schema::default() };
        let inputs = cfg.model.inputs(&schema).expect("inputs");
        let model = cfg.sized_model(inputs.clone(), &mt_features::heads(&tasks)).expect("a model");
        let parameters =
            count(&inventory(&model, inputs, &mt_features::heads(&tasks)).expect("an inventory"));
        // An expert's width is a whole number: with eight of them the next one is 400 parameters more.
        assert!((2600..=3000).contains(&parameters), "{}: {parameters}", cfg.name);
    }
}
