//! Files of another store than this machine's give the same rows.

use std::collections::BTreeMap;
use std::io::{Cursor, Error, ErrorKind, Read, Result, Write};
use std::path::{Path, PathBuf};

use mt_data::{DataConfig, Labels, Paths, ReadAt, Records, Storage, Store, TableReader};

use crate::support::{Files, join, label, load, section};

/// Files in memory. A folder is the part of a name before a `/`.
#[derive(Debug, Default)]
struct Memory(BTreeMap<PathBuf, Vec<u8>>);

struct Bytes(Vec<u8>);

impl Memory {
    fn with(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.insert(PathBuf::from(name), content.into());
        self
    }

    fn get(&self, path: &Path) -> Result<&Vec<u8>> {
        self.0.get(path).ok_or_else(|| Error::new(ErrorKind::NotFound, "no such object"))
    }
}

impl Store for Memory {
    fn list(&self, entry: &str) -> mt_data::Result<Vec<PathBuf>> {
        let Some(folder) = entry.strip_suffix('/') else { return Ok(vec![PathBuf::from(entry)]) };
        Ok(self.0.keys().filter(|path| path.starts_with(folder)).cloned().collect())
    }

    fn size(&self, path: &Path) -> Result<Option<u64>> {
        Ok(Some(self.get(path)?.len() as u64))
    }

    fn read(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.get(path)?.clone())))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>> {
        Ok(Box::new(Bytes(self.get(path)?.clone())))
    }
}

impl ReadAt for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let mut rest = Cursor::new(&self.0);
        rest.set_position(at);
        rest.read_exact(buffer)
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(text.as_bytes()).unwrap();
    to.finish().unwrap()
}

fn rows(from: usize) -> String {
    let row = |i: usize| format!("{},{},{}\n", i % 2, i % 7, i as f32 / 8.0);
    (from..from + 500).map(row).collect()
}

const USERS: &str = "user,age,city\n0,20,Rome\n1,30,Oslo\n2,40,Rome\n3,50,Lima\n4,60,Oslo\n5,70,Rome\n";
const CONFIG: &str = "
csv: {train: TRAIN, test: DIR/test.csv.zst, header: false, names: DIR/names.txt}
join: [{file: DIR/users, key: user}]
fields: [{column: user}, {column: city}]
numeric_missing: mean
";

/// The same files in a folder of this machine and in memory.
fn twice() -> (Files, Memory) {
    let files = Files::new();
    let mut memory = Memory::default();
    let contents = [
        ("train/a.csv", rows(0).into_bytes()),
        ("train/b.csv.gz", gzip(&rows(500))),
        ("test.csv.zst", zstd::encode_all(rows(1000).as_bytes(), 3).unwrap()),
        ("names.txt", b"click\nuser\nx\n".to_vec()),
        ("users", gzip(USERS)),
    ];
    std::fs::create_dir(files.path("train")).unwrap();
    for (name, content) in contents {
        files.write(name, &content);
        memory = memory.with(&format!("bucket/{name}"), content);
    }
    (files, memory)
}

fn in_memory(config: &str, memory: Memory) -> DataConfig {
    let mut data: DataConfig = serde_yaml::from_str(&config.replace("DIR", "bucket")).unwrap();
    data.storage = Storage::new(memory);
    data
}

#[test]
fn text_files_of_any_store_give_the_rows_of_local_ones() {
    let (files, memory) = twice();
    let tasks = [label("click", "click")];
    let local = load(&section(&files, &CONFIG.replace("TRAIN", "DIR/train")), &tasks).unwrap();
    let data = in_memory(&CONFIG.replace("TRAIN", "DIR/train/"), memory);
    let other = load(&data, &tasks).unwrap();
    assert_eq!((other.train.len(), other.test.as_ref().unwrap().len()), (900, 500));
    assert_eq!((&other.train, &other.valid, &other.test), (&local.train, &local.valid, &local.test));
    assert_eq!((&other.schema, &other.encoders), (&local.schema, &local.encoders));
    let paths = Paths::from("bucket/test.csv.zst");
    let reader = TableReader::open_encoded(
        &paths,
        &data,
        &other.schema,
        &tasks,
        &other.normalizer,
        &other.encoders,
        Labels::Required,
    );
    assert_eq!(join(reader.unwrap()).unwrap(), other.test.unwrap());
    let records = Records::read(&paths, &data, &["city".to_owned(), "x".to_owned()], 1).unwrap();
    assert_eq!(records.record(0).collect::<Vec<_>>(), [&b"70"[..0], b"125"]);
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_of_any_store_give_the_rows_of_local_ones() {
    use crate::parquet_writer::{Form, convert};

    let files = Files::new();
    let text = format!("click,user,x\n{}", rows(0));
    let form = Form { group: 200, page: 30, ..Form::default() };
    convert(text.as_bytes(), files.path("log.parquet"), form);
    convert(USERS.as_bytes(), files.path("users"), form);
    let content = |name: &str| std::fs::read(files.path(name)).unwrap();
    let memory = Memory::default()
        .with("bucket/log.parquet", content("log.parquet"))
        .with("bucket/users", content("users"));
    let config = "{parquet: {train: DIR/log.parquet}, join: [{file: DIR/users, key: user}],
        fields: [{column: user}, {column: city}], numeric_missing: mean}";
    let tasks = [label("click", "click")];
    let local = load(&section(&files, config), &tasks).unwrap();
    let other = load(&in_memory(config, memory), &tasks).unwrap();
    assert_eq!(other.train.len(), 450);
    assert_eq!((&other.train, &other.valid), (&local.train, &local.valid));
}

#[test]
fn errors_name_the_files_of_a_store() {
    let (_, memory) = twice();
    let tasks = [label("click", "click")];
    let mut data =
        in_memory(&CONFIG.replace("TRAIN", "DIR/train/"), memory.with("bucket/bad.csv", "1,2,x\n"));
    let mut fails = |train: &str| {
        let csv = data.csv.as_mut().unwrap();
        csv.train = Paths::from(train);
        load(&data, &tasks).unwrap_err().to_string()
    };
    assert_eq!(fails("bucket/none.csv"), "bucket/none.csv: cannot be read");
    assert_eq!(fails("bucket/none.parquet"), "bucket/none.parquet: cannot be read");
    assert_eq!(fails("bucket/none/"), "no file matches \"bucket/none/\"");
    let expected = "bucket/bad.csv:1:5: field \"x\": expected a number, found \"x\" (record 1)";
    assert_eq!(fails("bucket/bad.csv"), expected);
}

/// The files of another store, got with the help of rayon's workers.
#[derive(Debug)]
struct Parallel(Memory);

struct Slow<T>(T);

/// As a client does that gets the ranges of a file side by side.
fn work() {
    use rayon::prelude::*;
    let sum = |n: u32| (0..n).into_par_iter().with_max_len(1).map(|i| i ^ 1).sum::<u32>();
    let (a, b) = rayon::join(|| sum(32), || sum(64));
    assert!(a < b);
}

impl Store for Parallel {
    fn list(&self, entry: &str) -> mt_data::Result<Vec<PathBuf>> {
        work();
        self.0.list(entry)
    }

    fn size(&self, path: &Path) -> Result<Option<u64>> {
        work();
        self.0.size(path)
    }

    fn read(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        work();
        Ok(Box::new(Slow(self.0.read(path)?)))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>> {
        work();
        Ok(Box::new(Slow(self.0.open(path)?)))
    }
}

impl Read for Slow<Box<dyn Read + Send>> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        work();
        let length = buffer.len().min(4096);
        self.0.read(&mut buffer[..length])
    }
}

impl ReadAt for Slow<Box<dyn ReadAt>> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_exact_at(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        work();
        self.0.read_exact_at(at, buffer)
    }
}

#[test]
fn a_store_may_use_the_workers_that_read() {
    let tasks = [label("click", "click")];
    let read = |threads: usize, data: DataConfig| {
        let tasks = tasks.clone();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let read = || -> mt_data::Result<mt_data::Table> {
                let mut reader =
                    TableReader::open_blocks(&Paths::from("bucket/log"), &data, &tasks, 1 << 12)?;
                let mut table = reader.next().unwrap()?;
                reader.try_for_each(|block| table.append(block?))?;
                Ok(table)
            };
            let _ = send.send(pool.install(read).unwrap());
        });
        // Two workers that wait for each other would do so for ever.
        receive.recv_timeout(std::time::Duration::from_secs(60)).expect("does not hang")
    };
    let text = format!("click,user,x\n{}", rows(0).repeat(200));
    let contents = [text.clone().into_bytes(), {
        #[cfg(feature = "parquet")]
        {
            let files = Files::new();
            let form = crate::parquet_writer::Form { group: 5000, page: 200, ..Default::default() };
            crate::parquet_writer::convert(text.as_bytes(), files.path("log.parquet"), form);
            std::fs::read(files.path("log.parquet")).unwrap()
        }
        #[cfg(not(feature = "parquet"))]
        text.into_bytes()
    }];
    let data = |store: Storage| {
        let mut data = DataConfig::files(mt_data::CsvConfig::new("bucket/log"));
        data.storage = store;
        data
    };
    for content in contents {
        let memory = || Memory::default().with("bucket/log", content.clone());
        let expected = read(1, data(Storage::new(memory())));
        assert_eq!(expected.len(), 100_000);
        for threads in [1, 2, 4] {
            assert!(read(threads, data(Storage::new(Parallel(memory())))) == expected, "{threads} threads");
        }
    }
}
