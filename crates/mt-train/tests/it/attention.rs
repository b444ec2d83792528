//! Lists read with attention in training: what they learn, and that it is the same however it came about.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use mt_bundle::Predictor;
use mt_features::permutation;
use mt_train::{Config, Evaluation, Event, Outcome, RunDir, train};

use crate::fields::{bits, folder, load};
use crate::training::files;

/// Records in which a click follows from whether the item, or one of its maker, was seen, and `last` from
/// whether that was what was seen last.
fn rows(count: usize) -> String {
    let draws = [1, 2, 3].map(|salt| permutation(count as u32, 7, salt));
    let row = |i: usize| {
        let [item, first, noise] = [0, 1, 2].map(|salt: usize| draws[salt][i]);
        let item = item % 24;
        let seen: Vec<u32> = (0..first % 7).map(|j| (first / 7 * (j + 1) + 5 * j) % 24).collect();
        let click = u8::from(seen.iter().any(|other| other % 8 == item % 8) != (noise % 20 == 0));
        let texts =
            |of: fn(&u32) -> u32| seen.iter().map(|x| of(x).to_string()).collect::<Vec<_>>().join("|");
        format!(
            "{item},{},{},{},0.{noise},{click},{},{}\n",
            item % 8,
            texts(|x| *x),
            texts(|x| x % 8),
            u8::from(item % 3 == 0),
            u8::from(seen.last().is_some_and(|other| other % 8 == item % 8))
        )
    };
    "item,maker,seen,makers,play,click,buy,last\n".to_owned() + &(0..count).map(row).collect::<String>()
}

fn config(dir: &Path, pooling: [&str; 2], more: &[&str]) -> Config {
    let [first, second] = pooling;
    let text = format!(
        "version: 1\nname: lists\ndata:\n  csv: {{train: '{}', features: [play]}}\n  valid_fraction: 0.2\n  fields:\n  \
         - {{column: item}}\n  - {{column: maker}}\n  \
         - {{column: seen, table: item, separator: '|', pooling: {first}}}\n  \
         - {{column: makers, table: maker, separator: '|', pooling: {second}}}\n\
         tasks:\n- {{name: click, label: click}}\n- {{name: buy, label: buy}}\n\
         model: {{kind: mmoe, experts: 2, expert: [8], embedding: {{width: 4}}}}\n\
         train: {{epochs: 2, batch_size: 64, log_every: 5, optimizer: {{lr: 0.01}}}}\n",
        dir.join("rows.csv").display()
    );
    let more: Vec<String> = more.iter().map(|&set| set.to_owned()).collect();
    Config::parse(&text, "test.yaml", &more).expect("valid")
}

const ATTENTION: [&str; 2] = ["{attention: {query: item}}", "{attention: {query: maker, beside: seen}}"];
const SELF_ATTENTION: [&str; 2] =
    ["{self_attention: {query: item}}, last: 5", "{self_attention: {query: maker, beside: seen}}, last: 5"];

fn run(cfg: &Config, dir: &Path, stop_at: u64) -> (RunDir, Outcome) {
    let data = load(cfg);
    let run = match dir.exists() {
        true => RunDir::open(dir).expect("a run").0,
        false => RunDir::create(dir, cfg).expect("a folder"),
    };
    let stop = AtomicBool::new(false);
    let outcome = train(cfg, &data, &Device::Cpu, &run, &stop, &mut |event| {
        if let Event::Progress { step, .. } = event {
            stop.store(*step >= stop_at, Ordering::Relaxed);
        }
    });
    (run, outcome.expect("trains"))
}

#[test]
fn attention_finds_what_pooling_cannot() {
    let dir = folder(&rows(6000));
    let auc = |name: &str, label: &str, pooling| {
        let label = format!("tasks[0].label={label}");
        let cfg = config(dir.path(), pooling, &["train.epochs=12", &label]);
        let (_, outcome) = run(&cfg, &dir.path().join(name), u64::MAX);
        let data = load(&cfg);
        let valid = data.valid.as_ref().expect("validation rows");
        let predictions = outcome.scorer.predict(valid, &Device::Cpu).expect("predictions");
        let tasks = Evaluation::new(&predictions, valid, &data.schema.tasks).tasks;
        tasks[0].1.metrics.ranking().expect("both classes")
    };
    let (pooled, weighed) = (auc("pooled", "click", ["mean", "mean"]), auc("weighed", "click", ATTENTION));
    assert!(weighed > 0.92 && weighed > pooled + 0.03, "{weighed}, and {pooled} with the mean");
    let (unordered, ordered) = (auc("unordered", "last", ATTENTION), auc("ordered", "last", SELF_ATTENTION));
    assert!(ordered > 0.9 && ordered > unordered + 0.03, "{ordered}, and {unordered} without positions");
}

#[test]
fn runs_with_attention_resume_to_the_bit_and_predict_from_their_checkpoint() {
    let dir = folder(&rows(1000));
    let variants: [([&str; 2], &[&str]); 11] = [
        (ATTENTION, &[]),
        (ATTENTION, &["train.shards=2", "train.average=0.9", "train.dropout=0.2"]),
        (ATTENTION, &["train.balance.kind=pcgrad"]),
        (ATTENTION, &["model={kind: single-task, attention: {hidden: 5}, embedding: {widths: {maker: 3}}}"]),
        (
            ATTENTION,
            &["model.stages=[{kind: cross, rank: 2}, {kind: cross, layers: 1}]", "train.balance.kind=pcgrad"],
        ),
        (
            ATTENTION,
            &["model.stages=[{kind: epnet, fields: [item, makers], hidden: 5}]", "train.dropout=0.1"],
        ),
        (
            ATTENTION,
            &["model.stages=[{kind: fm, fields: [item, seen]}, {kind: cross}]", "train.balance.kind=pcgrad"],
        ),
        (ATTENTION, &["data.fields[0].encode={growing: {capacity: 18}}", "model.embedding.storage=bf16"]),
        (SELF_ATTENTION, &["model.self_attention={heads: 4, hidden: 5}", "train.dropout=0.2"]),
        (SELF_ATTENTION, &["train.balance.kind=pcgrad", "train.average=0.9"]),
        (
            ["{self_attention: {query: item}}, first: 3", ATTENTION[0]],
            &["data.fields[3].pooling.attention.query=maker"],
        ),
    ];
    for (i, (pooling, variant)) in variants.into_iter().enumerate() {
        let cfg = config(dir.path(), pooling, variant);
        let path = |what: &str| dir.path().join(format!("{what}-{i}"));
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool");
        let (folder, outcome) = pool(1).install(|| run(&cfg, &path("straight"), u64::MAX));
        for stop_at in [5, 15, u64::MAX] {
            pool(3).install(|| run(&cfg, &path("stopped"), stop_at));
        }
        let checkpoints = |what: &str| files(&path(what).join("checkpoints"));
        assert!(checkpoints("straight") == checkpoints("stopped"), "{variant:?}");

        let data = load(&cfg);
        let valid = data.valid.as_ref().expect("validation rows");
        let scored = outcome.scorer.predict(valid, &Device::Cpu).expect("predictions");
        let best = outcome.best.expect("a best epoch").epoch;
        let predictor = Predictor::load(&folder.checkpoint(best), &Device::Cpu).expect("a model");
        let batch = valid.slice(0..valid.len());
        let loaded = predictor.predict(batch.numeric, batch.fields).expect("predictions");
        assert_eq!(bits(&loaded), bits(&scored), "{variant:?}");
    }
}

#[test]
fn what_cannot_be_read_with_attention_is_refused_with_its_key() {
    let dir = folder(&rows(100));
    let text = config(dir.path(), ATTENTION, &[]).to_yaml().expect("yaml");
    let cases = [
        (
            "{attention: {query: itme}}",
            "data.fields[2].pooling.attention.query: expected the name of a field",
        ),
        ("{attention: {query: makers}}", "attention.query: expected a field with one value, found the list"),
        (
            "{attention: {query: item, beside: makers}}",
            "data.fields[2].pooling.attention.beside: expected the name of a field with attention that is beside no other",
        ),
        ("{attention: {}}", "missing field `query`"),
        ("{attention: {query: item, hidden: 3}}", "hidden"),
        ("{atention: {query: item}}", "did you mean \"attention\"?"),
        ("median", "mean, sum, max, {attention: {query: FIELD}} or {self_attention: {query: FIELD}}"),
        ("{self_atention: {query: item}}", "did you mean \"self_attention\"?"),
        (
            "{self_attention: {query: item}}",
            "data.fields[2].last: expected how many values count, here or in `first`, from 1 to 4096: self_attention learns \
             each position, found none",
        ),
        ("{self_attention: {query: itme}}, last: 3", "data.fields[2].pooling.self_attention.query: expected"),
    ];
    for (pooling, expected) in cases {
        let (pooling, last) = pooling.split_once(", last: ").unwrap_or((pooling, "null"));
        let set = [format!("data.fields[2].pooling={pooling}"), format!("data.fields[2].last={last}")];
        let error = Config::parse(&text, "test.yaml", &set).expect_err("must be refused").to_string();
        assert!(error.contains(expected), "{pooling}: {error}");
    }
    // Only the rows' columns show what their widths are.
    for (set, expected) in [
        ("model.embedding.widths={maker: 3, item: 5}", None),
        ("model.attention.hidden=0", Some("model.attention.hidden")),
        ("model.self_attention.heads=0", Some("model.self_attention.heads")),
        ("model.self_attention={head: 1}", Some("did you mean \"heads\"?")),
        (
            "model.stages=[{kind: cros}]",
            Some("model.stages[0].kind: unknown value \"cros\"; did you mean \"cross\"?"),
        ),
        (
            "model.stages=[{kind: cross, rnk: 3}]",
            Some("model.stages[0].rnk: cross has no such key; did you mean \"rank\"?"),
        ),
        (
            "model.stages=[{layers: 3}]",
            Some("model.stages[0].kind: expected the kind of a stage, one of: cross, epnet, fm"),
        ),
        ("data.fields[3].table=other", None),
    ] {
        let parsed = Config::parse(&text, "test.yaml", &[set.to_owned()]);
        match expected {
            None => assert!(parsed.is_ok(), "{set}: {parsed:?}"),
            Some(expected) => {
                let error = parsed.expect_err("must be refused").to_string();
                assert!(error.contains(expected), "{error}");
            }
        }
    }
    let set = ["data.fields[3].table=other".to_owned(), "model.embedding.widths={other: 3}".to_owned()];
    let cfg = Config::parse(&text, "test.yaml", &set).expect("each key is good");
    let error = cfg.model.inputs(&load(&cfg).schema).expect_err("widths differ").to_string();
    assert!(
        error.contains("\"makers\" is pooled with attention of \"maker\"") && error.contains("3 and 4"),
        "{error}"
    );
    let refused = |pooling, set: &[&str]| {
        let cfg = config(dir.path(), pooling, set);
        cfg.model.inputs(&load(&cfg).schema).expect_err("sizes that do not fit").to_string()
    };
    let error = refused(SELF_ATTENTION, &["model.self_attention.heads=3"]);
    assert!(
        error
            .contains("model.self_attention.heads: expected a number that divides the 8 columns of \"seen\"")
            && error.contains("one of: 1, 2, 4, 8; found 3"),
        "{error}"
    );
    let alone = ["{self_attention: {query: item}}, first: 3", ATTENTION[0]];
    let error =
        refused(alone, &["data.fields[3].pooling.attention.query=maker", "model.embedding={width: 1}"]);
    assert!(error.contains("model.embedding.width: expected at least 2 columns of \"seen\""), "{error}");
    let error = refused(ATTENTION, &["model.self_attention.heads=2"]);
    assert!(
        error.contains("model.self_attention: no field of the data is pooled with self_attention"),
        "{error}"
    );
    let error = refused(SELF_ATTENTION, &["model.attention.hidden=2"]);
    assert!(error.contains("model.attention: no field of the data is pooled with attention"), "{error}");
    let mixed = Config::parse(
        &text,
        "test.yaml",
        &[
            "data.fields[2].pooling={self_attention: {query: item}}".to_owned(),
            "data.fields[2].last=3".to_owned(),
        ],
    );
    let error = mixed.expect_err("two poolings").to_string();
    assert!(
        error.contains("expected the name of a field with attention that is beside no other, found \"seen\""),
        "{error}"
    );
}
