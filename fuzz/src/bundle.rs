//! Bundles of which one file was made by somebody else.

use std::path::Path;

use candle_core::Device;
use mt_bundle::{Contents, Manifest, Predictor};

/// The files of a good bundle that are read to predict.
const FILES: [(&str, &[u8]); 5] = [
    ("bundle.json", include_bytes!("../seeds/bundle/bundle.json")),
    ("check.json", include_bytes!("../seeds/bundle/check.json")),
    ("model.json", include_bytes!("../seeds/bundle/model.json")),
    ("tables.safetensors", include_bytes!("../seeds/bundle/tables.safetensors")),
    ("weights.safetensors", include_bytes!("../seeds/bundle/weights.safetensors")),
];

/// Puts the bytes in the place of each file in turn, with a manifest that agrees, and loads the bundle. One that can be
/// loaded predicts.
pub fn bundle(data: &[u8]) -> bool {
    // All of them: one that takes the bytes must not hide another that cannot.
    FILES.map(|(name, _)| load(name, data)).contains(&true)
}

fn load(name: &str, data: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), Some((name, data)));
    if name != Manifest::FILE {
        agree(folder.path(), name);
    }
    let Ok(predictor) = Predictor::load(folder.path(), &Device::Cpu) else { return false };
    let mut rows = predictor.rows();
    if rows.push([]).is_ok() {
        let predictions = predictor.predict_rows(&rows).expect("predictions");
        assert_eq!(predictions.values().len(), predictor.width());
    }
    true
}

/// Writes the good bundle, or one with another file.
pub fn write(dir: &Path, other: Option<(&str, &[u8])>) {
    for (file, good) in FILES {
        let bytes = other.filter(|(name, _)| *name == file).map_or(good, |(_, bytes)| bytes);
        std::fs::write(dir.join(file), bytes).expect("written");
    }
}

/// Puts a file as it is into the manifest.
fn agree(dir: &Path, name: &str) {
    let mut manifest = Manifest::find(dir).expect("a manifest").expect("a bundle");
    manifest.files.insert(name.to_owned(), Contents::of(&dir.join(name)).expect("a file"));
    mt_bundle::write_json(&dir.join(Manifest::FILE), &manifest).expect("written");
}
