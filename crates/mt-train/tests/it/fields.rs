//! Models with embedding tables, from a file to predictions and back from a checkpoint.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use mt_bundle::{Checksums, Predictor};
use mt_data::{Dataset, Labels, Paths, TableReader};
use mt_features::permutation;
use mt_train::{Config, Evaluation, Event, Outcome, RunDir, train};
use tempfile::TempDir;

use crate::training::files;

/// What the identifiers of users begin at: from here on a float64 no longer tells neighbours apart.
pub const FIRST_USER: u64 = (1 << 53) + 1;

/// The header of [`rows`].
pub const HEADER: &str = "user,tags,play,click,buy,seconds,class\n";

/// Records in which all labels follow the user, with chance in `click` only; `buy` is known after a click only.
pub fn records(count: usize) -> Vec<String> {
    let draws = |salt| permutation(count as u32, 7, salt);
    let (users, tags, plays, noise) = (draws(1), draws(2), draws(3), draws(4));
    let record = |i: usize| {
        let user = users[i] % 40;
        let tags = match tags[i] % 3 {
            0 => String::new(),
            1 => format!("t{}", tags[i] % 5),
            _ => format!("t{}|t{}", tags[i] % 5, tags[i] % 7),
        };
        let (play, click) = (f64::from(plays[i] % 100) / 100.0, (user % 2 == 0) != (noise[i] % 10 == 0));
        let buy = if click { u32::from(user % 4 == 0).to_string() } else { String::new() };
        let (user_id, click, seconds) = (FIRST_USER + u64::from(user), u8::from(click), 1 + user % 5 * 7);
        format!("{user_id},{tags},{play},{click},{buy},{seconds},{}\n", user % 3)
    };
    (0..count).map(record).collect()
}

pub fn rows(count: usize) -> String {
    HEADER.to_owned() + &records(count).concat()
}

/// A folder with this content as `rows.csv`, the file that [`config`] reads.
pub fn folder(content: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("rows.csv"), content).expect("a file");
    dir
}

pub fn config(dir: &Path, overrides: &[&str]) -> Config {
    let rows = dir.join("rows.csv");
    let text = format!(
        "version: 1\nname: fields\ndata:\n  csv: {{train: '{}', features: [play]}}\n  valid_fraction: 0.2\n  \
         fields:\n  - {{column: user}}\n  - {{column: tags, separator: '|'}}\ntasks:\n- {{name: click, label: \
         click}}\n- {{name: buy, label: buy}}\nmodel: {{kind: mmoe, experts: 2, expert: [8], embedding: {{width: \
         4}}}}\ntrain: {{epochs: 2, batch_size: 64, optimizer: {{lr: 0.01}}}}\n",
        rows.display()
    );
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    Config::parse(&text, "test.yaml", &overrides).expect("valid")
}

pub fn load(cfg: &Config) -> Dataset {
    mt_train::load(cfg, None, &|_| ()).expect("data")
}

/// Makes the files of a checkpoint that was tampered with those that were written.
pub fn seal(checkpoint: &Path) {
    let names: Vec<String> =
        Checksums::read(checkpoint).expect("checksums").names().map(str::to_owned).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Checksums::write(checkpoint, &names).expect("written");
}

/// Trains into a new folder, or goes on with the run that is there.
pub fn run_in(
    cfg: &Config,
    data: &Dataset,
    dir: &Path,
    observe: &mut dyn FnMut(&Event),
) -> (RunDir, Outcome) {
    let run = match dir.exists() {
        true => RunDir::open(dir).expect("a run").0,
        false => RunDir::create(dir, cfg).expect("a folder"),
    };
    let outcome = train(cfg, data, &Device::Cpu, &run, &AtomicBool::new(false), observe).expect("trains");
    (run, outcome)
}

pub fn assert_same_files(a: &Path, b: &Path, what: &str) {
    let (a, b) = (files(a), files(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{what}");
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{what}: {name}");
    }
}

/// That a run in `dir` which stopped after its first epoch, on three threads, goes on to the bytes of one that did not stop.
pub fn assert_goes_on(cfg: &Config, data: &Dataset, dir: &Path, what: &str) {
    let at = |name: &str| dir.join(format!("{what}-{name}"));
    run_in(cfg, data, &at("straight"), &mut |_| ());
    let mut shorter = cfg.clone();
    shorter.train.epochs = 1;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a pool");
    pool.install(|| run_in(&shorter, data, &at("stopped"), &mut |_| ()));
    run_in(cfg, data, &at("stopped"), &mut |_| ());
    assert_same_files(&at("straight/checkpoints"), &at("stopped/checkpoints"), what);
}

/// What the best checkpoint predicts for the validation rows: the same, to the bit, as the model that training left.
pub fn predictions_of_the_best(run: &RunDir, outcome: &Outcome, data: &Dataset) -> Vec<f32> {
    let best = outcome.best.expect("a best epoch").epoch;
    let predictor = Predictor::load(&run.checkpoint(best), &Device::Cpu).expect("a model");
    let valid = data.valid.as_ref().expect("validation rows");
    let scored = outcome.scorer.predict(valid, &Device::Cpu).expect("predictions");
    let batch = valid.slice(0..valid.len());
    let loaded = predictor.predict(batch.numeric, batch.fields).expect("predictions");
    assert_eq!(bits(&loaded), bits(&scored));
    loaded
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn what_users_like_is_learnt_and_a_loaded_checkpoint_predicts_it_to_the_bit() {
    let dir = folder(&rows(2000));
    for kind in ["shared-bottom, bottom: [16]", "mmoe, experts: 3", "ple, expert: [8]"] {
        let model = format!("model={{kind: {kind}}}");
        let cfg = config(dir.path(), &[&model, "train.epochs=4"]);
        let data = load(&cfg);
        let (run, outcome) = run_in(&cfg, &data, &dir.path().join(&kind[..3]), &mut |_| ());
        let loaded = predictions_of_the_best(&run, &outcome, &data);
        let evaluation =
            Evaluation::new(&loaded, data.valid.as_ref().expect("validation rows"), &data.schema.tasks);
        let auc = |task: &str| evaluation.task(task).and_then(|task| task.metrics.ranking()).expect("an AUC");
        // A tenth of the clicks is chance, of the purchases nothing.
        assert!(auc("click") > 0.82 && auc("buy") > 0.97, "{kind}: {} {}", auc("click"), auc("buy"));
    }
}

#[test]
fn checkpoints_with_tables_do_not_depend_on_the_number_of_threads() {
    let dir = folder(&rows(3000));
    let overrides = ["train.batch_size=512", "model.embedding.width=16", "train.dropout=0.1"];
    let cfg = config(dir.path(), &overrides);
    let path = |threads: usize| dir.path().join(threads.to_string());
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| run_in(&cfg, &load(&cfg), &path(threads), &mut |_| ()));
    }
    let names: Vec<String> = files(&path(1).join("checkpoints/epoch-002")).into_keys().collect();
    assert_eq!(names.len(), 7);
    assert!(names.contains(&"tables.safetensors".to_owned()), "{names:?}");
    for threads in [2, 5] {
        let checkpoints = |threads| path(threads).join("checkpoints");
        assert_same_files(&checkpoints(1), &checkpoints(threads), &format!("{threads} threads"));
    }
}

#[test]
fn two_epochs_and_two_more_leave_the_bytes_of_four_with_every_table_optimizer() {
    let dir = folder(&rows(600));
    for kind in ["adam", "row-adagrad", "sgd", "ftrl"] {
        let optimizer = format!("train.table_optimizer={{kind: {kind}}}");
        let overrides = [&optimizer, "train.dropout=0.2", "train.epochs=4", "model={kind: ple, expert: [8]}"];
        let mut cfg = config(dir.path(), &overrides);
        let data = load(&cfg);
        let path = |name: &str| dir.path().join(format!("{kind}-{name}"));
        run_in(&cfg, &data, &path("straight"), &mut |_| ());
        cfg.train.epochs = 2;
        run_in(&cfg, &data, &path("parts"), &mut |_| ());
        cfg.train.epochs = 4;
        let (_, outcome) = run_in(&cfg, &load(&cfg), &path("parts"), &mut |_| ());
        assert_eq!(outcome.epochs, 4);
        assert_same_files(&path("straight/checkpoints"), &path("parts/checkpoints"), kind);
    }
}

#[test]
fn identifiers_that_differ_in_their_last_digit_only_are_told_apart_to_the_prediction() {
    // Beyond what float32, float64 and signed 64-bit integers hold, and beyond 64 bits.
    let ids = ["16777216", "9007199254740992", "18446744073709551614", "36893488147419103230"];
    let next = ["16777217", "9007199254740993", "18446744073709551615", "36893488147419103231"];
    let mut text = "item,click\n".to_owned();
    for _ in 0..25 {
        for (zero, one) in ids.iter().zip(next) {
            text += &format!("{zero},0\n{one},1\n");
        }
    }
    for encode in ["vocabulary", "{hash: 100000}", "{growing: {capacity: 100}}"] {
        let dir = folder(&text);
        let fields = format!("data.fields=[{{column: item, encode: {encode}}}]");
        let more = ["data.csv.features=none", "data.valid_fraction=0", "train.epochs=20"];
        let tasks = "tasks=[{name: click, label: click}]";
        let cfg = config(dir.path(), &[&[fields.as_str(), tasks], &more[..]].concat());
        let (run, _) = run_in(&cfg, &load(&cfg), &dir.path().join("run"), &mut |_| ());
        let predictor = Predictor::load(&run.checkpoint(20), &Device::Cpu).expect("a model");
        std::fs::write(
            dir.path().join("new.csv"),
            format!("item\n{}\n{}\n", ids.join("\n"), next.join("\n")),
        )
        .expect("a file");
        let paths = Paths(vec![dir.path().join("new.csv").display().to_string()]);
        let s = predictor.signature();
        let reader = TableReader::open_encoded(
            &paths,
            &cfg.data,
            &s.schema,
            &cfg.tasks,
            &s.normalizer,
            &s.encoders,
            Labels::Optional,
        );
        let table = reader.expect("a file").next().expect("a block").expect("rows").into_batch();
        let p = predictor.predict(table.numeric, table.fields).expect("predictions");
        let (zeros, ones) = p.split_at(4);
        assert!(zeros.iter().all(|p| *p < 0.2) && ones.iter().all(|p| *p > 0.8), "{encode}: {p:?}");
    }
}

#[test]
fn dropout_is_decided_by_the_seed() {
    let dir = folder(&rows(500));
    let weights = |name: &str, dropout: &str, seed: u64| {
        let set = [format!("train.dropout={dropout}"), format!("train.seed={seed}")];
        let cfg = config(dir.path(), &[&set[0], &set[1]]);
        run_in(&cfg, &load(&cfg), &dir.path().join(name), &mut |_| ());
        let mut files = files(&dir.path().join(name).join("checkpoints"));
        files.retain(|name, _| name.ends_with("safetensors"));
        files
    };
    let dropped = weights("a", "0.3", 1);
    assert!(dropped == weights("b", "0.3", 1));
    for (name, dropout, seed) in [("c", "0", 1), ("d", "0.2", 1), ("e", "0.3", 2)] {
        assert!(dropped != weights(name, dropout, seed), "dropout {dropout}, seed {seed}");
    }
}
