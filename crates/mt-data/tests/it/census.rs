//! The census data set against the facts known about it.

use std::collections::BTreeSet;
use std::path::Path;

use mt_data::{CsvConfig, DataConfig, Dataset, Output, Result, TableReader};
use mt_datasets::census::{FileSummary, Form, Protocol, convert};
use mt_features::Layout;

use crate::support::{Files, headerless, label_at, real_data};

fn converted(raw: &Path, protocol: Protocol) -> (Files, Vec<FileSummary>) {
    let files = Files::new();
    let summary = convert_to(&files, raw, protocol).unwrap();
    (files, summary)
}

/// Writes the files of the conversion into a folder.
fn convert_to(files: &Files, raw: &Path, protocol: Protocol) -> Result<Vec<FileSummary>> {
    let create = |name: &str| Output::create(files.path(name).as_ref());
    let converted = convert::<_, mt_data::Error>(raw, protocol, Form::OneHot, 1, create, &|_| ())?;
    converted.outputs.into_iter().try_for_each(Output::finish)?;
    Ok(converted.files)
}

#[test]
fn the_conversion_agrees_with_every_known_fact() {
    let Some(raw) = real_data("the_conversion_agrees_with_every_known_fact") else { return };
    let (files, summary) = converted(&raw, Protocol::Study);
    let [train, valid, test] = &summary[..] else { panic!("{summary:?}") };
    assert_eq!((train.rows, train.columns, train.positives), (199_523, 501, [86_485, 12_382]));
    assert_eq!(format!("{:.2}", train.non_zeros), "34.10");
    assert_eq!((valid.rows, test.rows), (49_881, 49_881));
    assert_eq!(valid.positives[1] + test.positives[1], 6_186);

    // The study's own rows, byte for byte.
    let text = std::fs::read_to_string(files.path("train.csv")).unwrap();
    let lines: BTreeSet<&str> = text.lines().collect();
    let sample = std::fs::read_to_string(raw.join("video_sample_30rows.csv")).unwrap();
    assert_eq!(sample.lines().count(), 30);
    assert!(sample.lines().all(|line| lines.contains(line)));

    let names = std::fs::read_to_string(files.path("columns.txt")).unwrap();
    assert_eq!(names.lines().count(), 501);
    assert_eq!(names.lines().nth(13), Some("class_worker=Federal government"));

    // And read back.
    let csv = CsvConfig {
        valid: Some(files.path("valid.csv").into()),
        test: Some(files.path("test.csv").into()),
        names: Some(files.path("columns.txt").into()),
        ..headerless(files.path("train.csv"))
    };
    let tasks = [label_at("completion", 0), label_at("like", 1)];
    let reader = TableReader::open_training(&csv.train, &csv, &tasks).unwrap();
    let non_zeros: u64 = reader.map(|table| table.unwrap().numeric().non_zeros()).sum();
    assert_eq!(non_zeros as f64 / 199_523.0, train.non_zeros);
    let dataset = Dataset::load(&DataConfig::files(csv), &tasks, &|_| ()).unwrap();
    assert_eq!(dataset.train.positives(0), (86_485, 199_523));
    assert_eq!(dataset.train.positives(1), (12_382, 199_523));
    assert_eq!(dataset.normalizer.layout, Layout::Sparse);
    assert!(dataset.train.memory_bytes() < 80 << 20, "{}", dataset.train.memory_bytes());
}

#[test]
fn the_papers_protocol_lacks_education_and_instance_weight() {
    let Some(raw) = real_data("the_papers_protocol_lacks_education_and_instance_weight") else { return };
    let (files, summary) = converted(&raw, Protocol::Paper);
    // 17 categories of education and the weight.
    assert_eq!(summary[0].columns, 501 - 17 - 1);
    assert_eq!(summary[0].positives, [86_485, 12_382]);
    let names = std::fs::read_to_string(files.path("columns.txt")).unwrap();
    assert!(!names.contains("education") && !names.contains("instance_weight") && !names.contains("marital"));
}

#[test]
fn raw_files_that_are_not_there_or_not_census_files_are_named() {
    let files = Files::new();
    let message = || files.message(&convert_to(&files, files.0.path(), Protocol::Study).unwrap_err());
    assert_eq!(message(), "census-income.data: cannot be read");
    files.write("census-income.data", "1, 2, 3\n");
    files.write("census-income.test", "1, 2, 3\n");
    assert_eq!(message(), "census-income.data:1:1: expected 42 fields, found 3 (record 1)");
    let row = |income: &str| format!("{}, {income}\n", ["1"; 41].join(", "));
    files.write("census-income.test", row("50000+."));
    files.write("census-income.data", row("- 50000.") + &row("lots"));
    assert_eq!(
        message(),
        "census-income.data:2:124: field \"income_50k\": expected 50000+. or - 50000., found \"lots\" (record 2)"
    );
    assert!(!files.0.path().join("train.csv").exists(), "nothing half done is left behind");
}
