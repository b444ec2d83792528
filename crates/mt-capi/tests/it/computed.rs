//! A model whose inputs are computed asks for the columns of which they are.

use candle_core::Device;
use mt_bundle::Predictor;
use mt_features::Computed;

use crate::bundles;
use crate::c::{Batch, Model};

#[test]
fn what_is_computed_of_values_of_c_is_what_is_computed_of_those_of_rust() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("bundle");
    bundles::change(&dir, 1, |signature| {
        let computed = |name: &str, value: &str| Computed { name: name.into(), value: value.into() };
        signature.schema.computed = vec![computed("x", "len(seen) + hour(time) / age")];
    });
    let predictor = Predictor::load(&dir, &Device::Cpu).expect("a bundle");
    let mut rows = predictor.rows();
    let time = "2026-03-07T20:05:00Z";
    rows.push([("age", 31.0.into()), ("seen", "1|2".into()), ("time", time.into())]).expect("a row");
    let expected = predictor.predict_rows(&rows).expect("predictions");
    let model = Model::load(&dir).expect("a bundle");
    assert!(model.column("x").is_err());
    let [age, seen, time_column] = ["age", "seen", "time"].map(|name| model.column(name).expect("a column"));
    let answer = |set: &dyn Fn(&mut Batch)| {
        let mut rows = model.rows();
        rows.number(age, 31.0).expect("a number");
        rows.list(seen, &[1, 2]).expect("a list");
        set(&mut rows);
        rows.add().expect("a row");
        let mut out = [0.0; 5];
        rows.predict(&mut out).expect("predictions");
        out.map(f32::to_bits).to_vec()
    };
    let bits: Vec<u32> = expected.values().iter().map(|x| x.to_bits()).collect();
    assert_eq!(answer(&|rows| rows.text(time_column, time).expect("a text")), bits);
    assert_eq!(answer(&|rows| rows.number(time_column, 1_772_913_900_000.0).expect("a number")), bits);
}
