//! Reading for a model that exists: evaluation and prediction.

use mt_data::{CsvConfig, Features, Labels, Result, TableReader};
use mt_features::{ColumnRef, Layout, Normalizer, Schema, Table, TaskConfig};

use crate::support::{Files, headerless, join, label, label_at, values};

fn reopen(csv: &CsvConfig, train: &str, tasks: &[TaskConfig], file: &str, labels: Labels) -> Result<Table> {
    let training = CsvConfig { train: train.into(), ..csv.clone() };
    let schema: Schema = TableReader::open_training(&training.train, &training, tasks)?.schema();
    let normalizer = Normalizer::identity(schema.numeric.len(), Layout::Dense);
    join(TableReader::open(&file.into(), csv, &schema, tasks, &normalizer, labels)?)
}

#[test]
fn a_named_file_may_lack_labels_in_prediction_only() {
    let files = Files::with("train.csv", "like,a,done,b\n1,2,0,3\n");
    let (train, new) = (files.path("train.csv"), files.write("new.csv", "b,id,a\n30,x,20\n"));
    let tasks = [label("done", "done"), label("like", "like")];
    let csv = CsvConfig::new("unused");
    let table = reopen(&csv, &train, &tasks, &new, Labels::Optional).unwrap();
    assert_eq!((values(&table), table.mask()), (vec![20., 30.], &[0., 0.][..]));
    let error = reopen(&csv, &train, &tasks, &new, Labels::Required).unwrap_err();
    assert_eq!(files.message(&error), "tasks.done.label: no column \"done\" in new.csv");
    let some = files.write("some.csv", "a,b,like\n1,2,1\n");
    let table = reopen(&csv, &train, &tasks, &some, Labels::Optional).unwrap();
    assert_eq!((table.labels(), table.mask()), (&[0., 1.][..], &[0., 1.][..]));
}

#[test]
fn a_file_without_header_shows_by_its_width_whether_labels_are_there() {
    let files = Files::with("train.csv", "9,1,8,0,7\n");
    let train = files.path("train.csv");
    let tasks = [label_at("a", 1), label_at("b", 3)];
    let with = files.write("with.csv", "1,0,2,1,3\n");
    let without = files.write("without.csv", "1,2,3\n");
    let wrong = files.write("wrong.csv", "1,2,3,4\n");
    let all = headerless("unused");
    let listed =
        CsvConfig { features: Features::List([0, 2, 4].map(ColumnRef::Index).to_vec()), ..all.clone() };
    for csv in [all.clone(), listed] {
        let table = reopen(&csv, &train, &tasks, &with, Labels::Optional).unwrap();
        assert_eq!((values(&table), table.labels()), (vec![1., 2., 3.], &[0., 1.][..]));
        let table = reopen(&csv, &train, &tasks, &without, Labels::Optional).unwrap();
        assert_eq!((values(&table), table.mask()), (vec![1., 2., 3.], &[0., 0.][..]));
        assert!(reopen(&csv, &train, &tasks, &without, Labels::Required).is_err());
    }
    let error = reopen(&all, &train, &tasks, &wrong, Labels::Optional).unwrap_err();
    assert_eq!(files.message(&error), "wrong.csv: expected 5 columns, or 3 without labels, found 4");
    let error = reopen(&all, &train, &tasks, &wrong, Labels::Required).unwrap_err();
    assert_eq!(files.message(&error), "wrong.csv: expected 5 columns, found 4");
}

#[test]
fn excluded_columns_keep_their_place_when_labels_are_absent() {
    let files = Files::with("train.csv", "1,5,6,7\n");
    let tasks = [label_at("l", 0)];
    let csv = CsvConfig { exclude: vec![ColumnRef::Index(2)], ..headerless("unused") };
    let without = files.write("without.csv", "50,60,70\n");
    let table = reopen(&csv, &files.path("train.csv"), &tasks, &without, Labels::Optional).unwrap();
    assert_eq!(values(&table), [50., 70.]);
}

#[test]
fn a_file_of_names_covers_files_with_and_without_labels() {
    let files = Files::with("train.csv", "1,5,6\n");
    files.write("names.txt", "like\nage\nheight\n");
    let csv = CsvConfig { names: Some(files.path("names.txt").into()), ..headerless("unused") };
    let without = files.write("without.csv", "50,60\n");
    for task in [label("like", "like"), label_at("like", 0)] {
        let table = reopen(&csv, &files.path("train.csv"), &[task], &without, Labels::Optional).unwrap();
        assert_eq!((values(&table), table.mask()), (vec![50., 60.], &[0.][..]));
    }
}

#[test]
fn a_missing_feature_is_named_with_the_nearest_one() {
    let files = Files::with("train.csv", "l,height\n1,2\n");
    let new = files.write("new.csv", "l,heigth\n1,2\n");
    let train = files.path("train.csv");
    let csv = CsvConfig::new("unused");
    let error = reopen(&csv, &train, &[label("l", "l")], &new, Labels::Optional).unwrap_err();
    let expected = "new.csv: the feature column \"height\" is missing; did you mean \"heigth\"?";
    assert_eq!(files.message(&error), expected);
}
