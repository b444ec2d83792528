//! From a configuration to normalised tables.

use mt_data::{CsvConfig, DataConfig, Dataset, Progress};
use mt_datasets::synth::SynthConfig;
use mt_features::{DenseRows, Layout, Normalize, Normalizer, Numeric, SparseRows, Stats, Table};

use crate::support::{Files, headerless, label, label_at, values};

#[test]
fn synthetic_data_is_split_normalised_and_its_best_auc_known() {
    let data = DataConfig::synthetic(SynthConfig { rows: 2000, ..SynthConfig::default() });
    let tasks = [label("completion", "completion"), label("like", "like")];
    let dataset = Dataset::load(&data, &tasks, &|_| ()).unwrap();
    let rows = |table: &Option<mt_features::Table>| table.as_ref().unwrap().len();
    assert_eq!((dataset.train.len(), rows(&dataset.valid), rows(&dataset.test)), (1600, 200, 200));
    assert_eq!(dataset.schema.tasks.len(), 2);
    assert!(dataset.bayes_auc.unwrap().iter().all(|auc| auc.unwrap() > 0.7));
    let stats = Stats::new(&dataset.train, &dataset.schema);
    let hour = stats.columns.iter().find(|column| column.name == "hour").unwrap().stats;
    assert!(hour.mean.abs() < 1e-5 && (hour.sd - 1.0).abs() < 1e-5, "{hour:?}");
    let flag = stats.columns.iter().find(|column| column.name == "is_mobile").unwrap().stats;
    assert!(flag.indicator);
}

#[test]
fn the_normaliser_sees_training_rows_only() {
    let files = Files::with("train.csv", "l,x\n0,10\n1,30\n");
    files.write("valid.csv", "l,x\n0,1000\n");
    let csv =
        CsvConfig { valid: Some(files.path("valid.csv").into()), ..CsvConfig::new(files.path("train.csv")) };
    let data = DataConfig { normalize: Normalize::MinMax, ..DataConfig::files(csv) };
    let dataset = Dataset::load(&data, &[label("l", "l")], &|_| ()).unwrap();
    assert_eq!(values(&dataset.train), [0.0, 1.0]);
    assert_eq!(values(&dataset.valid.unwrap()), [49.5]);
    assert!(dataset.test.is_none() && dataset.bayes_auc.is_none());
}

#[test]
fn valid_and_test_rows_are_set_aside_from_training_files() {
    let text: String = (0..100).map(|i| format!("{},{i}\n", i % 2)).collect();
    let files = Files::with("a.csv", text);
    let data = DataConfig {
        test_fraction: Some(0.2),
        normalize: Normalize::None,
        ..DataConfig::files(headerless(files.path("a.csv")))
    };
    let load = |seed| {
        let data = DataConfig { split_seed: seed, ..data.clone() };
        let d = Dataset::load(&data, &[label_at("l", 0)], &|_| ()).unwrap();
        [values(&d.train), values(&d.valid.unwrap()), values(&d.test.unwrap())]
    };
    let parts = load(1);
    assert_eq!(parts.each_ref().map(Vec::len), [70, 10, 20]);
    assert!(parts.iter().all(|part| part.is_sorted()));
    let mut all = parts.concat();
    all.sort_by(f32::total_cmp);
    assert!(all.into_iter().eq((0..100).map(|i| i as f32)));
    assert_eq!(load(1), parts);
    assert_ne!(load(2), parts);
}

#[test]
fn progress_ends_at_the_whole() {
    let text: String = (0..1000).map(|i| format!("{},{i}\n", i % 2)).collect();
    let files = Files::with("a.csv", &text);
    let last = std::sync::Mutex::new(Progress::default());
    let data = DataConfig::files(headerless(files.path("a.csv")));
    Dataset::load(&data, &[label_at("l", 0)], &|p| *last.lock().unwrap() = p).unwrap();
    let bytes = text.len() as u64;
    assert_eq!(*last.lock().unwrap(), Progress { bytes_done: bytes, bytes_total: Some(bytes), rows: 1000 });
}

#[test]
fn a_sparse_table_stays_sparse_after_normalisation_and_splits_alike() {
    let row = |i: usize| {
        let cells: Vec<String> = (0..50).map(|c| u8::from(c == i % 50).to_string()).collect();
        format!("{},{},{}\n", i % 2, i, cells.join(","))
    };
    let files = Files::with("a.csv", (0..500).map(row).collect::<String>());
    let data = DataConfig::files(headerless(files.path("a.csv")));
    let dataset = Dataset::load(&data, &[label_at("l", 0)], &|_| ()).unwrap();
    let valid = dataset.valid.unwrap();
    assert_eq!(dataset.normalizer.layout, Layout::Sparse);
    assert_eq!(
        (dataset.train.numeric().layout(), valid.numeric().layout()),
        (Layout::Sparse, Layout::Sparse)
    );
    // The count is standardised, so present in every row, and one flag is set.
    let batch = valid.slice(10..12);
    let mt_features::Numeric::Sparse(rows) = batch.numeric else { panic!() };
    assert_eq!(rows.offsets, [0, 2, 4]);
    assert_eq!(rows.columns[0], 0);
}

#[test]
fn a_table_made_in_rust_is_checked() {
    let sparse = |columns: &[u32], values: &[f32]| {
        let offsets = vec![0, 2, columns.len() as u32];
        Numeric::Sparse(SparseRows { width: 4, offsets, columns: columns.to_vec(), values: values.to_vec() })
    };
    let table = |numeric: Numeric, labels: [f32; 2], mask: [f32; 2]| {
        Table::new(numeric, labels.to_vec(), mask.to_vec(), 1).map_err(|error| error.to_string())
    };
    let good = table(sparse(&[0, 3, 0], &[1., 2., 3.]), [0., 1.], [1., 0.]).unwrap();
    // A column with a shift, so that normalising writes entries between those that are there.
    let mut shifted = good.clone();
    Normalizer::fit(&shifted, Normalize::MinMax).apply(&mut shifted).unwrap();
    let refused = |numeric, labels, mask| table(numeric, labels, mask).unwrap_err();
    let ones = [1.0; 2];
    assert_eq!(
        refused(sparse(&[0, 1, 3, 2], &[1.; 4]), ones, ones),
        "row 1: expected columns that ascend, each once, found 3 before 2"
    );
    assert_eq!(
        refused(sparse(&[1, 1, 3], &[1.; 3]), ones, ones),
        "row 0: expected columns that ascend, each once, found 1 before 1"
    );
    assert_eq!(
        refused(sparse(&[0, 1, 3], &[1., 1., f32::NAN]), ones, ones),
        "row 1: expected finite numbers, found NaN"
    );
    let dense = |values: [f32; 4]| Numeric::Dense(DenseRows { width: 2, values: values.to_vec() });
    assert_eq!(
        refused(dense([1., 2., f32::INFINITY, 0.]), ones, ones),
        "row 1: expected finite numbers, found inf"
    );
    assert_eq!(refused(dense([1.; 4]), [0., f32::NAN], ones), "row 1: expected finite labels, found NaN");
    let mask = "row 1: expected a mask of finite numbers from 0, found -1";
    assert_eq!(refused(dense([1.; 4]), ones, [1., -1.]), mask);
    assert!(sparse(&[0, 4, 1], &[1.; 3]).check().is_err());
}

#[test]
fn a_data_set_made_in_rust_is_checked() {
    let load = || {
        let data = DataConfig::synthetic(SynthConfig { rows: 100, ..SynthConfig::default() });
        Dataset::load(&data, &[label("like", "like")], &|_| ()).unwrap()
    };
    assert!(load().check().is_ok());
    let said = |change: fn(&mut Dataset)| {
        let mut data = load();
        change(&mut data);
        data.check().unwrap_err().to_string()
    };
    assert_eq!(said(|data| data.train = Table::empty(40, 1)), "train has no rows");
    assert!(said(|data| drop(data.schema.numeric.pop())).starts_with("columns of "));
    let task = |data: &mut Dataset| data.schema.tasks.push(data.schema.tasks[0].clone());
    assert_eq!(said(task), "tasks of a table: expected 2 values, found 1");
    let label = |data: &mut Dataset| {
        let numeric = Numeric::Dense(DenseRows { width: 40, values: vec![0.5; 80] });
        data.valid = Some(Table::new(numeric, vec![0.0, 7.0], vec![1.0; 2], 1).unwrap());
    };
    assert_eq!(said(label), "row 1: expected a label of its task's kind, found 7 for \"like\"");
}
