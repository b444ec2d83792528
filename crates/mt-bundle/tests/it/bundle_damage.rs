//! Whatever happens to a bundle's files, loading it says which one is at fault.

use std::path::Path;

use candle_core::Device;
use mt_bundle::{Error, Manifest, Predictor, TableFormat};
use serde_json::json;

use crate::checkpoint::{checkpoint, export};

fn refused(dir: &Path) -> String {
    let error = Predictor::load(dir, &Device::Cpu).expect_err("must not load");
    let folder = format!("{}/", dir.display());
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}").replace(&folder, "")
}

/// Loads the bundle with one file changed, then puts it back.
fn with(dir: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let path = dir.join(name);
    let before = std::fs::read(&path).expect("a file");
    let mut bytes = before.clone();
    change(&mut bytes);
    std::fs::write(&path, bytes).expect("a file");
    let message = refused(dir);
    std::fs::write(&path, before).expect("a file");
    message
}

#[test]
fn a_file_that_is_short_changed_or_missing_is_named() {
    let folder = checkpoint();
    let out = export(&folder, "out", TableFormat::F32);
    let manifest = Manifest::find(&out).expect("no error").expect("a manifest");
    for (name, contents) in &manifest.files {
        let n = contents.bytes;
        assert_eq!(
            with(&out, name, |bytes| bytes.truncate(bytes.len() - 1)),
            format!("{name}: has {} bytes, bundle.json has {n} for it", n - 1)
        );
        let turned = |bytes: &mut Vec<u8>| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        };
        if name != "tables.safetensors" {
            let problem = "is damaged: its SHA-256 is not the one in bundle.json";
            assert_eq!(with(&out, name, turned), format!("{name}: {problem}"));
        }
        let away = folder.path().join("away");
        std::fs::rename(out.join(name), &away).expect("moved");
        let message = refused(&out);
        assert!(message.starts_with(&format!("{name}: cannot find a file of the bundle: ")), "{message}");
        std::fs::rename(&away, out.join(name)).expect("moved back");
    }
    Predictor::load(&out, &Device::Cpu).expect("whole again");
}

#[test]
fn a_table_that_was_changed_shows_in_the_recorded_rows_and_in_its_hash() {
    let folder = checkpoint();
    let out = export(&folder, "out", TableFormat::F32);
    let path = out.join("tables.safetensors");
    let bytes = std::fs::read(&path).expect("a file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
    let values = tensors.tensor("user.values").expect("a tensor").data();
    // Row 4 is the second that was trained: user 18446744073709551615.
    let at = values.as_ptr().addr() - bytes.as_ptr().addr() + values.len() / 2 + 3;
    let message = with(&out, "tables.safetensors", |bytes| bytes[at] ^= 0x40);
    assert!(message.starts_with("check.json: row 1 is predicted as [Some("), "{message}");
    let mut turned = bytes.clone();
    turned[at] ^= 0x40;
    std::fs::write(&path, turned).expect("a file");
    let manifest = Manifest::find(&out).expect("no error").expect("a manifest");
    let error = manifest.verify(&out).expect_err("the hash differs").to_string();
    assert!(
        error.ends_with("tables.safetensors: is damaged: its SHA-256 is not the one in bundle.json"),
        "{error}"
    );
}

#[test]
fn a_manifest_that_cannot_be_is_refused() {
    let folder = checkpoint();
    let out = export(&folder, "out", TableFormat::F32);
    let text = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).expect("text");
            assert!(text.contains(from), "{text}");
            *bytes = text.replacen(from, to, 1).into_bytes();
        }
    };
    assert_eq!(
        with(&out, "bundle.json", text("\"format\": 1", "\"format\": 3")),
        "bundle.json: format 3 is newer than this version reads, 2"
    );
    assert_eq!(
        with(&out, "bundle.json", text("\"check.json\"", "\"../check.json\"")),
        "bundle.json: \"../check.json\" is no name of a file in the bundle"
    );
    let message = with(&out, "bundle.json", text("\"encoders\": \"", "\"encoders\": \"f"));
    assert!(message.starts_with("model.json: its encoders are "), "{message}");
    let message = with(&out, "bundle.json", |bytes| bytes.truncate(40));
    assert!(message.starts_with("bundle.json: EOF while parsing"), "{message}");
}

#[test]
fn files_of_a_checkpoint_cut_anywhere_are_refused_by_name() {
    let folder = checkpoint();
    let run = folder.path().join("run");
    for name in ["model.json", "weights.safetensors", "tables.safetensors"] {
        let length = std::fs::read(run.join(name)).expect("a file").len();
        // A JSON file is whole without its last line end.
        for at in (0..length - 1).step_by(7) {
            let message = with(&run, name, |bytes| bytes.truncate(at));
            assert!(message.starts_with(&format!("{name}: ")), "{at}: {message}");
        }
    }
    let bytes = (1u64 << 60).to_le_bytes();
    let message = with(&run, "tables.safetensors", |file| file[..8].copy_from_slice(&bytes));
    assert!(message.starts_with("tables.safetensors: "), "{message}");
    assert!(matches!(Predictor::load(&folder.path().join("nothing"), &Device::Cpu), Err(Error::File { .. })));
}

#[test]
fn a_signature_that_no_training_leaves_is_refused() {
    let folder = checkpoint();
    let run = folder.path().join("run");
    let changed = |pointer: &'static str, value: serde_json::Value| {
        with(&run, "model.json", move |bytes| {
            let mut json: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
            *json.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
            *bytes = json.to_string().into_bytes();
        })
    };
    let refused = |pointer, value, problem: &str| {
        let message = changed(pointer, value);
        assert_eq!(message, format!("model.json: {problem}"));
    };
    refused("/schema/tasks", json!([]), "the model has no task");
    let product = |prediction| json!([{"name": "like"}, {"name": "buy", "prediction": prediction}]);
    refused("/schema/tasks", product("buy * cvr"), "tasks[1].prediction: task \"buy\" is a factor of itself");
    refused(
        "/schema/fields/2/list/keep/last",
        json!(0),
        "field \"seen\": keep: expected at least 1, found 0",
    );
    let separator =
        "expected one ASCII character that is no letter, digit or quote and ends no line, found '¦'";
    refused(
        "/schema/fields/2/list/separator",
        json!("¦"),
        &format!("field \"seen\": separator: {separator}"),
    );
    let column = "field \"user\": column: expected one that is no number, found \"age\"";
    refused("/schema/fields/0/column", json!("age"), column);
    let hash = "the encoder of table \"item\": expected at least 1 value, found 2 rows";
    refused("/encoders/tables/1/encoder/hash", json!(0), hash);
    let rows = "expected at most 4,294,967,295 rows, found 4294967297 rows";
    refused(
        "/encoders/tables/1/encoder/hash",
        json!(u32::MAX),
        &format!("the encoder of table \"item\": {rows}"),
    );
}
