//! Numbers beyond what single precision tells apart are rounded last.

use std::sync::Arc;

use mt_data::{DataConfig, Labels, TableReader};
use mt_features::{Layout, MissingPolicy, RawRows, RowEncoder, Table, TaskConfig, Value};

use crate::parquet_writer::{Column, Form, write};

use crate::support::{Files, label, load, section};

/// Unix seconds of an hour, in which single precision tells 29 moments apart.
const START: i64 = 1_772_892_000;

/// Row `i`: a time, a small number, a label that follows from the time.
fn row(i: i64) -> (i64, i64, bool) {
    let second = (i * 1237) % 3600;
    (START + second, i % 7, second % 128 < 64)
}

fn text(rows: std::ops::Range<i64>) -> String {
    let row = |i| {
        let (time, x, label) = row(i);
        format!("{time},{x},{}\n", u8::from(label))
    };
    format!("time,x,l\n{}", rows.map(row).collect::<String>())
}

fn tasks() -> Vec<TaskConfig> {
    vec![label("l", "l")]
}

/// What standardising in double precision would give of the times of the training rows.
fn expected(rows: std::ops::Range<i64>) -> Vec<f64> {
    let times: Vec<f64> = rows.map(|i| row(i).0 as f64).collect();
    let n = times.len() as f64;
    let mean = times.iter().sum::<f64>() / n;
    let sd = (times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / n).sqrt();
    times.iter().map(|time| (time - mean) / sd).collect()
}

fn times(data: &Table) -> Vec<f32> {
    let numeric = data.numeric().to_dense();
    (0..data.len()).map(|row| numeric.row(row)[0]).collect()
}

const TEXT: &str = "
csv: {train: DIR/train.csv, valid: DIR/valid.csv}
";

fn files() -> Files {
    let files = Files::with("train.csv", text(0..2000));
    files.write("valid.csv", text(2000..2100));
    files
}

#[test]
fn unix_seconds_are_standardised_in_double_precision() {
    let files = files();
    let data = load(&section(&files, TEXT), &tasks()).unwrap();
    let base = data.normalizer.columns[0].base;
    assert!((base - START as f64).abs() < 3600.0 && data.normalizer.columns[1].base == 0.0, "{base}");
    for (found, expected) in times(&data.train).into_iter().zip(expected(0..2000)) {
        assert!((f64::from(found) - expected).abs() < 1e-5, "{found} for {expected}");
    }
    // Validation rows are less the same base, and scaled alike.
    let (valid, known) = (data.valid.unwrap().numeric().to_dense(), times(&data.train));
    let scale = f64::from(known[1] - known[0]) / (row(1).0 - row(0).0) as f64;
    let wanted = f64::from(known[0]) + scale * (row(2000).0 - row(0).0) as f64;
    assert!((f64::from(valid.row(0)[0]) - wanted).abs() < 1e-5);
    // People see the numbers themselves.
    assert!((data.identity.train.means[0] - START as f32).abs() < 3600.0);
}

#[test]
fn what_is_large_is_said_by_the_rows_not_by_blocks_threads_or_the_kind_of_file() {
    let files = files();
    let config = section(&files, TEXT);
    let whole = load(&config, &tasks()).unwrap();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| load(&config, &tasks()).unwrap());
        assert_eq!((&again.train, &again.normalizer), (&whole.train, &whole.normalizer));
    }
    let rows: Vec<(i64, i64, bool)> = (0..2000).map(row).collect();
    let columns = [
        ("time", Column::Longs(rows.iter().map(|row| Some(row.0)).collect())),
        ("x", Column::Longs(rows.iter().map(|row| Some(row.1)).collect())),
        ("l", Column::Bools(rows.iter().map(|row| Some(row.2)).collect())),
    ];
    write(files.path("train.parquet"), &columns, Form::default());
    let typed = section(&files, "parquet: {train: DIR/train.parquet}\nvalid_fraction: 0");
    let typed = load(&typed, &tasks()).unwrap();
    assert_eq!((&typed.train, &typed.normalizer), (&whole.train, &whole.normalizer));
    for i in 0..40 {
        files.write(&format!("p{i:02}.csv"), text(50 * i..50 * i + 50));
    }
    let parts = DataConfig { valid_fraction: 0.0, ..section(&files, "csv: {train: DIR/p*.csv}") };
    let parts = load(&parts, &tasks()).unwrap();
    assert_eq!((&parts.train, &parts.normalizer), (&whole.train, &whole.normalizer));
}

#[test]
fn a_caller_has_the_numbers_of_a_file() {
    let files = files();
    for extra in ["", "numeric_missing: zero", "numeric_missing: mean"] {
        let config = section(&files, &format!("{TEXT}{extra}\nnumbers: [{{name: later, value: time + 1}}]"));
        let data = load(&config, &tasks()).unwrap();
        assert!(data.normalizer.columns[2].base != 0.0, "computed numbers too");
        let encoder =
            RowEncoder::new(&data.schema, &data.encoders, &data.normalizer, &config.missing_policy())
                .unwrap();
        let mut rows = RawRows::new(Arc::new(encoder));
        files.write("new.csv", format!("x,time\n1,{}\n2,{}.5\n", START + 7, START + 1001));
        rows.push([("time", (START + 7).into()), ("x", 1.into())]).unwrap();
        rows.push([("time", Value::Text(format!("{}.5", START + 1001).as_bytes())), ("x", 2.0.into())])
            .unwrap();
        if !extra.is_empty() {
            files.write("new.csv", format!("x,time\n1,{}\n2,{}.5\n,\n", START + 7, START + 1001));
            rows.push([]).unwrap();
        }
        let mut reader = TableReader::open_encoded(
            &files.path("new.csv").into(),
            &config,
            &data.schema,
            &tasks(),
            &data.normalizer,
            &data.encoders,
            Labels::Ignored,
        )
        .unwrap();
        let read = reader.next().unwrap().unwrap();
        assert_eq!(read.numeric().to_dense(), rows.numeric().to_dense(), "{extra}");
        let second = f64::from(data.normalizer.columns[0].scale);
        let of = |row: usize| f64::from(read.numeric().to_dense().row(row)[0]);
        assert!((of(1) - of(0) - 994.5 * second).abs() < 1e-5, "994.5 seconds lie between the rows");
    }
}

#[test]
fn columns_of_zeros_and_large_numbers_keep_both() {
    // Never, or when: most rows are zero, so that they are kept sparse.
    let row = |i: i64| match i % 10 {
        0 => format!("{},{},{}\n", START + i, i % 2, u8::from(i % 3 == 0)),
        _ => format!("0,0,{}\n", u8::from(i % 3 == 0)),
    };
    let files = Files::with("train.csv", format!("last,x,l\n{}", (0..1000).map(row).collect::<String>()));
    let config = section(&files, "csv: {train: DIR/train.csv}\nvalid_fraction: 0");
    let data = load(&config, &tasks()).unwrap();
    let encoder = |layout| {
        let normalizer = mt_features::Normalizer { layout, ..data.normalizer.clone() };
        let policy = MissingPolicy::default();
        Arc::new(RowEncoder::new(&data.schema, &data.encoders, &normalizer, &policy).unwrap())
    };
    for layout in [Layout::Dense, Layout::Sparse] {
        let mut rows = RawRows::new(encoder(layout));
        for i in 0..1000i64 {
            let last = if i % 10 == 0 { START + i } else { 0 };
            let x = if i % 10 == 0 { i % 2 } else { 0 };
            rows.push([("last", last.into()), ("x", x.into())]).unwrap();
        }
        assert_eq!(rows.numeric().to_dense(), data.train.numeric().to_dense());
    }
}

#[test]
fn other_scales_are_of_the_numbers_as_they_are() {
    let files = files();
    for kind in ["none", "log1p-standard"] {
        let data = load(&section(&files, &format!("{TEXT}normalize: {kind}")), &tasks()).unwrap();
        assert_eq!(data.normalizer.columns[0].base, 0.0, "{kind}");
    }
    let data = load(&section(&files, &format!("{TEXT}normalize: min-max")), &tasks()).unwrap();
    let range = times(&data.train).into_iter().fold((1.0f32, 0.0f32), |(a, b), x| (a.min(x), b.max(x)));
    assert_eq!(range, (0.0, 1.0));
}

#[test]
fn unix_seconds_are_put_into_buckets_in_double_precision() {
    let files = files();
    let text = "csv: {train: DIR/train.csv, features: [x]}\nvalid_fraction: 0\nfields: [{column: time, encode: {buckets: 60}}]";
    let data = load(&section(&files, text), &tasks()).unwrap();
    let found = &data.train.fields()[0].rows;
    // 2000 moments, all of them different: 34 a bucket, in the order of time.
    let mut counts = [0; 60];
    found.iter().for_each(|&bucket| counts[bucket as usize - 2] += 1);
    assert!(counts[..58].iter().all(|&n| n == 34), "{counts:?}");
    let mut order: Vec<(i64, u32)> = (0..2000).map(|i| (row(i).0, found[i as usize])).collect();
    order.sort_unstable();
    assert!(order.is_sorted_by_key(|&(_, bucket)| bucket));
    // A caller's are the same.
    let policy = MissingPolicy::default();
    let encoder = RowEncoder::new(&data.schema, &data.encoders, &data.normalizer, &policy).unwrap();
    let mut rows = RawRows::new(Arc::new(encoder));
    (0..2000).for_each(|i| rows.push([("time", row(i).0.into()), ("x", 1.into())]).unwrap());
    assert_eq!(&rows.fields()[0].rows, found);
}

#[test]
fn a_number_in_single_precision_is_in_the_bucket_of_its_text() {
    let files = Files::with("train.csv", "b,l\n0.1,0\n0.7,1\n0.3,1\n0.9,0\n");
    let text = "csv: {train: DIR/train.csv, features: none}\nvalid_fraction: 0\nfields: [{column: b, encode: {buckets: 4}}]";
    let data = load(&section(&files, text), &tasks()).unwrap();
    assert_eq!(data.encoders.encoder("b"), Some(&mt_features::Encoder::Buckets(vec![0.3, 0.7, 0.9])));
    let encoder =
        RowEncoder::new(&data.schema, &data.encoders, &data.normalizer, &MissingPolicy::default()).unwrap();
    let mut rows = RawRows::new(Arc::new(encoder));
    for x in [0.1f32, 0.7, 0.3, 0.9] {
        rows.push([("b", Value::Single(x))]).unwrap();
        rows.push([("b", f64::from(x).to_string().as_str().into())]).unwrap();
    }
    let each = |of: usize| rows.fields()[0].rows.iter().skip(of).step_by(2).copied().collect::<Vec<u32>>();
    assert_eq!(each(0), data.train.fields()[0].rows);
    // Which another number is not.
    assert_ne!(each(1), each(0));
}

#[test]
fn large_numbers_that_begin_late_are_rounded_and_said_to_be() {
    let late = |i: i64| match i {
        0..1000 => format!(",{},{}\n", i % 7, i % 2),
        i => format!("{},{},{}\n", START + i % 600, i % 7, i % 2),
    };
    let files = Files::with("train.csv", format!("time,x,l\n{}", (0..3000).map(late).collect::<String>()));
    let config = section(&files, "csv: {train: DIR/train.csv}\nvalid_fraction: 0\nnumeric_missing: mean");
    let data = load(&config, &tasks()).unwrap();
    assert_eq!(data.normalizer.columns[0].base, 0.0);
    let said: Vec<String> = data.rounding().collect();
    assert_eq!(said.len(), 1);
    let expected = "numbers of column \"time\" are rounded to multiples of 128 before they are scaled";
    assert!(said[0].starts_with(expected), "{said:?}");
    // What it says to write leaves nothing to say.
    let less = format!("numbers: [{{name: second, value: time - {START}}}]");
    let text = format!(
        "csv: {{train: DIR/train.csv, features: [x]}}\nvalid_fraction: 0\nnumeric_missing: mean\n{less}"
    );
    let data = load(&section(&files, &text), &tasks()).unwrap();
    assert_eq!(data.rounding().count(), 0);
    // Nor do numbers that are large early, spread far, or small.
    let early = self::files();
    assert_eq!(load(&section(&early, TEXT), &tasks()).unwrap().rounding().count(), 0);
}
