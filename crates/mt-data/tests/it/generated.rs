//! Rows of the built-in generator as a data set.

use mt_data::{CsvConfig, DataConfig, Output};
use mt_datasets::synth::{SynthConfig, generate, write_csv};
use mt_features::Normalize;

use crate::support::{Files, label, load, read};

fn data(rows: usize) -> DataConfig {
    let synth = SynthConfig { rows, ..SynthConfig::default() };
    let synthetic = DataConfig::synthetic(synth);
    DataConfig { valid_fraction: 0.0, test_fraction: Some(0.0), normalize: Normalize::None, ..synthetic }
}

#[test]
fn generated_rows_are_those_of_the_file_that_is_written() {
    let files = Files::new();
    let path = files.path("deep/synth.csv");
    let mut output = Output::create(path.as_ref()).unwrap();
    write_csv(data(1000).synth.as_ref().unwrap(), &mut output).unwrap();
    output.finish().unwrap();
    let tasks = [label("completion", "completion"), label("like", "like")];
    assert_eq!(read(&CsvConfig::new(path), &tasks).unwrap(), load(&data(1000), &tasks).unwrap().train);
}

#[test]
fn tasks_may_name_labels_in_any_order() {
    let synth = generate(data(100).synth.as_ref().unwrap()).unwrap();
    let like = load(&data(100), &[label("x", "like")]).unwrap();
    let expected: Vec<f32> = synth.table.labels().chunks_exact(2).map(|row| row[1]).collect();
    assert_eq!((like.train.labels(), like.train.tasks()), (&expected[..], 1));
    let refused = |column: &str| load(&data(9), &[label("x", column)]).unwrap_err().to_string();
    assert_eq!(
        refused("likes"),
        "tasks.x.label: no column \"likes\" in the synthetic data; did you mean \"like\"?"
    );
    assert_eq!(refused("hour"), "tasks.x.label: expected completion or like, found hour");
}

#[test]
fn more_rows_than_memory_holds_are_refused_before_they_are_made() {
    let error = load(&data(u32::MAX as usize), &[label("x", "like")]).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("data.synth.rows: expected as many rows as memory has room for"), "{error}");
}
