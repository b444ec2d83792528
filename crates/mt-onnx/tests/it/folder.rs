//! What an export leaves on disk, and when it leaves nothing.

use mt_bundle::{Signature, write_json};
use mt_features::{Encoder, Growing};
use mt_layers::Columns;
use mt_models::candle_nn::VarBuilder;
use mt_models::testing::product;
use mt_models::{Architecture, Facts, ModelConfig, Registry, Sizes, Trunk};
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
        Export { model: &model, tables: true, registry: Registry::default() }
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
        Export { model: &model, tables, registry: Registry::default() }.write(&out).expect("an ONNX file");
        std::fs::metadata(out.join(Export::FILE)).expect("a file").len()
    };
    // 22 users, 102 items and 11 tags of 16 values.
    assert!(bytes(true) > bytes(false) + (22 + 102 + 11) * 16 * 4);
}

#[test]
fn a_list_read_with_attention_needs_its_table_in_the_graph() {
    let dir = tempfile::tempdir().expect("a folder");
    let (model, out) = (dir.path().join("model"), dir.path().join("onnx"));
    write(&model, &signature(mmoe(), Inputs::Attention));
    let refused = Export { model: &model, tables: false, registry: Registry::default() }.write(&out);
    let refused = refused.expect_err("a refusal");
    assert!(matches!(&refused, Error::Attention { field } if field == "seen"), "{refused}");
    assert!(refused.is_usage() && !out.exists());
}

/// A network that does not say how it is written.
#[derive(Debug)]
struct Unwritten(Box<dyn Architecture>);

impl Architecture for Unwritten {
    fn build(
        &self,
        sizes: Sizes<'_>,
        gates: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> candle_core::Result<Box<dyn Trunk>> {
        self.0.build(sizes, gates, vb)
    }

    fn facts(&self, tasks: &[&str]) -> Facts {
        self.0.facts(tasks)
    }
}

#[test]
fn a_network_without_a_form_in_onnx_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let (model, out) = (dir.path().join("model"), dir.path().join("onnx"));
    let registry =
        Registry::default().with("unwritten", |section| Ok(Box::new(Unwritten(product(section)?))));
    let cfg = ModelConfig { registry: registry.clone(), ..ModelConfig::new("unwritten") };
    write(&model, &signature(cfg, Inputs::Dense));
    let refused =
        Export { model: &model, tables: true, registry }.write(&out).expect_err("nothing is written");
    assert!(refused.to_string().contains("no form in ONNX") && refused.is_usage(), "{refused}");
    assert!(!out.exists());
}

#[test]
fn exports_that_cannot_be_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (model, out) = (dir.path().join("model"), dir.path().join("onnx"));
    let mut clashing = signature(mmoe(), Inputs::Fields);
    clashing.schema.tasks[0].name = "user".into();
    write(&model, &clashing);
    let error = Export { model: &model, tables: true, registry: Registry::default() }
        .write(&out)
        .expect_err("two values of a name");
    assert!(matches!(&error, Error::Name { name } if name == "user") && error.is_usage(), "{error}");
    let mut grown = signature(mmoe(), Inputs::Fields);
    write(&model, &grown);
    grown.encoders.tables[0].encoder = Encoder::Growing(Growing { capacity: 20, admit: 1, ttl: None });
    write_json(&model.join(Signature::FILE), &grown).expect("a file");
    let error = Export { model: &model, tables: true, registry: Registry::default() }
        .write(&out)
        .expect_err("a table that grows");
    assert!(matches!(&error, Error::Growing { table } if table == "user") && error.is_usage(), "{error}");
    let taken = Export { model: &model, tables: true, registry: Registry::default() }
        .write(&model)
        .expect_err("a folder that is there");
    assert!(matches!(taken, Error::Bundle(mt_bundle::Error::Exists { .. })) && taken.is_usage());
    std::fs::write(model.join("weights.safetensors"), "").expect("a file");
    let damaged = Export { model: &model, tables: true, registry: Registry::default() }
        .write(&out)
        .expect_err("no weights");
    assert!(matches!(damaged, Error::Bundle(mt_bundle::Error::File { .. })) && !damaged.is_usage());
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
}
