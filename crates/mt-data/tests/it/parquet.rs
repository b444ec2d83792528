//! Parquet files give what text files with the same content give.

use mt_data::{DataConfig, Dataset, Error, Paths, TableReader};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterVersion;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use crate::parquet_writer::{Column, Form, convert, write};
use crate::support::{Files, join, label, load, real_data, section, values};

const TYPES: &str = "
csv: {train: DIR/rows.EXT, exclude: [other]}
valid_fraction: 0
normalize: none
numeric_missing: zero
weight: w
group: long
fields:
- {column: id}
- {column: long}
- {column: city, encode: {hash: 100}}
- {column: seen, table: id, separator: '|', last: 2}
- {column: tags, separator: '|'}
- {column: price, encode: {buckets: 3}}
";

/// A text file and a Parquet file with every type.
pub fn types(form: Form) -> Files {
    let files = Files::with(
        "rows.csv",
        "l,flag,int,u32,long,id,single,price,city,seen,tags,w,whole,other\n\
         1,1,-3,4294967295,-9007199254740993,18446744073709551615,0.1,1e-3,New York,7|18446744073709551615|9,a|b,1,5,\n\
         0,0,,0,7,,,,,,,0.5,6,\n\
         1,,2147483647,7,9223372036854775807,7,-0,123456.789,Rome,7,,2,7,\n\
         ,1,0,,7,9007199254740993,3.4028235e38,-0.1,Rome,,c,0,8,\n",
    );
    let columns = [
        ("l", Column::Floats(vec![Some(1.0), Some(0.0), Some(1.0), Some(f32::NAN)])),
        ("flag", Column::Bools(vec![Some(true), Some(false), None, Some(true)])),
        ("int", Column::Ints(vec![Some(-3), None, Some(i32::MAX), Some(0)])),
        ("u32", Column::UnsignedInts(vec![Some(u32::MAX), Some(0), Some(7), None])),
        ("long", Column::Longs(vec![Some(-9_007_199_254_740_993), Some(7), Some(i64::MAX), Some(7)])),
        ("id", Column::UnsignedLongs(vec![Some(u64::MAX), None, Some(7), Some(9_007_199_254_740_993)])),
        ("single", Column::Floats(vec![Some(0.1), None, Some(-0.0), Some(f32::MAX)])),
        ("price", Column::Doubles(vec![Some(1e-3), None, Some(123_456.789), Some(-0.1)])),
        (
            "city",
            Column::Texts(
                [Some("New York"), None, Some(" Rome "), Some("Rome")].map(|t| t.map(str::to_owned)).into(),
            ),
        ),
        (
            "seen",
            Column::TextLists(vec![
                Some(["7", "18446744073709551615", "9"].map(|x| Some(x.to_owned())).into()),
                None,
                Some(vec![Some("7".to_owned())]),
                Some(Vec::new()),
            ]),
        ),
        (
            "tags",
            Column::TextLists(vec![
                Some(["a", "b"].map(|x| Some(x.to_owned())).into()),
                Some(Vec::new()),
                None,
                Some(vec![Some("c".to_owned())]),
            ]),
        ),
        ("w", Column::Doubles(vec![Some(1.0), Some(0.5), Some(2.0), Some(0.0)])),
        ("whole", Column::Whole(vec![5, 6, 7, 8])),
        ("other", Column::LongLists(vec![None; 4])),
    ];
    write(files.path("rows.parquet"), &columns, form);
    files
}

/// Whether two data sets are the same to the last bit.
pub fn assert_same(a: &Dataset, b: &Dataset) {
    assert_eq!(a.schema, b.schema);
    assert_eq!(a.normalizer, b.normalizer);
    assert_eq!(a.encoders.fingerprint(), b.encoders.fingerprint());
    // Not `assert_eq!`, which would print every row.
    assert!((&a.train, &a.valid, &a.test) == (&b.train, &b.valid, &b.test));
    let bits = |data: &Dataset| values(&data.train).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(bits(a) == bits(b));
}

fn both(files: &Files, text: &str, tasks: &[mt_features::TaskConfig]) -> [Dataset; 2] {
    ["csv", "parquet"].map(|ext| load(&section(files, &text.replace("EXT", ext)), tasks).unwrap())
}

#[test]
fn every_type_gives_what_its_text_gives() {
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for compression in compressions {
        for (dictionary, group) in [(true, 100), (false, 100), (true, 3), (false, 1)] {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                let files = types(Form { group, dictionary, compression, version, page: 2 });
                let tasks = [label("l", "l"), label("big", "long >= 9223372036854775807 && w > 0")];
                let [text, columns] = both(&files, TYPES, &tasks);
                assert_same(&text, &columns);
                assert_eq!(columns.train.len(), 4);
                assert_eq!(columns.train.positives(0), (2, 3));
            }
        }
    }
}

#[test]
fn numbers_alone_take_the_short_way_to_the_same_rows() {
    let files = types(Form::default());
    let text = "{csv: {train: DIR/rows.EXT, features: [whole, price, int, u32, flag, single]}, numeric_missing: mean}";
    let [text, columns] = both(&files, text, &[label("l", "l")]);
    assert_same(&text, &columns);
    assert_eq!(columns.normalizer.columns.len(), 6);
}

#[test]
fn a_file_is_known_by_its_first_bytes_and_kinds_may_be_mixed() {
    let files = types(Form::default());
    std::fs::copy(files.path("rows.parquet"), files.path("part-2")).unwrap();
    let text = "{csv: {train: [DIR/rows.EXT, DIR/part-2], features: [whole, int]}, numeric_missing: zero, group: long}";
    let [text, columns] = both(&files, text, &[label("l", "l")]);
    assert_same(&text, &columns);
    assert_eq!(columns.train.len(), 8 - columns.valid.map_or(0, |t| t.len()));
}

#[test]
fn stripes_and_threads_change_nothing() {
    let files = Files::new();
    let n = 10_000;
    let longs = |m: i64| Column::Longs((0..n).map(|i| (i % 11 > 0).then_some(i * 7 % m)).collect());
    let lists = (0..n).map(|i| Some((0..i % 4).map(|j| Some(i + j)).collect())).collect();
    let text = |i| Some(if i == 7005 || i == 8000 { "x" } else { "1" }.to_owned());
    let columns = [
        ("l", Column::Whole((0..n).map(|i| i % 2).collect())),
        ("user", longs(97)),
        ("x", longs(1000)),
        ("seen", Column::LongLists(lists)),
        ("bad", Column::Texts((0..n).map(text).collect())),
    ];
    write(files.path("a.parquet"), &columns, Form { group: 3000, page: 700, ..Form::default() });
    let config = |features: &str| -> DataConfig {
        let text = "{csv: {train: DIR/a.parquet, features: [FEATURES]}, numeric_missing: zero, group: user,
            fields: [{column: user}, {column: seen, table: user, separator: ','}]}";
        section(&files, &text.replace("FEATURES", features))
    };
    let read = |features: &str, threads: usize, block: usize| {
        let data = config(features);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let paths = Paths::from(files.path("a.parquet"));
        let table =
            pool.install(|| join(TableReader::open_blocks(&paths, &data, &[label("l", "l")], block)?))?;
        let numbers = values(&table);
        let (labels, fields) = (table.labels().to_vec(), table.fields().to_vec());
        Ok::<_, Error>((numbers, labels, fields, table.groups().map(<[u32]>::to_vec)))
    };
    let whole = read("x", 1, 1 << 20).unwrap();
    assert_eq!(whole.0.len(), n as usize);
    for (threads, block) in [(1, 1), (2, 1000), (2, 1 << 16), (3, 1 << 20)] {
        let same = read("x", threads, block).unwrap() == whole;
        assert!(same, "{threads} threads, {block} bytes");
    }
    for (threads, block) in [(1, 1 << 20), (2, 1000), (3, 1 << 16)] {
        let error = read("x, bad", threads, block).unwrap_err();
        let expected = "a.parquet: row 7006: field \"bad\": expected a number, found \"x\"";
        assert_eq!(files.message(&error), expected);
    }
}

const KUAIRAND: &str = "
csv: {train: DIR/log_standard_4_25_to_4_30.EXT, features: none, missing: ['-124', UNKNOWN]}
join:
- {file: DIR/user_features_pure.EXT, key: user_id}
- {file: DIR/video_features_basic_pure.EXT, key: video_id}
- {file: DIR/user_history_to_4_24.EXT, key: user_id}
fields:
- {column: user_id}
- {column: video_id, table: video}
- {column: author_id, encode: {vocabulary: {min_count: 2}}}
- {column: tab}
- {column: tag, separator: ','}
- {column: duration_ms, encode: {buckets: 20}}
- {column: hourmin, encode: {hash: 24}}
- {column: user_active_degree}
- {column: register_days, encode: {buckets: 20}}
- {column: watch_seq, table: video, separator: ' ', last: 50, pooling: sum}
group: user_id
split: {valid: date == 20220429, test: date == 20220430}
";
const KUAIRAND_TASKS: &str = "
- {name: click, label: is_click}
- {name: long_view, label: long_view, where: is_click == 1}
- {name: watch_ratio, kind: regression, label: 'min(play_time_ms / duration_ms, 3)'}
";

#[test]
fn the_kuairand_data_are_the_same_in_both_kinds_of_file() {
    let Some(folder) = real_data("the_kuairand_data_are_the_same_in_both_kinds_of_file") else { return };
    let folder = folder.with_file_name("kuairand-pure");
    let files = Files::new();
    for name in [
        "log_standard_4_25_to_4_30",
        "user_features_pure",
        "video_features_basic_pure",
        "user_history_to_4_24",
    ] {
        let text = std::fs::File::open(folder.join(format!("{name}.csv.gz"))).unwrap();
        let text = flate2::read::MultiGzDecoder::new(text);
        convert(text, files.path(&format!("{name}.parquet")), Form { group: 40_000, ..Form::default() });
    }
    let tasks: Vec<mt_features::TaskConfig> = serde_yaml::from_str(KUAIRAND_TASKS).unwrap();
    let read = |folder: &std::path::Path, ext: &str| {
        let text = KUAIRAND.replace("DIR", folder.to_str().unwrap()).replace("EXT", ext);
        let start = std::time::Instant::now();
        let data = load(&serde_yaml::from_str(&text).unwrap(), &tasks).unwrap();
        #[expect(clippy::print_stdout, reason = "the rate is of interest beside the test's result")]
        {
            println!("{ext}: {:.0} rows/s", 94_784.0 / start.elapsed().as_secs_f64());
        }
        data
    };
    assert_same(&read(&folder, "csv.gz"), &read(files.0.path(), "parquet"));
}

#[test]
fn a_file_of_pandas_gives_the_rows_of_the_log_it_was_made_from() {
    let Some(folder) = real_data("a_file_of_pandas_gives_the_rows_of_the_log_it_was_made_from") else {
        return;
    };
    let folder = folder.with_file_name("kuairand-pure");
    let columns = "features: [duration_ms, play_time_ms, hourmin]}, group: user_id, valid_fraction: 0.2,
        fields: [{column: user_id}, {column: video_id, encode: {hash: 1000}}, {column: tab}]";
    let read = |files: &str| {
        let text = format!("{{{files}, {columns}}}").replace("DIR", folder.to_str().unwrap());
        load(&serde_yaml::from_str(&text).unwrap(), &[label("click", "is_click"), label("like", "is_like")])
            .unwrap()
    };
    let text = read("csv: {train: DIR/log_standard_4_25_to_4_30.csv.gz");
    let pandas = read("parquet: {train: DIR/log_4_25_to_4_30_wide.parquet");
    assert_same(&text, &pandas);
    assert_eq!(pandas.train.len() + pandas.valid.map_or(0, |valid| valid.len()), 94_784);
}

/// A column of any type, and the same as cells of a text file.
fn any_column(rows: usize) -> impl Strategy<Value = (Column, Vec<String>)> {
    fn cells<T: ToString>(values: &[Option<T>]) -> Vec<String> {
        values.iter().map(|value| value.as_ref().map_or(String::new(), T::to_string)).collect()
    }
    let ids = prop_oneof![Just(u64::MAX), 0..20u64, any::<u64>()];
    // Not subnormal: a column of such values counts as constant, and then its zeros may be stored or left out.
    let singles = prop_oneof![Just(0.0), Just(-0.0), any::<f32>().prop_filter("normal", |x| x.is_normal())];
    // Halfway between two `f32` and everything that an `f32` holds.
    let halves = any::<f32>().prop_map(|x| (f64::from(x) + f64::from(x.next_up())) / 2.0);
    let doubles = prop_oneof![halves, any::<f32>().prop_map(f64::from), -1e6..1e6, Just(1e-310)]
        .prop_filter("in range", |x| {
            x.is_finite() && x.abs() < 3.4e38 && (x.abs() > 1.2e-38 || x.abs() < 1e-300)
        });
    prop_oneof![
        vec(weighted(0.9, any::<i32>()), rows).prop_map(|v| (Column::Ints(v.clone()), cells(&v))),
        vec(weighted(0.9, any::<u32>()), rows).prop_map(|v| (Column::UnsignedInts(v.clone()), cells(&v))),
        vec(weighted(0.9, any::<i64>()), rows).prop_map(|v| (Column::Longs(v.clone()), cells(&v))),
        vec(weighted(0.9, ids), rows).prop_map(|v| (Column::UnsignedLongs(v.clone()), cells(&v))),
        vec(weighted(0.9, singles), rows).prop_map(|v| (Column::Floats(v.clone()), cells(&v))),
        vec(weighted(0.9, doubles), rows).prop_map(|v| (Column::Doubles(v.clone()), cells(&v))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_numbers_both_kinds_of_file_give_the_same_data(
        (columns, labels) in (2usize..60).prop_flat_map(|rows| (vec(any_column(rows), 3..6), vec(any::<bool>(), rows))),
        group in 1usize..30,
        dictionary: bool,
    ) {
        let files = Files::new();
        let flags: Vec<String> = labels.iter().map(|&label| u8::from(label).to_string()).collect();
        let names: Vec<String> = (0..columns.len()).map(|i| format!("c{i}")).collect();
        let mut text = format!("l,{}\n", names.join(","));
        for row in 0..labels.len() {
            let cells: Vec<&str> = columns.iter().map(|(_, cells)| cells[row].as_str()).collect();
            text += &format!("{},{}\n", flags[row], cells.join(","));
        }
        files.write("rows.csv", text);
        let stored = names.iter().zip(&columns).map(|(name, (column, _))| (name.as_str(), column.clone()));
        let label_column = Column::Bools(labels.iter().map(|&label| Some(label)).collect());
        let stored: Vec<_> = std::iter::once(("l", label_column)).chain(stored).collect();
        write(files.path("rows.parquet"), &stored, Form { group, dictionary, ..Form::default() });
        let direct = "{csv: {train: DIR/rows.EXT}, numeric_missing: mean, valid_fraction: 0}";
        let kept = "{csv: {train: DIR/rows.EXT, missing: ['7']}, numeric_missing: zero, valid_fraction: 0.2,
            group: c0, fields: [{column: c1}, {column: c2, encode: {hash: 9}}]}";
        for text in [direct, kept] {
            let [text, columns] = both(&files, text, &[label("l", "l"), label("large", "l && c0 > 9007199254740993")]);
            assert_same(&text, &columns);
        }
    }
}
