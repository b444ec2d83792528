//! The example with a network, a stage and a loss of its own (docs/examples/own-model), built of the packages alone: it is trained,
//! killed and resumed, balanced, exported, served, and run by ONNX Runtime.

use crate::command::{self, output};
use crate::packages::EXAMPLES;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where it works.
const FOLDER: &str = "target/own-model";

/// What ONNX Runtime says of the rows, beside what `mt` does.
const CHECK: &str = r#"
import csv, sys
import numpy as np, onnxruntime

rows, scores = ([*csv.DictReader(open(path))] for path in sys.argv[2:4])
columns = [name for name in rows[0] if name not in ("completion", "like")]
numeric = np.array([[float(row[name]) for name in columns] for row in rows], dtype=np.float32)
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
worst = 0.0
for name, found in zip(names, session.run(names, {"numeric": numeric})):
    expected = np.array([float(row[name]) for row in scores])
    worst = max(worst, float(np.max(np.abs(found - expected))))
assert names == ["completion", "like"] and len(scores) > 0 and worst <= 1e-5, (names, worst)
print(f"ONNX Runtime: {len(scores)} rows, largest difference {worst:.1e}")
"#;

/// Runs the whole story of `program`; `python` has ONNX Runtime.
pub fn check(program: &str, python: &Path) -> Result<()> {
    let folder = Path::new(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::copy(format!("{EXAMPLES}/own-model/own.yaml"), folder.join("own.yaml"))?;
    let program = fs::canonicalize(program)?;
    let own = Own { program };
    own.mt("train own.yaml --run-dir straight")?;
    own.killed()?;
    own.mt("train --resume killed")?;
    for file in ["weights.safetensors", "optimizer.safetensors"] {
        let bytes = |run: &str| fs::read(folder.join(run).join("checkpoints/epoch-004").join(file));
        ensure!(bytes("straight")? == bytes("killed")?, "a run that was killed has another {file}");
    }
    own.mt("train own.yaml --run-dir balanced --set train.balance.kind=pcgrad --set train.epochs=1")?;
    own.learned()?;
    own.mt("data synth --rows 50 --seed 9 --out rows.csv")?;
    own.mt("export --run straight --out bundle")?;
    own.mt("predict --bundle bundle --input rows.csv --output scores.csv")?;
    own.served()?;
    own.mt("export --run straight --format onnx --out onnx")?;
    let files = ["onnx/model.onnx", "rows.csv", "scores.csv"].map(|file| folder.join(file));
    command::run(Command::new(python).arg("-c").arg(CHECK).args(files))
}

/// The program, in its folder.
struct Own {
    program: PathBuf,
}

impl Own {
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(line.split_whitespace()).current_dir(FOLDER);
        command
    }

    fn mt(&self, line: &str) -> Result<String> {
        println!("$ own-model {line}");
        output(&mut self.command(line))
    }

    /// Kills a run in its second epoch.
    fn killed(&self) -> Result<()> {
        let line =
            "train own.yaml --run-dir killed --json --set train.log_every=1 --set train.checkpoint.steps=1";
        println!("$ own-model {line}");
        let mut child = self.command(line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let far =
            |line: std::io::Result<String>| line.is_ok_and(|line| line.contains("\"epoch\":2,\"step\":70"));
        let reached = { lines }.any(far);
        end(&mut child)?;
        ensure!(reached, "it ended before it was killed");
        Ok(())
    }

    fn learned(&self) -> Result<()> {
        let said: Value = serde_json::from_str(&self.mt("eval --run straight --json")?)?;
        for task in ["completion", "like"] {
            let auc = said["tasks"][task]["auc"].as_f64();
            ensure!(auc.is_some_and(|auc| auc > 0.65), "the AUC of {task} is {auc:?}");
        }
        Ok(())
    }

    /// A row through the server is the row of the file.
    fn served(&self) -> Result<()> {
        let line = "serve --listen 127.0.0.1:0 --bundle own=bundle";
        println!("$ own-model {line}");
        let mut child = self.command(line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let answer = ask(&mut child);
        end(&mut child)?;
        let (answer, scores) = (answer?, table("scores.csv")?);
        for task in ["completion", "like"] {
            let served = answer["predictions"][0][task].as_f64().map(|value| value as f32);
            let at = scores[0].iter().position(|name| name == task).context("no such column")?;
            let expected: f32 = scores[1][at].parse()?;
            ensure!(served == Some(expected), "{task} is {served:?} from the server, {expected} in the file");
        }
        Ok(())
    }
}

/// Header and rows of a file.
fn table(file: &str) -> Result<Vec<Vec<String>>> {
    let text = fs::read_to_string(Path::new(FOLDER).join(file))?;
    Ok(text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

/// What the server that `child` is says of the first row.
fn ask(child: &mut Child) -> Result<Value> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    let address = line.trim().strip_prefix("http://").with_context(|| format!("no address in {line:?}"))?;
    let rows = table("rows.csv")?;
    let cells =
        rows[0].iter().zip(&rows[1]).filter(|(name, _)| !["completion", "like"].contains(&name.as_str()));
    let cells: Vec<String> = cells.map(|(name, value)| format!("{name:?}: {value}")).collect();
    let body = format!("{{\"rows\": [{{{}}}]}}", cells.join(","));
    let mut stream = TcpStream::connect(address)?;
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(serde_json::from_str(body)?),
        _ => bail!("the server answers {answer:?}"),
    }
}

fn end(child: &mut Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}
