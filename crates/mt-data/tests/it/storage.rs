//! Files of another store than this machine's give the same rows.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use mt_data::object_store::memory::InMemory;
use mt_data::object_store::path::Path;
use mt_data::object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use mt_data::{CsvConfig, DataConfig, Labels, Paths, Records, Storage, TableReader};

use crate::support::{Files, join, label, load, section};

/// The URL that a store has here.
const URL: &str = "memory://bucket";

/// Files in memory.
fn memory<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Arc<InMemory> {
    let store = InMemory::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (name, content) in files {
        runtime.block_on(store.put(&Path::parse(name).unwrap(), content.into())).unwrap();
    }
    Arc::new(store)
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
fn twice() -> (Files, Arc<InMemory>) {
    let files = Files::new();
    let contents = [
        ("train/a.csv", rows(0).into_bytes()),
        ("train/b.csv.gz", gzip(&rows(500))),
        ("test.csv.zst", zstd::encode_all(rows(1000).as_bytes(), 3).unwrap()),
        ("names.txt", b"click\nuser\nx\n".to_vec()),
        ("users", gzip(USERS)),
        ("bad.csv", b"1,2,x\n".to_vec()),
    ];
    std::fs::create_dir(files.path("train")).unwrap();
    for (name, content) in &contents {
        files.write(name, content);
    }
    (files, memory(contents))
}

fn in_memory(config: &str, store: Arc<dyn ObjectStore>) -> DataConfig {
    let mut data: DataConfig = serde_yaml::from_str(&config.replace("DIR", URL)).unwrap();
    data.storage = Storage::default().with_store(URL, store);
    data
}

#[test]
fn text_files_of_any_store_give_the_rows_of_local_ones() {
    let (files, memory) = twice();
    let tasks = [label("click", "click")];
    let local = load(&section(&files, &CONFIG.replace("TRAIN", "DIR/train")), &tasks).unwrap();
    let data = in_memory(&CONFIG.replace("TRAIN", "DIR/train"), memory.clone());
    let other = load(&data, &tasks).unwrap();
    for train in ["DIR/train/", "DIR/t*n/?.*", "[DIR/train/a.csv, DIR/train/b.csv.gz]"] {
        let again = load(&in_memory(&CONFIG.replace("TRAIN", train), memory.clone()), &tasks).unwrap();
        assert_eq!(again.train, other.train, "{train}");
    }
    assert_eq!((other.train.len(), other.test.as_ref().unwrap().len()), (900, 500));
    assert_eq!((&other.train, &other.valid, &other.test), (&local.train, &local.valid, &local.test));
    assert_eq!((&other.schema, &other.encoders), (&local.schema, &local.encoders));
    let paths = Paths::from("memory://bucket/test.csv.zst");
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
    let memory = memory([("log.parquet", content("log.parquet")), ("users", content("users"))]);
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
    let mut data = in_memory(&CONFIG.replace("TRAIN", "DIR/train/"), memory);
    let mut fails = |train: &str| {
        let csv = data.csv.as_mut().unwrap();
        csv.train = Paths::from(train);
        load(&data, &tasks).unwrap_err().to_string()
    };
    for name in ["none.csv", "none.parquet"] {
        assert_eq!(fails(&format!("{URL}/{name}")), format!("{URL}/{name}: cannot be read"));
    }
    assert_eq!(fails("memory://bucket/none/"), "no file matches \"memory://bucket/none/\"");
    assert_eq!(fails("memory://bucket/*.tsv"), "no file matches \"memory://bucket/*.tsv\"");
    assert_eq!(
        fails("memory://bucket/"),
        "memory://bucket/train: a folder, where files are to be read; name the files, or a pattern that only they match"
    );
    let expected = "memory://bucket/bad.csv:1:5: field \"x\": expected a number, found \"x\" (record 1)";
    assert_eq!(fails("memory://bucket/bad.csv"), expected);
}

#[test]
fn what_is_no_url_of_a_store_is_refused_with_what_would_be() {
    let cause = |entry: &str| {
        let error = Storage::default().expand(&Paths::from(entry)).unwrap_err();
        std::error::Error::source(&error).expect("a cause").to_string()
    };
    assert_eq!(cause("ftp://host/rows.csv"), "expected s3://, gs://, az://, http:// or https://");
    assert!(cause("https://host/rows.csv?key=1").starts_with("expected a URL without \"?\""));
    assert!(cause("https://host/rows/").ends_with("name each"));
    assert!(cause("s3://").starts_with("expected s3://"), "{}", cause("s3://"));
}

/// A store that counts what it is asked, and does so with the help of rayon's workers.
#[derive(Debug)]
struct Counting {
    store: Arc<InMemory>,
    requests: AtomicUsize,
}

/// As a client does that gets the ranges of a file side by side.
fn work() {
    use rayon::prelude::*;
    let sum = |n: u32| (0..n).into_par_iter().with_max_len(1).map(|i| i ^ 1).sum::<u32>();
    let (a, b) = rayon::join(|| sum(32), || sum(64));
    assert!(a < b);
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

impl Counting {
    fn new(store: Arc<InMemory>) -> Arc<Self> {
        Arc::new(Counting { store, requests: AtomicUsize::new(0) })
    }

    fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        work();
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.count();
        self.store.get_opts(path, options).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count();
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.count();
        self.store.list_with_delimiter(prefix).await
    }

    async fn put_opts(&self, path: &Path, content: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.store.put_opts(path, content, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(paths)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_file_of_many_columns_takes_few_requests() {
    use crate::parquet_writer::{Form, convert};

    let names: Vec<String> = (0..30).map(|i| format!("x{i}")).collect();
    let row = |r: usize| {
        format!("{},{}\n", r % 2, (0..30).map(|c| format!("{}", r * c % 97)).collect::<Vec<_>>().join(","))
    };
    let text = format!("click,{}\n{}", names.join(","), (0..5000).map(row).collect::<String>());
    let files = Files::new();
    // In pages of 100 rows each: 1,550 of them.
    convert(text.as_bytes(), files.path("log.parquet"), Form { group: 5000, page: 100, ..Form::default() });
    let store = Counting::new(memory([("log.parquet", std::fs::read(files.path("log.parquet")).unwrap())]));
    let data = in_memory("parquet: {train: DIR/log.parquet}", store.clone());
    let tasks = [label("click", "click")];
    let other = load(&data, &tasks).unwrap();
    let local = load(&section(&files, "parquet: {train: DIR/log.parquet}"), &tasks).unwrap();
    assert_eq!((&other.train, &other.valid), (&local.train, &local.valid));
    let requests = store.requests.load(Ordering::Relaxed);
    assert!(requests <= 8, "{requests} requests");
}

#[test]
fn an_object_that_is_changed_while_it_is_read_is_noticed() {
    let store = memory([("log", format!("click,x\n{}", "1,2\n".repeat(1000)).into_bytes())]);
    let storage = Storage::default().with_store(URL, store.clone());
    let mut data = DataConfig::files(CsvConfig::new("memory://bucket/log"));
    data.storage = storage;
    let paths = Paths::from("memory://bucket/log");
    // What it was when it was listed.
    let files = data.storage.expand(&paths).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.put(&Path::from("log"), "click,x\n0,1\n".into())).unwrap();
    let error = data.storage.is_typed(&files[0]).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "it was changed while it was read");
    // Whoever asks again has the new one.
    assert_eq!(load(&data, &[label("click", "click")]).unwrap().train.len(), 1);
}

#[test]
fn a_store_may_use_the_workers_that_read() {
    let tasks = [label("click", "click")];
    let read = |threads: usize, data: DataConfig| {
        let tasks = tasks.clone();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let read = || -> mt_data::Result<mt_features::Table> {
                let mut reader =
                    TableReader::open_blocks(&Paths::from("memory://bucket/log"), &data, &tasks, 1 << 12)?;
                let mut table = reader.next().unwrap()?;
                reader.try_for_each(|block| Ok::<_, mt_data::Error>(table.append(block?)?))?;
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
    let data = |store: Arc<dyn ObjectStore>| {
        let mut data = DataConfig::files(CsvConfig::new("memory://bucket/log"));
        data.storage = Storage::default().with_store(URL, store);
        data
    };
    for content in contents {
        let memory = memory([("log", content)]);
        let expected = read(1, data(memory.clone()));
        assert_eq!(expected.len(), 100_000);
        for threads in [1, 2, 4] {
            assert!(read(threads, data(Counting::new(memory.clone()))) == expected, "{threads} threads");
        }
    }
}

#[test]
fn partitions_of_any_store_give_the_rows_of_local_ones() {
    let files = Files::new();
    let contents = [
        ("log/dt=2022-04-25/hour=07/a.csv", rows(0).into_bytes()),
        ("log/dt=2022-04-25/hour=20/a.csv", rows(500).into_bytes()),
        ("log/dt=2022-04-26 01%3A02/hour=07/b.csv", rows(1000).into_bytes()),
    ];
    for (name, content) in &contents {
        let path = files.path(name);
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    // What stores have where there are folders, and what writers leave.
    let more = [
        ("log/dt=2022-04-25", Vec::new()),
        ("log/dt=2022-04-24_$folder$", Vec::new()),
        ("log/dt=2022-04-25/_SUCCESS", Vec::new()),
        ("log/_temporary/0/a.csv", b"no".to_vec()),
        ("mixed/dt=1/a.csv", rows(0).into_bytes()),
        ("mixed/dt=1/old/a.csv", rows(0).into_bytes()),
        ("unlike/dt=1/a.csv", rows(0).into_bytes()),
        ("unlike/b.csv", rows(0).into_bytes()),
    ];
    let memory = memory(contents.into_iter().chain(more));
    let config = "
csv: {train: TRAIN, header: false, features: [2, hour]}
fields: [{column: 1}, {column: dt}]
split: {valid: 'dt > \"2022-04-25\"'}
";
    let tasks = [mt_features::TaskConfig::new("click", mt_features::ColumnRef::Index(0))];
    let local = load(&section(&files, &config.replace("TRAIN", "DIR/log")), &tasks).unwrap();
    assert_eq!((local.train.len(), local.valid.as_ref().unwrap().len()), (1000, 500));
    let texts: Vec<&str> = local.encoders.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(texts, ["column_1", "dt"]);
    for train in ["DIR/log", "DIR/log/", "DIR/log/dt=2022-04-2*/", "DIR/log/dt=*", "DIR/log/dt*/*/?.csv"] {
        let data = in_memory(&config.replace("TRAIN", train), memory.clone());
        let other = load(&data, &tasks).unwrap_or_else(|error| panic!("{train}: {error}"));
        assert_eq!((&other.train, &other.valid), (&local.train, &local.valid), "{train}");
        assert_eq!((&other.schema, &other.encoders), (&local.schema, &local.encoders), "{train}");
    }
    let day = in_memory(&config.replace("TRAIN", "DIR/log/dt=2022-04-25"), memory.clone());
    assert_eq!(load(&day, &tasks).unwrap().train.len(), 1000);
    let fails = |train: &str| {
        load(&in_memory(&config.replace("TRAIN", train), memory.clone()), &tasks).unwrap_err().to_string()
    };
    for entry in ["DIR/mixed/", "DIR/mixed/dt=*/"] {
        let error = fails(entry);
        assert!(error.starts_with("memory://bucket/mixed/dt=1/old: a folder, where files"), "{error}");
    }
    let error = fails("DIR/unlike");
    let expected = "memory://bucket/unlike/dt=1/a.csv: expected a file in no folder key=value, as \
                    memory://bucket/unlike/b.csv is, found dt=…";
    assert!(error.starts_with(expected), "{error}");
}
