//! The built-in generator.

use mt_data::synth::{SynthConfig, column_names, feature_names, generate, write_csv};
use mt_data::{CsvConfig, Table};

use crate::support::{Files, label, read};

fn small(rows: usize) -> SynthConfig {
    SynthConfig { rows, ..SynthConfig::default() }
}

#[test]
fn rows_depend_on_their_number_alone() {
    let (few, many) = (generate(&small(500)).unwrap(), generate(&small(3000)).unwrap());
    assert_eq!(few.table.as_batch(), &many.table.slice(0..500));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| generate(&small(3000)).unwrap()).table, many.table);
    let other = generate(&SynthConfig { seed: 2, ..small(500) }).unwrap();
    assert_ne!(other.table, few.table);
}

#[test]
fn labels_are_as_frequent_and_as_predictable_as_the_page_says() {
    let synth = generate(&small(100_000)).unwrap();
    let share = |task| synth.table.positives(task).0 as f64 / synth.table.len() as f64;
    assert!((0.40..0.50).contains(&share(0)), "{}", share(0));
    assert!((0.04..0.10).contains(&share(1)), "{}", share(1));
    for auc in synth.truth.auc(None) {
        assert!((0.80..0.95).contains(&auc.unwrap()), "{auc:?}");
    }
}

#[test]
fn no_signal_leaves_nothing_to_predict() {
    let synth = generate(&SynthConfig { signal: 0.0, ..small(1000) }).unwrap();
    assert_eq!(synth.truth.auc(None), [Some(0.5), Some(0.5)]);
}

#[test]
fn correlation_is_that_of_the_true_scores() {
    for wanted in [-1.0, 0.0, 0.5, 1.0] {
        let synth = generate(&SynthConfig { correlation: wanted, ..small(50_000) }).unwrap();
        let logit = |p: f32| (f64::from(p) / (1.0 - f64::from(p))).ln();
        let scores: Vec<[f64; 2]> =
            synth.truth.probabilities.chunks_exact(2).map(|p| [logit(p[0]), logit(p[1])]).collect();
        let n = scores.len() as f64;
        let mean = |task: usize| scores.iter().map(|s| s[task]).sum::<f64>() / n;
        let (a, b) = (mean(0), mean(1));
        let cov = |x: usize, y: usize| {
            let m = [a, b];
            scores.iter().map(|s| (s[x] - m[x]) * (s[y] - m[y])).sum::<f64>() / n
        };
        let correlation = cov(0, 1) / (cov(0, 0) * cov(1, 1)).sqrt();
        assert!((correlation - wanted).abs() < 0.05, "{correlation} for {wanted}");
    }
}

#[test]
fn the_written_file_holds_the_very_same_rows() {
    let files = Files::new();
    let path = files.path("deep/synth.csv");
    assert_eq!(write_csv(&small(1000), path.as_ref()).unwrap(), 1000);
    let tasks = [label("completion", "completion"), label("like", "like")];
    let from_file = read(&CsvConfig::new(path), &tasks).unwrap();
    let (made, _) = generate(&small(1000)).unwrap().for_tasks(&tasks).unwrap();
    assert_eq!(from_file, made);
}

#[test]
fn tasks_may_name_labels_in_any_order() {
    let both = generate(&small(100)).unwrap().table;
    let (like, truth) = generate(&small(100)).unwrap().for_tasks(&[label("x", "like")]).unwrap();
    let expected: Vec<f32> = both.labels().chunks_exact(2).map(|row| row[1]).collect();
    assert_eq!((like.labels(), truth.tasks, Table::tasks(&like)), (&expected[..], 1, 1));
    let error = generate(&small(9)).unwrap().for_tasks(&[label("x", "likes")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tasks.x.label: no column \"likes\" in the synthetic data; did you mean \"like\"?"
    );
    let error = generate(&small(9)).unwrap().for_tasks(&[label("x", "hour")]).unwrap_err();
    assert_eq!(error.to_string(), "tasks.x.label: expected completion or like, found hour");
}

#[test]
fn settings_out_of_range_are_refused() {
    let message = |config: SynthConfig| generate(&config).unwrap_err().to_string();
    assert_eq!(message(small(0)), "data.synth.rows: expected 1 to 4294967295, found 0");
    let wide = SynthConfig { correlation: 1.5, ..small(1) };
    assert_eq!(message(wide), "data.synth.correlation: expected -1 to 1, found 1.5");
    let nan = SynthConfig { signal: f64::NAN, ..small(1) };
    assert_eq!(message(nan), "data.synth.signal: expected a number from 0, found NaN");
}

#[test]
fn there_are_forty_features() {
    assert_eq!((feature_names().len(), column_names().len()), (40, 42));
}
