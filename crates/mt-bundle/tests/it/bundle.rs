//! Bundles predict what their checkpoints do, from raw values too.

use candle_core::Device;
use mt_bundle::{Error, Export, Manifest, Predictions, Predictor, Signature, TableFormat, push_json};
use mt_features::{Ids, RawRows, Value};

use crate::checkpoint::{checkpoint, export, load, rows, signature, write};

fn pushed(predictor: &Predictor) -> RawRows {
    let mut raw = predictor.rows();
    rows().iter().try_for_each(|row| push_json(&mut raw, row)).expect("good rows");
    raw
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_bundle_predicts_the_bits_of_its_checkpoint() {
    let folder = checkpoint();
    let (run, bundle) = (load(&folder.path().join("run")), load(&export(&folder, "out", TableFormat::F32)));
    let raw = pushed(&run);
    let expected = run.predict(raw.numeric().clone(), raw.fields().to_vec()).expect("predictions");
    assert_eq!(expected.len(), 4 * 5);
    for predictor in [&run, &bundle] {
        let predictions = predictor.predict_rows(&pushed(predictor)).expect("predictions");
        assert_eq!(bits(predictions.values()), bits(&expected));
    }
    assert_eq!(run.signature(), bundle.signature());
    let files: std::collections::BTreeSet<_> = std::fs::read_dir(folder.path().join("out"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    let expected = [
        "README.md",
        "bundle.json",
        "check.json",
        "config.yaml",
        "model.json",
        "tables.safetensors",
        "weights.safetensors",
    ];
    assert!(files.iter().eq(expected), "{files:?}");
}

#[test]
fn rows_one_by_one_and_from_many_threads_are_the_rows_of_a_batch() {
    let folder = checkpoint();
    let predictor = load(&export(&folder, "out", TableFormat::F32));
    let batch = predictor.predict_rows(&pushed(&predictor)).expect("predictions");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (mut raw, mut out) = (predictor.rows(), Predictions::default());
                for (i, row) in (0..100).flat_map(|_| rows().into_iter().enumerate()) {
                    raw.clear();
                    push_json(&mut raw, &row).expect("a good row");
                    predictor.predict_into(&raw, &mut out).expect("predictions");
                    assert_eq!(out.len(), 1);
                    for task in ["like", "tab", "seconds"] {
                        let found = out.task(0, task).expect("a task");
                        assert_eq!(bits(found), bits(batch.task(i, task).expect("a task")));
                    }
                }
            });
        }
    });
    assert_eq!(batch.tasks().collect::<Vec<_>>(), ["like", "tab", "seconds"]);
    let classes: f32 = batch.task(0, "tab").expect("a task").iter().sum();
    assert!((classes - 1.0).abs() < 1e-6);
    assert_eq!((batch.task(4, "like"), batch.task(0, "likes")), (None, None));
    assert!(predictor.predict_rows(&predictor.rows()).expect("no predictions").is_empty());
}

#[test]
fn values_come_out_as_in_training() {
    let folder = checkpoint();
    let predictor = load(&folder.path().join("run"));
    let of = |row: Vec<(&str, Value<'_>)>| {
        let mut raw = predictor.rows();
        raw.push(row).expect("a good row");
        predictor.predict_rows(&raw).expect("predictions").values().to_vec()
    };
    let unknown = of(vec![("user", "nobody".into())]);
    assert_eq!(unknown, of(vec![("user", "someone".into())]));
    assert_ne!(unknown, of(vec![]));
    assert_eq!(of(vec![("user", "?".into()), ("age", "?".into())]), of(vec![]));
    assert_eq!(of(vec![("user", u64::MAX.into())]), of(vec![("user", "18446744073709551615".into())]));
    assert_ne!(of(vec![("user", u64::MAX.into())]), unknown);
    let list = [Value::from(1), Value::from(2), Value::from(3), Value::from(4)];
    assert_eq!(of(vec![("seen", (&list[..]).into())]), of(vec![("seen", " 2|3|4 ".into())]));
    // The rows that the encoders give, pooled by hand.
    let encoded = vec![
        Ids { offsets: None, rows: vec![0], keys: None },
        Ids { offsets: None, rows: vec![1], keys: None },
        Ids { offsets: Some(vec![0, 0]), rows: vec![], keys: None },
    ];
    let numeric = mt_features::Numeric::Dense(mt_features::DenseRows { width: 2, values: vec![0.25, 0.25] });
    assert_eq!(predictor.predict(numeric, encoded).expect("predictions"), unknown);
}

#[test]
fn tables_of_fewer_bits_are_smaller_and_nearly_as_good() {
    let folder = checkpoint();
    let exact = load(&folder.path().join("run"))
        .predict_rows(&pushed(&load(&folder.path().join("run"))))
        .expect("predictions");
    for (name, format) in
        [("f16", TableFormat::F16), ("bf16", TableFormat::Bf16), ("int8", TableFormat::Int8)]
    {
        let predictor = load(&export(&folder, name, format));
        let near = predictor.predict_rows(&pushed(&predictor)).expect("predictions");
        assert_ne!(near, exact);
        for (a, b) in near.values().iter().zip(exact.values()) {
            assert!((a - b).abs() < 2e-3, "{name}: {a} and {b}");
        }
    }
}

#[test]
fn an_export_never_replaces_a_folder() {
    let folder = checkpoint();
    let out = export(&folder, "out", TableFormat::F32);
    let checkpoint = folder.path().join("run");
    let again = Export {
        checkpoint: &checkpoint,
        tables: TableFormat::F16,
        rows: rows(),
        config: "",
        registry: mt_models::Registry::default(),
    };
    let error = again.write::<Error>(&out, |_| Ok(String::new())).expect_err("it exists");
    assert!(matches!(error, Error::Exists { .. }) && error.is_usage());
    // Nor does one that fails leave anything.
    let failing = Export {
        checkpoint: &checkpoint,
        tables: TableFormat::F32,
        rows: rows(),
        config: "",
        registry: mt_models::Registry::default(),
    };
    let failed = failing.write::<Error>(&folder.path().join("other"), |_| {
        Err(Error::Json { column: "as an".into(), found: "example".into() })
    });
    assert!(failed.is_err());
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
    load(&out);
}

#[test]
fn json_that_no_column_can_have_is_refused() {
    let folder = checkpoint();
    let predictor = load(&folder.path().join("run"));
    let mut raw = predictor.rows();
    let mut message = |text: &str| {
        let row = serde_json::from_str(text).expect("an object");
        push_json(&mut raw, &row).expect_err("must not fit").to_string()
    };
    let expected = "expected a number, a text, a list of these or null, found";
    assert_eq!(message(r#"{"age": true}"#), format!("column \"age\": {expected} true"));
    assert_eq!(message(r#"{"seen": [[1]]}"#), format!("column \"seen\": {expected} a list"));
    assert_eq!(message(r#"{"user": {"id": 1}}"#), format!("column \"user\": {expected} an object"));
    assert_eq!(message(r#"{"usr": 1}"#), "the model reads no column \"usr\"; did you mean \"user\"?");
    assert_eq!(message(r#"{"age": "old"}"#), "row 0: column \"age\": expected a number, found \"old\"");
    assert!(raw.is_empty());
}

#[test]
fn a_predictor_goes_on_when_its_files_are_truncated_overwritten_or_removed() {
    let folder = checkpoint();
    let run = folder.path().join("run");
    let tables = run.join(Signature::TABLES);
    let bytes = std::fs::read(&tables).expect("a file");
    let predict = |predictor: &Predictor| {
        let predictions = predictor.predict_rows(&pushed(predictor)).expect("predictions");
        bits(predictions.values())
    };
    for damage in [vec![], vec![0; bytes.len()]] {
        let predictor = load(&run);
        let before = predict(&predictor);
        std::fs::write(&tables, damage).expect("written in place");
        assert_eq!(predict(&predictor), before);
        std::fs::write(&tables, &bytes).expect("written in place");
    }
    let predictor = load(&run);
    let before = predict(&predictor);
    std::fs::remove_dir_all(&run).expect("removed");
    assert_eq!(predict(&predictor), before);
}

#[test]
fn the_manifest_names_every_file_that_predictions_depend_on() {
    let folder = checkpoint();
    assert_eq!(Manifest::find(&folder.path().join("run")).expect("no error"), None);
    let out = export(&folder, "out", TableFormat::Bf16);
    let manifest = Manifest::find(&out).expect("no error").expect("a manifest");
    manifest.verify(&out).expect("as written");
    let files: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
    assert_eq!(
        files,
        ["check.json", "config.yaml", "model.json", "tables.safetensors", "weights.safetensors"]
    );
    assert_eq!((manifest.format, manifest.tables), (1, TableFormat::Bf16));
    assert_eq!(manifest.encoders, format!("{:016x}", signature().encoders.fingerprint()));
    // People may write into the card.
    std::fs::write(out.join("README.md"), "# Ours\n").expect("a file");
    Predictor::load(&out, &Device::Cpu).expect("a model");
    write(&folder.path().join("run"), &signature());
}
