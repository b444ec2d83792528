//! Bundles of what changed: on top of what they rest on they are what was exported.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use mt_bundle::{Error, Export, Manifest, Predictor, Signature, TableFormat, Whole, push_json, write_delta};

use crate::checkpoint::{checkpoint, rows};

/// The tensors of a checkpoint's file, changed.
fn change(path: &Path, change: impl FnOnce(&mut BTreeMap<String, Tensor>)) {
    let mut tensors =
        candle_core::safetensors::load(path, &Device::Cpu).expect("tensors").into_iter().collect();
    change(&mut tensors);
    safetensors::serialize_to_file(tensors, None, path).expect("written");
}

/// What a day of training does to the checkpoint: an item is new or changes, and one layer.
fn train(checkpoint: &Path, day: u32) {
    change(&checkpoint.join(Signature::TABLES), |tensors| {
        let ids: Vec<u32> = tensors["item.ids"].to_vec1().expect("ids");
        let values: Vec<Vec<f32>> = tensors["item.values"].to_vec2().expect("values");
        let width = values[0].len();
        let mut rows: BTreeMap<u32, Vec<f32>> = ids.into_iter().zip(values).collect();
        rows.insert(day * 37 % 100, vec![day as f32 / 100.0; width]);
        let values: Vec<f32> = rows.values().flatten().copied().collect();
        let ids: Vec<u32> = rows.keys().copied().collect();
        let values = Tensor::from_vec(values, (ids.len(), width), &Device::Cpu).expect("values");
        tensors.insert("item.values".to_owned(), values);
        tensors.insert("item.ids".to_owned(), Tensor::new(ids, &Device::Cpu).expect("ids"));
    });
    change(&checkpoint.join(Signature::WEIGHTS), |tensors| {
        let first = tensors.values_mut().next().expect("a parameter");
        *first = (&*first + 1e-3).expect("a sum");
    });
}

fn export(checkpoint: &Path, out: PathBuf, tables: TableFormat) -> PathBuf {
    let export = Export {
        checkpoint,
        tables,
        rows: rows(),
        config: "version: 1\n",
        registry: mt_models::Registry::default(),
    };
    export.write::<Error>(&out, |_| Ok("# A model\n".to_owned())).expect("a bundle");
    out
}

fn bits(dir: &Path) -> Vec<u32> {
    let predictor = Predictor::load(dir, &Device::Cpu).expect("a model");
    let mut raw = predictor.rows();
    rows().iter().try_for_each(|row| push_json(&mut raw, row)).expect("good rows");
    let predictions = predictor.predict_rows(&raw).expect("predictions");
    predictions.values().iter().map(|value| value.to_bits()).collect()
}

fn assert_whole(delta: &Path, bundle: &Path) {
    let whole = Whole::of(delta).expect("whole");
    let read = |dir: &Path, name: &String| std::fs::read(dir.join(name)).expect("a file");
    let manifest = Manifest::find(bundle).expect("readable").expect("a bundle");
    for name in manifest.files.keys().chain([&Manifest::FILE.to_owned()]) {
        assert!(read(whole.path(), name) == read(bundle, name), "{name}");
    }
    assert_eq!(bits(delta), bits(bundle));
}

#[test]
fn fifty_deltas_on_top_of_one_another_are_the_last_bundle_to_the_byte() {
    for format in [TableFormat::F32, TableFormat::F16, TableFormat::Int8] {
        let folder = checkpoint();
        let at = |name: String| folder.path().join(name);
        let run = at("run".to_owned());
        std::fs::create_dir_all(at("served".to_owned())).expect("a folder");
        (100..160).for_each(|day| train(&run, day));
        let mut before = export(&run, at("served/0".to_owned()), format);
        let mut whole = PathBuf::new();
        for day in 1..=50 {
            train(&run, day);
            whole = export(&run, at(format!("whole-{day}")), format);
            let delta = at(format!("served/{day}"));
            let manifest = write_delta(&before, &whole, &delta).expect("a delta");
            let names: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
            let changed = ["tables.changed.safetensors", "weights.changed.safetensors"];
            assert_eq!(names, [&["check.json", "config.yaml"], &changed[..]].concat(), "{day}");
            before = delta;
        }
        assert_whole(&before, &whole);
        // A whole bundle in place of a delta is as good to those that rest on it.
        let middle = at("served/25".to_owned());
        std::fs::remove_dir_all(&middle).expect("removed");
        let error = Predictor::load(&before, &Device::Cpu).expect_err("a gap").to_string();
        assert!(
            error.contains("holds changes of the bundle ") && error.contains("no folder beside it"),
            "{error}"
        );
        std::fs::rename(at("whole-25".to_owned()), &middle).expect("moved");
        (0..25).for_each(|day| std::fs::remove_dir_all(at(format!("served/{day}"))).expect("removed"));
        assert_whole(&before, &whole);
    }
}

#[test]
fn a_delta_of_nothing_is_what_it_rests_on() {
    let folder = checkpoint();
    let run = folder.path().join("run");
    let base = export(&run, folder.path().join("1"), TableFormat::F32);
    let delta = folder.path().join("2");
    let manifest = write_delta(&base, &base, &delta).expect("a delta");
    assert!(manifest.files.keys().eq(["check.json", "config.yaml"]));
    assert_whole(&delta, &base);
    std::fs::remove_dir_all(&base).expect("removed");
    assert!(Predictor::load(&delta, &Device::Cpu).is_err(), "it does not rest on itself");
}

#[test]
fn a_base_that_is_another_or_damaged_is_refused() {
    let folder = checkpoint();
    let at = |name: &str| folder.path().join(name);
    let run = at("run");
    let base = export(&run, at("1"), TableFormat::F32);
    train(&run, 1);
    let new = export(&run, at("new"), TableFormat::F32);
    let half = export(&run, at("half"), TableFormat::F16);
    let said = |base: &Path, out: &str| {
        let error = write_delta(base, &new, &at(out)).expect_err("must be refused");
        assert!(error.is_usage() && !at("2").exists(), "{error}");
        error.to_string()
    };
    assert!(said(&half, "2").ends_with("half: keeps its tables as F16, and not as F32"));
    assert!(said(&run, "2").ends_with("run: is no bundle"));
    assert!(said(&base, "new").contains("already exists"));
    let mut signature = crate::checkpoint::signature();
    signature.model = mt_models::ModelConfig::new("mmoe").with("experts", 3).with("expert", vec![4]);
    crate::checkpoint::write(&at("other-run"), &signature);
    let other = export(&at("other-run"), at("other"), TableFormat::F32);
    assert!(said(&other, "2").ends_with("other: is another model: nothing of it can be kept"));

    let delta = at("2");
    write_delta(&base, &new, &delta).expect("a delta");
    let refused = |what: &str| {
        let error = Predictor::load(&delta, &Device::Cpu).expect_err(what).to_string();
        assert!(Signature::verified(&delta).is_err(), "{what}");
        error
    };
    // Of a file that was changed in place, in the delta and in what it rests on.
    for (dir, name) in [(&delta, "tables.changed.safetensors"), (&base, "tables.safetensors")] {
        let (path, mut bytes) = (dir.join(name), std::fs::read(dir.join(name)).expect("a file"));
        *bytes.last_mut().expect("not empty") ^= 1;
        let good = std::fs::read(&path).expect("a file");
        std::fs::write(&path, &bytes).expect("written");
        assert!(refused(name).contains("is damaged: its SHA-256 is not the one in bundle.json"));
        std::fs::write(&path, good).expect("written");
    }
    assert_eq!(bits(&delta), bits(&new));
    std::fs::remove_dir_all(&base).expect("removed");
    std::fs::rename(&other, &base).expect("moved");
    let error = refused("another base");
    assert!(error.contains("bundle.json: holds changes of the bundle "), "{error}");
}
