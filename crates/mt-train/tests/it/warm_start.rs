//! Starting from the weights of another model.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use mt_data::Dataset;
use mt_features::permutation;
use mt_train::{Config, Error, Event, RunDir, WarmStarted, train};

/// Users `from..from + 40`, two labels, and a third that some models predict too.
fn rows(from: u32) -> String {
    let draws = permutation(400, 1, u64::from(from));
    let row = |(i, n): (usize, u32)| {
        let (user, x) = (from + n % 40, i % 7);
        format!("u{user},{x},{},{},{}\n", u8::from(user % 3 == 0), u8::from(x > 3), u8::from(n % 5 == 0))
    };
    "user,x,click,like,share\n".to_owned() + &(0..).zip(draws).map(row).collect::<String>()
}

fn config(dir: &Path, tasks: &[&str], from: u32, train: &str) -> Config {
    let path = dir.join(format!("rows-{from}.csv"));
    std::fs::write(&path, rows(from)).expect("written");
    let tasks: String = tasks.iter().map(|task| format!("- {{name: {task}, label: {task}}}\n")).collect();
    let text = format!(
        "version: 1\nname: test\ndata:\n  csv: {{train: {}, features: [x]}}\n  fields: [{{column: user}}]\ntasks:\n{tasks}\
         model: {{kind: mmoe, experts: 2, expert: [4], tower: [4]}}\ntrain:\n  epochs: 1\n  batch_size: 32\n{train}",
        path.display()
    );
    Config::parse(&text, "test.yaml", &[]).expect("valid")
}

/// Trains, and gives what the warm start took.
fn run(dir: &Path, name: &str, cfg: &Config) -> Result<Option<WarmStarted>, Error> {
    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ())?;
    let taken = RefCell::new(None);
    let run = RunDir::create(&dir.join(name), cfg)?;
    train(cfg, &data, &Device::Cpu, &run, &AtomicBool::new(false), &mut |event| {
        if let Event::WarmStarted(report) = event {
            *taken.borrow_mut() = Some(report.clone());
        }
    })?;
    Ok(taken.into_inner())
}

#[test]
fn a_third_task_is_added_to_a_model_in_use() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "two", &config(dir, &["click", "like"], 0, "")).expect("trains");
    let from = format!("  warm_start: {{from: '{}'", dir.join("two").display());

    // Half of the users are new.
    let three = ["click", "like", "share"];
    let taken = run(dir, "three", &config(dir, &three, 20, &format!("{from}}}\n"))).expect("trains");
    let taken = taken.expect("a report");
    let share =
        ["gates.share.0.bias", "gates.share.0.weight", "towers.share.0.bias", "towers.share.0.weight"];
    let share = [&share[..], &["towers.share.1.bias", "towers.share.1.weight"]].concat();
    assert_eq!(taken.missing, share);
    assert_eq!((taken.mismatched.len(), taken.unexpected.len()), (0, 0), "{taken:?}");
    let users = taken.rows["user"];
    assert!(users.known >= 20 && users.known <= 22, "20 users, and the two first rows if trained: {users:?}");
    assert_eq!(users.known + users.fresh, 42);

    let only_tables = config(dir, &three, 20, &format!("{from}, take: ['tables.*']}}\n"));
    let taken = run(dir, "tables", &only_tables).expect("trains").expect("a report");
    assert_eq!((taken.loaded.as_slice(), taken.missing.len()), (["tables.user".to_owned()].as_slice(), 0));
    assert!(taken.unexpected.contains(&"experts.0.weight".to_owned()), "{taken:?}");

    let renamed = format!(
        "{from}, rename: {{towers.share.: towers.like., gates.share.: gates.like.}}, strict: true}}\n"
    );
    let taken = run(dir, "renamed", &config(dir, &three, 20, &renamed)).expect("trains").expect("a report");
    assert_eq!((taken.missing.len(), taken.loaded.len()), (0, 2 + 3 * 6 + 1));

    let strict = config(dir, &three, 20, &format!("{from}, strict: true}}\n"));
    let error = run(dir, "strict", &strict).expect_err("must be refused");
    assert!(
        error.to_string().ends_with("strict: cannot take gates.share.0.bias") && error.is_usage(),
        "{error}"
    );
}

#[test]
fn with_the_optimizer_a_warm_start_is_a_longer_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let weights = |run: &str, epoch| {
        let at = format!("{run}/checkpoints/epoch-00{epoch}");
        ["weights.safetensors", "tables.safetensors"]
            .map(|file| std::fs::read(dir.join(&at).join(file)).expect("there"))
    };
    let tasks = ["click", "like"];
    let mut long = config(dir, &tasks, 0, "  shuffle: false\n");
    long.train.epochs = 2;
    run(dir, "long", &long).expect("trains");
    let start = |name: &str, optimizer: bool| {
        let from = dir.join("long/checkpoints/epoch-001");
        let start = format!("  warm_start: {{from: '{}', optimizer: {optimizer}}}\n", from.display());
        run(dir, name, &config(dir, &tasks, 0, &format!("  shuffle: false\n{start}"))).expect("trains");
    };
    start("kept", true);
    assert!(weights("kept", 1) == weights("long", 2));
    start("reset", false);
    assert!(weights("reset", 1) != weights("long", 2));
}

#[test]
fn what_cannot_be_taken_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let tasks = ["click", "like"];
    let mut wide = config(dir, &tasks, 0, "");
    wide.model.embedding = serde_yaml::from_str("{width: 4}").expect("valid");
    wide.model = wide.model.with("experts", 3);
    run(dir, "wide", &wide).expect("trains");
    let start =
        |from: &Path| config(dir, &tasks, 0, &format!("  warm_start: {{from: '{}'}}\n", from.display()));
    let taken = run(dir, "narrow", &start(&dir.join("wide"))).expect("trains").expect("a report");
    let user = "tables.user: another width or encoding there";
    assert!(taken.mismatched.iter().any(|name| name == user), "{taken:?}");
    let expert = "experts.0.bias: [3, 4] there, [2, 4] here";
    assert!(taken.mismatched.iter().any(|name| name == expert), "{taken:?}");

    let error = run(dir, "nothing", &start(&dir.join("nowhere"))).expect_err("must be refused");
    assert!(error.to_string().ends_with("nowhere: holds no run (no config.yaml)"), "{error}");
}
