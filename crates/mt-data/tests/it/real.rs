//! Raw files of real data sets, read as they are.

use std::collections::BTreeSet;

use mt_features::{Encoder, Layout};

use crate::support::{Files, label, load, real_data, section};

/// The columns of the census data that are numbers; the rest are categories, the last one the income.
const NUMBERS: [usize; 11] = [0, 5, 16, 17, 18, 24, 30, 36, 38, 39, 40];

#[test]
fn the_raw_census_file_needs_no_conversion() {
    let Some(folder) = real_data("the_raw_census_file_needs_no_conversion") else { return };
    let categories = (0..41).filter(|column| !NUMBERS.contains(column) && *column != 7);
    let fields: Vec<String> = categories.map(|column| format!("{{column: {column}}}")).collect();
    let numbers = NUMBERS.map(|column| column.to_string()).join(", ");
    let text = format!(
        "{{csv: {{train: DIR/census-income.data.gz, test: DIR/census-income.test.gz, header: false,
          features: [{numbers}], missing: ['?']}}, valid_fraction: 0, fields: [{}]}}",
        fields.join(", ")
    );
    let folder = folder.to_str().unwrap().to_owned();
    let data = serde_yaml::from_str(&text.replace("DIR", &folder)).unwrap();
    let tasks =
        [label("completion", "`column 7` == 'Never married'"), label("like", "`column 41` == '50000+.'")];
    let data = load(&data, &tasks).unwrap();
    assert_eq!(data.schema.numeric.len(), 11);
    assert_eq!(data.schema.fields.len(), 29);
    assert_eq!(data.train.positives(0), (86_485, 199_523));
    assert_eq!(data.train.positives(1), (12_382, 199_523));
    let test = data.test.unwrap();
    assert_eq!((test.positives(1), test.len()), ((6_186, 99_762), 99_762));
    // The study's 488 one-hot columns are the categories of these 29 columns, `?` among them, which is the missing row here.
    let known: usize = data.encoders.tables.iter().map(|table| table.encoder.rows() - 2).sum();
    let missing = data.train.fields().iter().filter(|ids| ids.rows.contains(&1)).count();
    assert_eq!(known + missing, 488);
    // One category of the training file is not in the test file, and none is the other way round.
    let values = |table: &mt_features::Table| -> Vec<BTreeSet<u32>> {
        table.fields().iter().map(|ids| ids.rows.iter().copied().collect()).collect()
    };
    let pairs = values(&data.train).into_iter().zip(values(&test));
    let lacking: usize = pairs.map(|(train, test)| train.difference(&test).count()).sum();
    assert_eq!(lacking, 1);
    assert!(test.fields().iter().all(|ids| !ids.rows.contains(&0)));
    assert!(data.train.fields().iter().all(|ids| !ids.rows.contains(&0)));
    assert_eq!(data.normalizer.layout, Layout::Dense);
}

const KUAIRAND: &str = "
csv:
  train: DIR/log_standard_4_25_to_4_30.csv.gz
  features: [duration_ms, follow_user_num, register_days]
  missing: ['-124', 'UNKNOWN']
numeric_missing: mean
normalize: log1p-standard
group: user_id
split: {valid: date == 20220429, test: date == 20220430}
join:
- {file: DIR/user_features_pure.csv.gz, key: user_id}
- {file: DIR/video_features_basic_pure.csv.gz, key: video_id}
- {file: DIR/user_history_to_4_24.csv.gz, key: user_id}
fields:
- {column: user_id, encode: {vocabulary: {min_count: 2}}}
- {column: video_id, table: video, encode: {identity: 7583}}
- {column: watch_seq, table: video, separator: ' ', last: 50}
- {column: like_seq, table: video, separator: ' ', last: 50}
- {column: long_watch_seq, table: video, separator: ' ', last: 20, pooling: sum}
- {column: author_id, encode: {hash: 5000}}
- {column: user_active_degree}
- {column: tab}
- {column: duration_ms, name: duration, encode: {buckets: 20}}
";

#[test]
fn the_kuairand_log_is_read_with_its_side_tables() {
    let Some(folder) = real_data("the_kuairand_log_is_read_with_its_side_tables") else { return };
    let folder = folder.with_file_name("kuairand-pure");
    let text = KUAIRAND.replace("DIR", folder.to_str().unwrap()).replace("[duration_ms, ", "[");
    let data = serde_yaml::from_str(&text).unwrap();
    let tasks: Vec<mt_features::TaskConfig> = serde_yaml::from_str(
        "[{name: click, label: is_click}, {name: long_view, label: is_long_view == 1 || long_view == 1, where: is_click == 1},
          {name: ratio, label: 'min(play_time_ms / duration_ms, 5)', kind: regression, where: is_click == 1}]"
            .replace("is_long_view == 1 || ", "")
            .as_str(),
    )
    .unwrap();
    let start = std::time::Instant::now();
    let data = load(&data, &tasks).unwrap();
    #[expect(clippy::print_stdout, reason = "the rate is of interest beside the test's result")]
    {
        println!("{:.0} rows/s", 94_784.0 / start.elapsed().as_secs_f64());
    }
    let (valid, test) = (data.valid.unwrap(), data.test.unwrap());
    assert_eq!(data.train.len() + valid.len() + test.len(), 94_784);
    let clicks: usize = [&data.train, &valid, &test].map(|table| table.positives(0).0).iter().sum();
    assert_eq!(format!("{:.0}", 100.0 * clicks as f64 / 94_784.0), "44");
    let (_, in_space) = data.train.positives(1);
    assert_eq!(in_space, data.train.positives(0).0);
    assert_eq!(data.encoders.rows("video"), Some(7_585));
    let watched = &data.train.fields()[2];
    assert!(
        watched.rows.iter().all(|&row| (2..7_585).contains(&row)) && watched.rows.len() > data.train.len()
    );
    assert!((0..watched.len()).all(|row| watched.of(row).len() <= 50));
    let Some(Encoder::Buckets(edges)) = data.encoders.encoder("duration") else { panic!() };
    assert_eq!(edges.len(), 19);
    let groups = data.train.groups().unwrap();
    assert!(groups.iter().max().unwrap() > &10_000);
    assert!(data.train.numeric().to_dense().values.iter().all(|x| x.is_finite()));
}

#[test]
fn a_truncated_side_table_is_named() {
    let Some(folder) = real_data("a_truncated_side_table_is_named") else { return };
    let folder = folder.with_file_name("kuairand-pure");
    let whole = std::fs::read(folder.join("user_features_pure.csv.gz")).unwrap();
    let files = Files::with("users.csv.gz", &whole[..whole.len() / 2]);
    files.write("log.csv", "l,user_id\n1,7\n");
    let text = "{csv: {train: DIR/log.csv, features: none}, fields: [{column: user_id}], join: [{file: DIR/users.csv.gz, key: user_id}]}";
    let error = load(&section(&files, text), &[label("l", "l")]).unwrap_err();
    assert_eq!(files.message(&error), "users.csv.gz: not a complete gzip file");
}
