//! The configuration as it is written.

use mt_data::{BadRecords, DataConfig, Features};
use mt_features::{ColumnRef, Normalize, Normalizer, Schema, TaskConfig, TaskKind};

#[test]
fn the_shortest_configuration_has_every_default() {
    let data: DataConfig = serde_yaml::from_str("csv: { train: a.csv }").unwrap();
    let csv = data.csv.as_ref().unwrap();
    assert_eq!((&csv.train.0[..], csv.header, csv.delimiter), (&["a.csv".to_owned()][..], true, ','));
    assert_eq!((&csv.features, csv.on_bad_record), (&Features::All, BadRecords::Fail));
    assert_eq!((data.valid_fraction, data.test_fraction, data.split_seed), (0.1, None, 1));
    assert_eq!(data.normalize, Normalize::Standard);
    let synth: DataConfig = serde_yaml::from_str("synth: {}").unwrap();
    assert_eq!(synth.synth.unwrap().rows, 100_000);
}

#[test]
fn every_key_reads_and_writes_back() {
    let text = "
csv:
  train: [a.csv, 'b/*.csv']
  valid: v.csv.gz
  test: t
  header: false
  names: columns.txt
  delimiter: ;
  features: [age, 3]
  exclude: [0]
  on_bad_record: {skip: 100}
valid_fraction: 0.2
test_fraction: 0.3
split_seed: 7
normalize: log1p-standard
";
    let data: DataConfig = serde_yaml::from_str(text).unwrap();
    let csv = data.csv.as_ref().unwrap();
    assert_eq!(csv.on_bad_record, BadRecords::Skip(100));
    assert_eq!(csv.features, Features::List(vec![ColumnRef::Name("age".into()), ColumnRef::Index(3)]));
    assert_eq!(data.normalize, Normalize::Log1pStandard);
    let again: DataConfig = serde_yaml::from_str(&serde_yaml::to_string(&data).unwrap()).unwrap();
    assert_eq!(again, data);
    let tasks: Vec<TaskConfig> =
        serde_yaml::from_str("[{name: a, label: 0}, {name: b, label: x, kind: binary-softmax}]").unwrap();
    assert_eq!((tasks[0].kind, tasks[1].kind), (TaskKind::Binary, TaskKind::BinarySoftmax));
    let again: Vec<TaskConfig> = serde_yaml::from_str(&serde_yaml::to_string(&tasks).unwrap()).unwrap();
    assert_eq!(again, tasks);
}

#[test]
fn mistakes_are_reported_where_they_are() {
    let message = |text: &str| serde_yaml::from_str::<DataConfig>(text).unwrap_err().to_string();
    let unknown = message("csv:\n  train: a\n  headr: true\n");
    assert!(unknown.starts_with("csv: unknown field `headr`, expected one of `train`, `valid`"), "{unknown}");
    assert!(unknown.ends_with("at line 3 column 3"), "{unknown}");
    assert_eq!(
        message("csv:\n  train: a\n  on_bad_record: ignore\n"),
        "csv.on_bad_record: invalid value: string \"ignore\", expected `fail`, or `{skip: N}` at line 3 column 18"
    );
    assert_eq!(
        message("csv:\n  train: a\n  features: some\n"),
        "csv.features: invalid value: string \"some\", expected `all`, `none`, or a list of columns at line 3 column 13"
    );
    assert_eq!(
        message("csv:\n  train: a\n  exclude: [1.5]\n"),
        "csv.exclude[0]: invalid type: floating point `1.5`, expected a column name, or a column index from 0 \
         at line 3 column 13"
    );
    assert_eq!(
        message("csv:\n  train: 3\n"),
        "csv.train: invalid type: integer `3`, expected a path, or a list of paths at line 2 column 10"
    );
}

#[test]
fn schema_and_normaliser_can_be_stored_with_a_model() {
    let schema = Schema {
        numeric: vec!["x".into()],
        tasks: vec![mt_features::Task::new("like", TaskKind::BinarySoftmax)],
        ..Schema::default()
    };
    let text = serde_yaml::to_string(&schema).unwrap();
    assert_eq!(text, "numeric:\n- x\ntasks:\n- name: like\n  kind: binary-softmax\n");
    assert_eq!(serde_yaml::from_str::<Schema>(&text).unwrap(), schema);
    let normalizer = Normalizer::identity(2, mt_features::Layout::Sparse);
    let text = serde_yaml::to_string(&normalizer).unwrap();
    assert_eq!(serde_yaml::from_str::<Normalizer>(&text).unwrap(), normalizer);
}
