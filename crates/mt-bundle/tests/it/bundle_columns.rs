//! A bundle keeps which columns a gate and a tower read.

use std::collections::BTreeMap;

use candle_core::Device;
use mt_bundle::{Predictor, Signature, TableFormat, push_json, write_json};

use crate::checkpoint::{checkpoint, export, load, signature, write};

/// Of the task `task`.
fn fields(task: &str, names: &[&str]) -> BTreeMap<String, Vec<String>> {
    [(task.to_owned(), names.iter().map(|&name| name.to_owned()).collect())].into()
}

/// A model whose gate of `like` reads a number and a field, and whose tower of `seconds` another field and a number.
fn mixed() -> Signature {
    let mut signature = signature();
    signature.model.gate_fields = fields("like", &["user", "x"]);
    signature.model.tower_fields = fields("seconds", &["age", "item"]);
    signature
}

#[test]
fn a_bundle_predicts_what_the_checkpoint_does_and_follows_a_field_to_the_tower_that_reads_it() {
    let folder = checkpoint();
    write(&folder.path().join("run"), &mixed());
    let (run, bundle) = (load(&folder.path().join("run")), load(&export(&folder, "out", TableFormat::F32)));
    assert_eq!(bundle.signature().model, mixed().model);
    let predict = |predictor: &Predictor| {
        let mut raw = predictor.rows();
        let pushed = crate::checkpoint::rows().iter().try_for_each(|row| push_json(&mut raw, row));
        pushed.expect("good rows");
        predictor.predict_rows(&raw).expect("predictions").values().to_vec()
    };
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(predict(&run)), bits(predict(&bundle)));

    // Columns of the same number, but others.
    let mut other = mixed();
    other.model.tower_fields = fields("seconds", &["x", "item"]);
    write_json(&folder.path().join("run").join(Signature::FILE), &other).expect("a file");
    let other = predict(&load(&folder.path().join("run")));
    let (of_run, seconds) = (predict(&run), |values: &[f32]| values[4].to_bits());
    assert_ne!(seconds(&of_run), seconds(&other));
    assert_eq!(bits(of_run[..4].to_vec()), bits(other[..4].to_vec()));

    let mut unknown = mixed();
    unknown.model.gate_fields = fields("like", &["usr"]);
    write_json(&folder.path().join("run").join(Signature::FILE), &unknown).expect("a file");
    let error = Predictor::load(&folder.path().join("run"), &Device::Cpu).expect_err("no such field");
    let expected =
        "model.gate_fields.like: the data has no field or numeric column \"usr\"; did you mean \"user\"?";
    assert_eq!(error.to_string(), expected);
}
