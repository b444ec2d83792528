//! The built-in generator.

use mt_datasets::synth::{SynthConfig, column_names, feature_names, generate, write_csv};

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
        let found = correlation(logits(&SynthConfig { correlation: wanted, ..small(50_000) }).into_iter());
        assert!((found - wanted).abs() < 0.05, "{found} for {wanted}");
    }
}

#[test]
fn the_written_text_holds_the_very_same_rows() {
    // More than are made at once.
    let config = small(70_000);
    let mut text = Vec::new();
    write_csv(&config, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    assert_eq!(header, column_names(&config).join(","));
    let cells: Vec<f32> = rows.lines().flat_map(|row| row.split(',').map(|x| x.parse().unwrap())).collect();
    let synth = generate(&config).unwrap();
    let features = synth.table.numeric().to_dense();
    assert_eq!(cells.len(), 70_000 * 42);
    for (row, cells) in cells.chunks_exact(42).enumerate() {
        assert_eq!((&cells[..2], &cells[2..]), (&synth.table.labels()[2 * row..][..2], features.row(row)));
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let message = |config: SynthConfig| generate(&config).unwrap_err().to_string();
    assert_eq!(message(small(0)), "data.synth.rows: expected 1 to 4294967295, found 0");
    let wide = SynthConfig { correlation: 1.5, ..small(1) };
    assert_eq!(message(wide), "data.synth.correlation: expected -1 to 1, found 1.5");
    let nan = SynthConfig { signal: f64::NAN, ..small(1) };
    assert_eq!(message(nan), "data.synth.signal: expected a number from 0, found NaN");
    for contexts in [0, 9] {
        let tabs = SynthConfig { contexts, ..small(1) };
        assert_eq!(message(tabs), format!("data.synth.contexts: expected 1 to 8, found {contexts}"));
    }
    let waves = SynthConfig { sinusoids: 1.5, ..small(1) };
    assert_eq!(message(waves), "data.synth.sinusoids: expected 0 to 1, found 1.5");
    let both = SynthConfig { sinusoids: 0.75, ..small(1) };
    assert_eq!(
        message(both),
        "data.synth.interaction + data.synth.sinusoids: expected a sum of at most 1, found 1.25"
    );
}

#[test]
fn there_are_forty_features_and_a_column_for_each_of_several_tabs() {
    let widths = |contexts| {
        let config = SynthConfig { contexts, ..small(1) };
        (
            feature_names(&config).len(),
            column_names(&config).len(),
            generate(&config).unwrap().table.numeric().width(),
        )
    };
    assert_eq!((widths(1), widths(3)), ((40, 42, 40), (43, 45, 43)));
    let names = column_names(&SynthConfig { contexts: 3, ..small(1) });
    assert_eq!((&names[0], &names[41], &names[44]), (&"completion".into(), &"noise".into(), &"tab_2".into()));
}

/// FNV-1a of all bits of the features and labels.
fn fingerprint(config: &SynthConfig) -> u64 {
    let table = generate(config).unwrap().table;
    let features = table.numeric().to_dense().values;
    let bytes = features.iter().chain(table.labels()).flat_map(|x| x.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn rows_without_tabs_and_sines_are_those_of_the_first_version() {
    assert_eq!(fingerprint(&small(2000)), 0xe364_2d07_bb26_9260);
    let other = SynthConfig { seed: 7, correlation: -0.25, ..small(2000) };
    assert_eq!(fingerprint(&other), 0xccf1_ac98_962a_a43c);
}

fn logits(config: &SynthConfig) -> Vec<[f64; 2]> {
    let logit = |p: f32| (f64::from(p) / (1.0 - f64::from(p))).ln();
    generate(config)
        .unwrap()
        .truth
        .probabilities
        .chunks_exact(2)
        .map(|p| [logit(p[0]), logit(p[1])])
        .collect()
}

/// The tab of each row, by its columns.
fn tabs(config: &SynthConfig) -> Vec<usize> {
    let rows = generate(config).unwrap().table.numeric().to_dense();
    let tab = |row: usize| {
        let flags = &rows.row(row)[40..];
        assert_eq!(flags.iter().sum::<f32>(), 1.0, "one tab a row: {flags:?}");
        flags.iter().position(|&flag| flag == 1.0).unwrap()
    };
    (0..rows.rows()).map(tab).collect()
}

/// Of the logits of two tasks, each about a mean of its own.
fn correlation(logits: impl Iterator<Item = [f64; 2]> + Clone) -> f64 {
    let n = logits.clone().count() as f64;
    let mean = [0, 1].map(|task: usize| logits.clone().map(|s| s[task]).sum::<f64>() / n);
    let cov =
        |a: usize, b: usize| logits.clone().map(|s| (s[a] - mean[a]) * (s[b] - mean[b])).sum::<f64>() / n;
    cov(0, 1) / (cov(0, 0) * cov(1, 1)).sqrt()
}

#[test]
fn what_a_task_follows_in_one_tab_the_other_follows_in_the_next() {
    let one = SynthConfig { correlation: 0.0, ..small(4000) };
    let two = SynthConfig { contexts: 2, ..one.clone() };
    let (plain, tabbed, tabs) = (logits(&one), logits(&two), tabs(&two));
    // The intercepts, -0.3 and -4.2, stay with the tasks.
    let offset = -0.3 + 4.2;
    for (row, &tab) in tabs.iter().enumerate() {
        let expected = match tab {
            0 => plain[row],
            _ => [plain[row][1] + offset, plain[row][0] - offset],
        };
        // Probabilities near 0 and 1 are rounded to single precision.
        for (found, expected) in tabbed[row].iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-3 * (1.0 + expected.abs().exp() * 1e-4),
                "row {row}: {found} for {expected}"
            );
        }
    }
    let features = |config: &SynthConfig| {
        let rows = generate(config).unwrap().table.numeric().to_dense();
        (0..4000).map(|row| rows.row(row)[..40].to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(features(&one), features(&two), "a tab changes labels alone");
}

#[test]
fn in_every_tab_the_tasks_correlate_as_asked_and_all_tabs_are_as_frequent() {
    for wanted in [-0.5, 0.0, 0.5] {
        let config = SynthConfig { correlation: wanted, contexts: 8, ..small(40_000) };
        let (logits, tabs) = (logits(&config), tabs(&config));
        for tab in 0..8 {
            let of_tab = || logits.iter().zip(&tabs).filter(move |&(_, &of)| of == tab).map(|(&s, _)| s);
            let found = correlation(of_tab());
            assert!((found - wanted).abs() < 0.06, "tab {tab}: {found} for {wanted}");
            assert!((4600..5400).contains(&of_tab().count()), "tab {tab}: {}", of_tab().count());
        }
    }
}

#[test]
fn the_best_possible_auc_is_reached_by_the_truth_with_tabs_and_sines_too() {
    let config = SynthConfig { contexts: 4, sinusoids: 0.4, ..small(20_000) };
    let synth = generate(&config).unwrap();
    for (task, expected) in synth.truth.auc(None).into_iter().enumerate() {
        // AUC of the probabilities on the labels drawn, by ranks.
        let of_row =
            |row: usize| (synth.truth.probabilities[2 * row + task], synth.table.labels()[2 * row + task]);
        let mut rows: Vec<(f32, f32)> = (0..20_000).map(of_row).collect();
        rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut negatives, mut won) = (0.0, 0.0);
        for &(_, label) in &rows {
            if label > 0.0 { won += negatives } else { negatives += 1.0 }
        }
        let auc = won / (negatives * (20_000.0 - negatives));
        assert!((auc - expected.unwrap()).abs() < 0.015, "task {task}: {auc}, expected {expected:?}");
    }
}

#[test]
fn sines_take_their_share_of_the_scores_variance() {
    let variance = |config: &SynthConfig| {
        let scores: Vec<f64> = logits(config).iter().map(|s| s[0]).collect();
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / scores.len() as f64
    };
    let none = SynthConfig { interaction: 0.0, ..small(20_000) };
    for sinusoids in [0.5, 1.0] {
        let config = SynthConfig { sinusoids, ..none.clone() };
        let found = variance(&config) / 4.0;
        assert!((found - 1.0).abs() < 0.1, "{found} of what is asked for");
        // Sines of a score are no longer that score.
        let both = logits(&none).into_iter().zip(logits(&config)).map(|(a, b)| [a[0], b[0]]);
        let along = correlation(both.collect::<Vec<_>>().into_iter());
        assert!((along - (1.0 - sinusoids).sqrt()).abs() < 0.25, "{along}");
    }
}
