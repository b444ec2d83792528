//! What an export leaves on disk, and when it leaves nothing.

use mt_features::{Encoder, Growing};
use mt_models::{ModelConfig, Signature, write_json};
use mt_onnx::{Error, Export};

use crate::model::{Inputs, signature, write};

fn mmoe() -> ModelConfig {
    ModelConfig::new("mmoe").with("experts", 2)
}

#[test]
fn a_model_gives_the_same_files_every_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("model");
    write(&model, &signature(mmoe(), Inputs::Mixed));
    let files = |name: &str| {
        let out = dir.path().join(name);
        Export { model: &model, tables: true, registry: mt_models::Registry::default() }
            .write(&out)
            .expect("an ONNX file");
        let read = |file: &str| std::fs::read(out.join(file)).expect("a file");
        assert_eq!(std::fs::read_dir(&out).expect("a folder").count(), 2);
        (read(Export::FILE), read(Export::ENCODERS))
    };
    let (first, second) = (files("first"), files("second"));
    assert!(first == second);
    let encoders: serde_json::Value = serde_json::from_slice(&first.1).expect("JSON");
    assert_eq!(encoders["numeric"], serde_json::json!(["x0", "x1"]));
    assert_eq!(encoders["fields"][1]["name"], "seen");
    assert_eq!(encoders["encoders"]["tables"][1]["encoder"], serde_json::json!({ "hash": 100 }));
}

#[test]
fn a_file_without_tables_does_not_grow_with_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = dir.path().join("model");
    write(&model, &signature(mmoe(), Inputs::Mixed));
    let bytes = |tables: bool| {
        let out = dir.path().join(format!("{tables}"));
        Export { model: &model, tables, registry: mt_models::Registry::default() }
            .write(&out)
            .expect("an ONNX file");
        std::fs::metadata(out.join(Export::FILE)).expect("a file").len()
    };
    // 22 users, 102 items and 11 tags of 16 values.
    assert!(bytes(true) > bytes(false) + (22 + 102 + 11) * 16 * 4);
}

#[test]
fn exports_that_cannot_be_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (model, out) = (dir.path().join("model"), dir.path().join("onnx"));
    let mut clashing = signature(mmoe(), Inputs::Fields);
    clashing.schema.tasks[0].name = "user".into();
    write(&model, &clashing);
    let error = Export { model: &model, tables: true, registry: mt_models::Registry::default() }
        .write(&out)
        .expect_err("two values of a name");
    assert!(matches!(&error, Error::Name { name } if name == "user") && error.is_usage(), "{error}");
    let mut grown = signature(mmoe(), Inputs::Fields);
    write(&model, &grown);
    grown.encoders.tables[0].encoder = Encoder::Growing(Growing { capacity: 20, admit: 1, ttl: None });
    write_json(&model.join(Signature::FILE), &grown).expect("a file");
    let error = Export { model: &model, tables: true, registry: mt_models::Registry::default() }
        .write(&out)
        .expect_err("a table that grows");
    assert!(matches!(&error, Error::Growing { table } if table == "user") && error.is_usage(), "{error}");
    let taken = Export { model: &model, tables: true, registry: mt_models::Registry::default() }
        .write(&model)
        .expect_err("a folder that is there");
    assert!(matches!(taken, Error::Model(mt_models::Error::Exists { .. })) && taken.is_usage());
    std::fs::write(model.join("weights.safetensors"), "").expect("a file");
    let damaged = Export { model: &model, tables: true, registry: mt_models::Registry::default() }
        .write(&out)
        .expect_err("no weights");
    assert!(matches!(damaged, Error::Model(mt_models::Error::File { .. })) && !damaged.is_usage());
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
}
