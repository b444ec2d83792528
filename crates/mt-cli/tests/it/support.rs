//! A folder to work in, and the program run inside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mt_features::permutation;
use tempfile::TempDir;

/// A working folder, gone when dropped. All paths are relative to it, so messages can be compared whole.
pub struct Folder(TempDir);

/// What a call of the program came to.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// A folder with `rows.csv` and `tiny.yaml`, which trains on it for two epochs.
    pub fn tiny() -> Self {
        let folder = Self::new();
        folder.write("rows.csv", rows(400, 1));
        folder.write("tiny.yaml", TINY);
        folder
    }

    /// The same with the run `run` made from it.
    pub fn trained() -> Self {
        let folder = Self::tiny();
        folder.mt(&["train", "tiny.yaml", "--run-dir", "run"]).done();
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("a file is written");
    }

    pub fn read(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).expect("text")
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// All files of a folder within, sorted, by path from there.
    pub fn files(&self, within: &str) -> Vec<String> {
        let (root, mut files) = (self.path(within), Vec::new());
        walk(&root, &mut |file| {
            let file = file.strip_prefix(&root).expect("is within");
            files.push(file.to_str().expect("is UTF-8").to_owned());
        });
        files.sort();
        files
    }

    /// The program with these arguments, to be started in this folder. On one thread, as the tests run side by side.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_mt")), args)
    }

    /// The same of another program.
    pub fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null());
        if !args.contains(&"--threads") {
            command.args(["--threads", "1"]);
        }
        command
    }

    pub fn mt(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().expect("the program starts"))
    }

    /// Whether the call fails with this code and message, prints nothing, and leaves the folder as it was.
    pub fn refuses(&self, args: &[&str], code: i32, message: &str) {
        let before = self.files("");
        let said = self.mt(args);
        let found = (said.code, said.out.as_str(), said.err.as_str());
        assert_eq!(found, (Some(code), "", format!("error: {message}\n").as_str()), "mt {}", args.join(" "));
        assert_eq!(self.files(""), before, "mt {} leaves files behind", args.join(" "));
    }
}

fn walk(folder: &Path, found: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { walk(&path, found) } else { found(&path) }
    }
}

impl Said {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("is UTF-8");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The output of a call that must have succeeded.
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// The same, as one JSON value a line.
    pub fn json(self) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.done().lines().map(parse).collect()
    }
}

/// 400 rows of users and items that come again and again, with a number and two labels.
pub fn sightings() -> String {
    let (a, b) = (permutation(400, 1, 1), permutation(400, 1, 2));
    let row = |(a, b): (&u32, &u32)| {
        format!("u{},{},0.{},{},{}\n", a % 50, b % 90, a % 7, u8::from(a % 3 == 0), u8::from(b % 4 == 1))
    };
    let rows: String = a.iter().zip(&b).map(row).collect();
    "user,item,watched_before,click,like\n".to_owned() + &rows
}

/// Two epochs of a small MMoE on `rows.csv`, a quarter of which is set aside for the test.
pub const TINY: &str = "\
version: 1
data:
  csv: {train: rows.csv}
  valid_fraction: 0.25
  test_fraction: 0.25
tasks:
- {name: watched, label: watched}
- {name: liked, label: liked}
model:
  kind: mmoe
  experts: 2
  expert: [4]
train:
  epochs: 2
  batch_size: 32
  optimizer: {lr: 0.03}
";

/// Rows with the columns `watched,liked,a,b,c`: the labels follow `a` and `b`, with chance in them.
pub fn rows(count: usize, seed: u64) -> String {
    let mut text = "watched,liked,a,b,c\n".to_owned();
    let mut state = seed;
    let mut draw = || {
        // Knuth's MMIX generator; its high bits are good enough here.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    for _ in 0..count {
        let [a, b, c, d, e] = [draw(), draw(), draw(), draw(), draw()];
        let (watched, liked) = (u8::from(a + d / 2.0 > 0.0), u8::from(a + b + e > 0.3));
        text += &format!("{watched},{liked},{a},{b},{c}\n");
    }
    text
}

/// The fields of CSV text as numbers, without its header.
pub fn numbers(csv: &str) -> Vec<Vec<f32>> {
    let number = |field: &str| field.parse().unwrap_or_else(|error| panic!("{field:?}: {error}"));
    csv.lines().skip(1).map(|line| line.split(',').map(number).collect()).collect()
}

/// The folder of real data sets, or `None` after saying that the test skips.
pub fn real_data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MT_TEST_DATA").map(|f| PathBuf::from(f).join("datasets/census-income"));
    let folder = folder.filter(|folder| folder.join("census-income.data.gz").exists());
    #[expect(clippy::print_stdout, reason = "a test that skips must say so")]
    if folder.is_none() {
        println!("{test}: skipped, as MT_TEST_DATA names no folder with datasets/census-income");
    }
    folder
}
