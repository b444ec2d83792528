//! Files in an S3 store, through the program: what local files with the same content give, byte for byte. The store is a server of
//! Python's `moto`, started for the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::parquet_writer::{Form, convert};
use crate::support::{Folder, Said, TINY, rows};

/// Serves the files of a folder as the bucket `log`, prints its port, and ends when its input does.
const SERVER: &str = r#"
import os, sys, boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
host, port = server.get_host_and_port()
keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys)
client.create_bucket(Bucket="log")
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        path = os.path.join(folder, name)
        client.upload_file(path, "log", os.path.relpath(path, sys.argv[1]))
print("port", port, flush=True)
sys.stdin.read()
"#;

/// A running server.
struct Server {
    child: Child,
    port: String,
}

impl Server {
    fn start(python: &Path, folder: &Path) -> Self {
        let mut command = Command::new(python);
        command
            .args(["-c", SERVER])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("Python starts");
        // Among other lines, which the server writes about itself.
        let mut lines =
            BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.strip_prefix("port ").map(str::to_owned));
        Server { child, port: port.expect("moto starts") }
    }

    /// The program with access to the store.
    fn mt(&self, folder: &Folder, args: &[&str]) -> Said {
        let mut command = folder.command(args);
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1");
        Said::of(command.output().expect("the program starts"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter with moto, or `None` after saying that the test skips.
fn python(test: &str) -> Option<PathBuf> {
    let python = std::env::var_os("MT_S3_PYTHON").map(PathBuf::from);
    #[expect(clippy::print_stdout, reason = "a test that skips must say so")]
    if python.is_none() {
        println!("{test}: skipped, as MT_S3_PYTHON names no Python with moto[server]");
    }
    python
}

#[test]
fn files_of_an_s3_store_give_the_checkpoints_and_predictions_of_local_ones() {
    let Some(python) = python("files_of_an_s3_store") else { return };
    let (folder, bucket) = (Folder::new(), Folder::new());
    let text = rows(2000, 1);
    let (header, lines) = text.split_once('\n').expect("a header");
    let half = lines[..lines.len() / 2].rfind('\n').expect("a line") + 1;
    for folder in [&folder, &bucket] {
        std::fs::create_dir(folder.path("day")).expect("a folder");
        folder.write("day/a.csv", format!("{header}\n{}", &lines[..half]));
        folder.write("day/b.csv", format!("{header}\n{}", &lines[half..]));
        convert(text.as_bytes(), folder.path("rows.parquet"), Form { group: 700, ..Form::default() });
    }
    let server = Server::start(&python, &bucket.path("."));
    let local = TINY.replace("csv: {train: rows.csv}", "csv: {train: day}");
    folder.write("local.yaml", format!("name: same\n{local}"));
    let configs = [
        ("folder", "csv", "s3://log/day"),
        ("pattern", "csv", "s3://log/day/*.csv"),
        ("parquet", "parquet", "s3://log/rows.parquet"),
    ];
    folder.mt(&["train", "local.yaml", "--run-dir", "local"]).done();
    let expected = folder.mt(&["predict", "--run", "local", "--input", "day/a.csv"]).done();
    for (name, kind, url) in configs {
        let files = TINY.replace("csv: {train: rows.csv}", &format!("{kind}: {{train: '{url}'}}"));
        folder.write(&format!("{name}.yaml"), format!("name: same\n{files}"));
        server.mt(&folder, &["train", &format!("{name}.yaml"), "--run-dir", name]).done();
        let files = folder.files("local/checkpoints");
        assert_eq!(files, folder.files(&format!("{name}/checkpoints")));
        for file in files {
            let [one, other] = ["local", name].map(|run| folder.bytes(&format!("{run}/checkpoints/{file}")));
            assert!(one == other, "{name}: {file} differs");
        }
        let predicted =
            server.mt(&folder, &["predict", "--run", name, "--input", "s3://log/day/a.csv"]).done();
        assert_eq!(predicted, expected);
    }
    // What goes on finds the same rows there.
    let resumed =
        server.mt(&folder, &["train", "--resume", "parquet", "--extend", "--set", "train.epochs=3"]);
    resumed.done();
    server
        .mt(&folder, &["predict", "--run", "parquet", "--input", "s3://log/day/", "--output", "scored/"])
        .done();
    assert_eq!(folder.files("scored"), ["_progress.jsonl", "a.csv", "b.csv"]);
    server.mt(&folder, &["data", "stats", "s3://log/rows.parquet"]).done();
    let said = server.mt(&folder, &["data", "stats", "s3://log/none.csv"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.starts_with("error: s3://log/none.csv: cannot be read"), "{}", said.err);
}
