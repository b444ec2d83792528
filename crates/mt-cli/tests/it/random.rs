//! Random configurations through training, a kill, resuming, evaluation, a bundle, predictions, the server and ONNX, whose numbers must
//! agree. `MT_RANDOM` says how many, and after `:` from which seed on; without it a few.
#![cfg(unix)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::serving::{post, serve_by};
use crate::support::Folder;

const FEW: usize = 20;
const ROWS: usize = 240;

/// Draws that depend on the seed alone.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    fn pick(&mut self, from: &[Value]) -> Value {
        from[self.below(from.len())].clone()
    }
}

/// A value for a key, if the draw says so.
fn maybe(section: &mut Map<String, Value>, draws: &mut Draws, share: f64, key: &str, from: &[Value]) {
    if draws.chance(share) {
        let value = draws.pick(from);
        section.insert(key.to_owned(), value);
    }
}

/// Rows whose labels follow from their values, with cells that are missing.
fn rows(draws: &mut Draws) -> String {
    let mut text = String::from("click,like,seconds,stars,spent,a,b,c,user,item,seen\n");
    for _ in 0..ROWS {
        let [a, b, c] = [(); 3].map(|()| draws.unit() * 4.0 - 2.0);
        let (user, item) = (draws.below(12), draws.below(25));
        let seen: Vec<String> = (0..draws.below(5)).map(|_| format!("i{}", draws.below(25))).collect();
        let want = a + 0.5 * b + (user % 3) as f64 - 1.0 + draws.unit() - 0.5;
        let click = u8::from(want > 0.0);
        let like = if draws.chance(0.1) { String::new() } else { u8::from(want * c > 0.2).to_string() };
        let seconds = (want.abs() * 30.0).round();
        let stars = (want > -0.5) as u8 + u8::from(want > 0.7);
        let spent = if want > 0.5 { (want * 3.0).exp().round() } else { 0.0 };
        let b = if draws.chance(0.08) { String::new() } else { format!("{b:.4}") };
        let seen = seen.join("|");
        writeln!(text, "{click},{like},{seconds},{stars},{spent},{a:.4},{b},{c:.4},u{user},i{item},{seen}")
            .expect("a text");
    }
    text
}

/// Fields of the data section; the list may be read with attention.
fn fields(draws: &mut Draws) -> Vec<Value> {
    let encodings = [
        json!("vocabulary"),
        json!({"hash": 64}),
        json!({"growing": {"capacity": 40}}),
        json!({"vocabulary": {"min_count": 3}}),
    ];
    let mut fields = Vec::new();
    if draws.chance(0.7) {
        fields.push(json!({"column": "user", "encode": draws.pick(&encodings)}));
    }
    if draws.chance(0.7) {
        fields.push(json!({"column": "item", "encode": draws.pick(&encodings)}));
        if draws.chance(0.7) {
            let poolings = ["mean", "sum", "max"]
                .map(Value::from)
                .into_iter()
                .chain(["attention", "self_attention"].map(|kind| json!({kind: {"query": "item"}})));
            let pooling = draws.pick(&poolings.collect::<Vec<_>>());
            let share = if pooling["self_attention"].is_null() { 0.3 } else { 1.0 };
            let mut seen = json!({"column": "seen", "table": "item", "separator": "|", "pooling": pooling});
            let end = ["last", "first"][draws.below(2)];
            maybe(seen.as_object_mut().expect("a map"), draws, share, end, &[json!(2), json!(3)]);
            fields.push(seen);
        }
    }
    if draws.chance(0.2) {
        fields.push(json!({"column": "c", "encode": {"buckets": 5}}));
    }
    fields
}

/// Tasks with their losses.
fn tasks(draws: &mut Draws) -> (Vec<Value>, Map<String, Value>) {
    let mut losses = Map::new();
    let mut tasks = vec![json!({"name": "click", "label": "click"})];
    maybe(&mut losses, draws, 0.2, "click", &[json!({"focal": {"gamma": 2}}), json!("paddlerec-log")]);
    if draws.chance(0.5) {
        let kinds = ["binary", "binary-softmax"].map(Value::from);
        tasks.push(json!({"name": "like", "label": "like", "kind": draws.pick(&kinds)}));
    }
    if draws.chance(0.4) {
        tasks.push(json!({"name": "watch", "label": "seconds", "kind": "regression"}));
        let all = ["mae", "log-mse", "weighted-logistic"].map(Value::from).into_iter();
        let all = all.chain([
            json!({"huber": {"delta": 5}}),
            json!({"quantile": {"level": 0.8}}),
            json!({"ordinal": {"thresholds": 5}}),
        ]);
        maybe(&mut losses, draws, 0.6, "watch", &all.collect::<Vec<_>>());
    }
    if draws.chance(0.3) {
        tasks.push(json!({"name": "stars", "label": "stars", "kind": "multiclass", "classes": 3}));
    }
    if draws.chance(0.25) {
        tasks.push(json!({"name": "spent", "label": "spent", "kind": "regression"}));
        losses.insert("spent".to_owned(), json!("ziln"));
    }
    if draws.chance(0.25) {
        tasks.push(json!({"name": "order", "label": "spent > 0", "prediction": "click * cvr"}));
    }
    if tasks.len() > 1 && draws.chance(0.2) {
        tasks[1]["where"] = json!("click");
    }
    (tasks, losses)
}

fn model(draws: &mut Draws, fields: &[Value]) -> Value {
    let kinds = ["shared-bottom", "single-task", "mmoe", "cgc", "ple", "aitm", "ppnet", "dbmtl"];
    let kind = kinds[draws.below(kinds.len())];
    let mut model = Map::from_iter([("kind".to_owned(), json!(kind))]);
    let layers = [json!([4]), json!([9]), json!([6, 5])];
    let gates = [json!([]), json!([4])];
    match kind {
        "mmoe" => {
            model.insert("experts".to_owned(), draws.pick(&[json!(1), json!(2), json!(3)]));
            model.insert("expert".to_owned(), draws.pick(&layers));
            maybe(&mut model, draws, 0.5, "gate", &gates);
            maybe(&mut model, draws, 0.2, "temperature", &[json!(2.0)]);
        }
        "cgc" => {
            model.insert("expert".to_owned(), draws.pick(&layers));
            maybe(&mut model, draws, 0.5, "shared_experts", &[json!(1), json!(3)]);
        }
        "ple" => {
            let level = |draws: &mut Draws| json!({"experts_per_task": 1 + draws.below(2), "expert": draws.pick(&layers)});
            model.insert("levels".to_owned(), json!([level(draws), level(draws)]));
        }
        "ppnet" => {
            model.insert("bottom".to_owned(), draws.pick(&layers));
            maybe(&mut model, draws, 0.5, "gate", &gates);
        }
        "dbmtl" => {
            model.insert("specific".to_owned(), draws.pick(&layers));
            maybe(&mut model, draws, 0.5, "experts", &[json!(1), json!(3)]);
            maybe(&mut model, draws, 0.3, "relations", &[json!({}), json!({"click": ["cvr"]})]);
        }
        _ => _ = model.insert("bottom".to_owned(), draws.pick(&layers)),
    }
    maybe(&mut model, draws, 0.7, "tower", &[json!([]), json!([5]), json!([6, 3])]);
    maybe(&mut model, draws, 0.4, "norm", &[json!("layer"), json!("batch")]);
    if !matches!(kind, "shared-bottom" | "single-task" | "aitm") {
        maybe(&mut model, draws, 0.2, "gate_fields", &[json!({"click": ["a"]})]);
    }
    maybe(&mut model, draws, 0.2, "tower_fields", &[json!({"click": ["a"]})]);
    let stages = [
        json!([{"kind": "cross"}]),
        json!([{"kind": "cross", "rank": 3, "layers": 2}]),
        json!([{"kind": "epnet", "fields": ["a"], "hidden": 3}, {"kind": "cross"}]),
        json!([{"kind": "fm", "fields": ["a", "c", "b"]}, {"kind": "epnet", "fields": ["a"], "hidden": 3}]),
    ];
    maybe(&mut model, draws, 0.25, "stages", &stages);
    if !fields.is_empty() {
        let mut width = 1 + draws.below(9);
        if fields.iter().any(|field| !field["pooling"]["self_attention"].is_null()) {
            width = width.max(2);
            let heads = [1, width, if width.is_multiple_of(2) { 2 } else { 1 }][draws.below(3)];
            let block = json!({"heads": heads, "hidden": 1 + draws.below(12)});
            model.insert("self_attention".to_owned(), block);
        }
        let mut embedding = Map::from_iter([("width".to_owned(), json!(width))]);
        maybe(&mut embedding, draws, 0.2, "storage", &[json!("bf16")]);
        model.insert("embedding".to_owned(), Value::Object(embedding));
    }
    Value::Object(model)
}

fn train(draws: &mut Draws, tasks: &[Value], model: &Value, losses: Map<String, Value>) -> Value {
    let second = tasks.iter().any(|task| task["name"] == "like");
    let mut train = Map::from_iter([("epochs".to_owned(), json!(2))]);
    train.insert("task_losses".to_owned(), Value::Object(losses));
    train.insert("batch_size".to_owned(), draws.pick(&[json!(16), json!(32), json!(64)]));
    let optimizers = ["adam", "adamw", "sgd", "adagrad"].map(|kind| json!({"kind": kind, "lr": 0.01}));
    maybe(&mut train, draws, 0.6, "optimizer", &optimizers);
    let tables = ["adam", "row-adagrad", "sgd", "ftrl"].map(|kind| json!({"kind": kind}));
    maybe(&mut train, draws, 0.5, "table_optimizer", &tables);
    let (mut methods, kind) = (vec!["random"], model["kind"].as_str().unwrap_or_default());
    if !train["task_losses"].to_string().contains("ziln") {
        methods.extend(["uncertainty", "dwa", "geometric", "famo"]);
        methods.extend((!matches!(kind, "single-task" | "ppnet")).then_some("gradnorm"));
    }
    if !matches!(kind, "single-task" | "ppnet") {
        methods.extend(["pcgrad", "mgda", "cagrad", "imtl", "aligned", "nash"]);
    }
    let mut balances: Vec<Value> = methods.into_iter().map(|kind| json!({"kind": kind})).collect();
    balances.push(json!({"kind": "schedule", "gamma": {"click": 0.9}}));
    maybe(&mut train, draws, 0.5, "balance", &balances);
    if !train.contains_key("balance") {
        maybe(&mut train, draws, 0.3, "shards", &[json!(2), json!(4)]);
    }
    if !train.contains_key("shards") && second {
        let positive = ["uncertainty", "dwa", "geometric", "famo", "gradnorm"].map(Value::from);
        let own = train["task_losses"].get("like").is_some()
            || tasks.iter().any(|task| task["name"] == "like" && task["kind"] != "binary");
        let mut all = vec![json!({"like": "click"})];
        if !own && !positive.contains(&train.get("balance").unwrap_or(&Value::Null)["kind"]) {
            all.push(json!({"like": {"of": "click", "imputed": "like_error"}}));
        }
        maybe(&mut train, draws, 0.3, "propensities", &all);
    }
    let plain =
        tasks.iter().take(2).all(|task| task["kind"] != "binary-softmax" && task["prediction"].is_null());
    if second && plain && !train.contains_key("shards") && !train.contains_key("balance") {
        maybe(&mut train, draws, 0.4, "joint_losses", &[json!([{"order": {"tasks": ["click", "like"]}}])]);
    }
    maybe(&mut train, draws, 0.2, "dropout", &[json!(0.1), json!(0.5)]);
    maybe(&mut train, draws, 0.2, "label_smoothing", &[json!(0.1)]);
    if matches!(kind, "mmoe" | "cgc" | "ple") && !train.contains_key("balance") {
        maybe(&mut train, draws, 0.3, "load_balance", &[json!(0.05)]);
    }
    maybe(&mut train, draws, 0.2, "average", &[json!(0.9)]);
    maybe(&mut train, draws, 0.3, "clip_norm", &[json!(0.5)]);
    let schedules = ["cosine", "step", "one-cycle", "plateau"].map(|kind| json!({"kind": kind}));
    maybe(&mut train, draws, 0.3, "schedule", &schedules);
    maybe(&mut train, draws, 0.2, "standardize", &[json!(false)]);
    maybe(&mut train, draws, 0.2, "rates", &[json!({"towers.*": 0.5})]);
    Value::Object(train)
}

/// A folder with rows and a configuration.
fn folder(seed: u64) -> Folder {
    let (folder, mut draws) = (Folder::new(), Draws(seed));
    folder.write("rows.csv", rows(&mut draws));
    let fields = fields(&mut draws);
    let (tasks, losses) = tasks(&mut draws);
    // Labels are no inputs, and texts are none but as fields.
    let texts = ["user", "item", "seen"]
        .into_iter()
        .filter(|name| !fields.iter().any(|field| field["column"] == *name));
    let exclude: Vec<&str> =
        ["click", "like", "seconds", "stars", "spent"].into_iter().chain(texts).collect();
    let data = json!({
        "csv": {"train": "rows.csv", "exclude": exclude},
        "fields": fields, "numeric_missing": "mean", "valid_fraction": 0.25,
    });
    let model = model(&mut draws, &fields);
    let train = train(&mut draws, &tasks, &model, losses);
    let cfg = json!({"version": 1, "data": data, "tasks": tasks, "model": model, "train": train});
    folder.write("c.yaml", serde_json::to_string_pretty(&cfg).expect("JSON"));
    folder
}

/// What ONNX Runtime says of the rows of each folder, beside `scores.csv`.
const CHECK: &str = include_str!("random.py");

/// A row of the file as a request has it: the columns that are not excluded.
fn request(header: &[&str], line: &str, excluded: &[Value]) -> Value {
    let numbers = ["a", "b", "c"];
    let cell = |(name, cell): (&&str, &str)| {
        let value = match *name {
            "seen" => json!(cell.split('|').filter(|value| !value.is_empty()).collect::<Vec<_>>()),
            _ if cell.is_empty() => Value::Null,
            name if numbers.contains(&name) => json!(cell.parse::<f64>().expect("a number")),
            _ => json!(cell),
        };
        ((*name).to_owned(), value)
    };
    let cells = header.iter().zip(line.split(',')).filter(|(name, _)| !excluded.contains(&json!(name)));
    cells.map(cell).collect::<Map<_, _>>().into()
}

/// Kills a run after its step `at`.
fn kill(folder: &Folder, at: u64) {
    let args = ["train", "c.yaml", "--run-dir", "killed", "--json", "--threads", "2"];
    let often = ["--set", "train.log_every=1", "--set", "train.checkpoint.steps=1"];
    let mut command =
        folder.command_of(&PathBuf::from(env!("CARGO_BIN_EXE_mt")), &[&args[..], &often].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let step = format!("\"step\":{at},");
    _ = lines.by_ref().any(|line| line.contains("\"event\":\"progress\"") && line.contains(&step));
    child.kill().and_then(|()| child.wait()).expect("it ends");
}

/// Runs a configuration through everything; whether it has an ONNX file to be looked at, or why it was refused.
fn through(folder: &Folder, seed: u64) -> Result<bool, String> {
    let cfg: Value = serde_json::from_str(&folder.read("c.yaml")).expect("JSON");
    let what = format!("seed {seed}, {cfg}");
    let straight = folder.mt(&["train", "c.yaml", "--run-dir", "straight"]);
    if straight.code == Some(2) {
        return Err(straight.err);
    }
    straight.done();
    kill(folder, 1 + seed % 6);
    folder.mt(&["train", "--resume", "killed", "--threads", "3"]).done();
    let last = "checkpoints/epoch-002";
    for file in folder.files(&format!("straight/{last}")).iter().filter(|file| file.ends_with(".safetensors"))
    {
        let bytes = |run: &str| folder.bytes(&format!("{run}/{last}/{file}"));
        assert!(bytes("straight") == bytes("killed"), "{what}: {file} of a run that was killed");
    }
    folder.mt(&["eval", "--run", "straight", "--json"]).done();
    folder.mt(&["export", "--run", "straight", "--out", "bundle"]).done();
    let predict = |what: [&str; 2], output: &str| {
        let more = ["--input", "rows.csv", "--output", output];
        folder.mt(&[&["predict"], &what[..], &more].concat()).done();
        folder.read(output)
    };
    let scores = predict(["--bundle", "bundle"], "scores.csv");
    assert!(scores == predict(["--run", "straight"], "run.csv"), "{what}: the bundle predicts otherwise");
    let nothing = |cell: &str| cell.is_empty() || cell == "NaN" || cell == "inf";
    assert!(!scores.lines().flat_map(|line| line.split(',')).any(nothing), "{what}: {scores}");

    let program = PathBuf::from(env!("CARGO_BIN_EXE_mt"));
    let (mut child, address) = serve_by(folder, &program, &["--bundle", "m=bundle"], Stdio::null());
    let mut stream = BufReader::new(TcpStream::connect(address).expect("a connection"));
    let rows = folder.read("rows.csv");
    let (header, lines) = rows.split_once('\n').expect("a header");
    let header: Vec<&str> = header.split(',').collect();
    let excluded = cfg["data"]["csv"]["exclude"].as_array().expect("a list");
    let few: Vec<Value> = lines.lines().take(5).map(|line| request(&header, line, excluded)).collect();
    let (_, answer) = post(&mut stream, &json!({"rows": few}).to_string());
    child.kill().and_then(|()| child.wait()).expect("it ends");
    let names: Vec<&str> = scores.lines().next().expect("a header").split(',').collect();
    for (row, line) in scores.lines().skip(1).take(5).enumerate() {
        for (name, cell) in names.iter().zip(line.split(',')) {
            let served = match name.split_once('.') {
                Some((task, class)) => {
                    &answer["predictions"][row][task][class.parse::<usize>().expect("a class")]
                }
                None => &answer["predictions"][row][*name],
            };
            let served = served.as_f64().map(|value| value as f32);
            assert_eq!(served, cell.parse().ok(), "{what}: {name} of row {row} by HTTP: {answer}");
        }
    }

    let onnx = folder.mt(&["export", "--run", "straight", "--format", "onnx", "--out", "onnx"]);
    let text = folder.read("c.yaml");
    let unknown_here = text.contains("\"hash\"") || text.contains("\"growing\"");
    if onnx.code != Some(0) {
        assert!(text.contains("\"growing\""), "{what}: {}", onnx.err);
        return Ok(false);
    }
    Ok(!unknown_here)
}

#[test]
fn random_configurations_agree_with_themselves_everywhere() {
    let asked = std::env::var("MT_RANDOM").unwrap_or_default();
    let (count, first) = asked.split_once(':').unwrap_or((&asked, "1"));
    let count: usize = count.parse().unwrap_or(FEW);
    let first: u64 = first.parse().expect("a seed");
    let (mut folders, mut refused) = (Vec::new(), Vec::new());
    for seed in first..first + count as u64 {
        let folder = folder(seed);
        match through(&folder, seed) {
            Ok(true) => folders.push(folder),
            Ok(false) => {}
            Err(why) => refused.push(format!("seed {seed}: {why}, {}", folder.read("c.yaml"))),
        }
    }
    #[expect(clippy::print_stdout, reason = "who asks for many wants to know how many there were")]
    {
        println!("{count} configurations, {} refused, {} run by ONNX Runtime", refused.len(), folders.len());
    }
    assert!(10 * refused.len() <= count, "{refused:#?}");
    let Some(python) = std::env::var_os("MT_ONNX_PYTHON") else { return };
    let paths = folders.iter().map(|folder| folder.path(""));
    let said = Command::new(python).arg("-c").arg(CHECK).args(paths).output().expect("Python starts");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}
