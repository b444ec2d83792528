//! Files of a run in which a bit has flipped: nothing is made of them.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use mt_bundle::{Export, Predictor, Signature, TableFormat};
use mt_train::{Config, RunDir, WarmStart, verify};

use crate::fields::{bits, config, folder, load, rows, run_in};

/// About this many places of a file, its ends among them.
const PLACES: usize = 24;

/// Calls `look` with each of some bits of the file flipped, one at a time, and puts the file back.
fn with_flipped_bits(path: &Path, look: &mut dyn FnMut(&str)) {
    let whole = fs::read(path).expect("a file");
    let step = (whole.len() / PLACES).max(1);
    for at in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 7);
        fs::write(path, bytes).expect("written");
        look(&format!("{}, byte {at}", path.display()));
    }
    fs::write(path, whole).expect("written");
}

fn predictions(dir: &Path) -> Result<Vec<u32>, mt_bundle::Error> {
    let predictor = Predictor::load(dir, &Device::Cpu)?;
    let mut rows = predictor.rows();
    for play in [0.0, 0.3, 0.9] {
        rows.push([("play", play.into()), ("user", "9007199254740999".into()), ("tags", "t1|t2".into())])?;
    }
    Ok(bits(predictor.predict_rows(&rows)?.values()))
}

fn export(checkpoint: &Path, out: &Path) -> Result<(), mt_bundle::Error> {
    let export = Export {
        checkpoint,
        tables: TableFormat::F32,
        rows: Vec::new(),
        config: "version: 1\n",
        registry: mt_models::Registry::default(),
    };
    let written = export.write::<mt_bundle::Error>(out, |_| Ok(String::new()));
    let _ = fs::remove_dir_all(out);
    written
}

/// Begins a run from a checkpoint; it takes the optimizer along, so reads all of it.
fn warm_start(cfg: &Config, data: &mt_data::Dataset, from: &Path, dir: &Path) -> Result<(), mt_train::Error> {
    let mut cfg = cfg.clone();
    let mut start = WarmStart::new(from);
    start.optimizer = true;
    cfg.train.warm_start = Some(start);
    cfg.train.epochs = 1;
    let run = RunDir::create(dir, &cfg).expect("a folder");
    let stop = std::sync::atomic::AtomicBool::new(true);
    let trained = mt_train::train(&cfg, data, &Device::Cpu, &run, &stop, &mut |_| ()).map(drop);
    fs::remove_dir_all(dir).expect("removed");
    trained
}

#[test]
fn a_flipped_bit_in_any_file_of_a_checkpoint_is_noticed_by_every_reader() {
    let dir = folder(&rows(400));
    let at = |name: &str| dir.path().join(name);
    let cfg = config(dir.path(), &["model.experts=1", "model.expert=[2]"]);
    let data = load(&cfg);
    let (run, _) = run_in(&cfg, &data, &at("run"), &mut |_| ());
    let checkpoint = run.checkpoint(2);
    let expected = predictions(&checkpoint).expect("a model");
    export(&checkpoint, &at("bundle")).expect("whole");
    warm_start(&cfg, &data, &checkpoint, &at("warm")).expect("whole");

    let files: Vec<PathBuf> =
        fs::read_dir(&checkpoint).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    assert!(files.len() >= 7, "{files:?}");
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let predicts = [Signature::FILE, Signature::WEIGHTS, Signature::TABLES].contains(&name.as_str());
        with_flipped_bits(&file, &mut |place| {
            let error = verify(&checkpoint).expect_err(place).to_string();
            // Of names in the list of checksums, the list itself is at fault.
            assert!(error.contains(&name) || name == "checksums.json", "{place}: {error}");
            // What a reader does not read does not stop it, and changes nothing.
            for read in
                [predictions(&checkpoint), export(&checkpoint, &at("bundle")).map(|()| expected.clone())]
            {
                match read {
                    Ok(found) => assert!(!predicts && found == expected, "{place}: read all the same"),
                    Err(error) => assert!(
                        error.to_string().contains(checkpoint.to_str().expect("UTF-8")),
                        "{place}: {error}"
                    ),
                }
            }
            assert_eq!(
                Signature::verified(&checkpoint).is_err(),
                predictions(&checkpoint).is_err(),
                "{place}"
            );
        });
        // Slower, so at one place.
        let whole = fs::read(&file).expect("a file");
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).expect("written");
        warm_start(&cfg, &data, &checkpoint, &at("warm")).expect_err(&name);
        fs::write(&file, whole).expect("written");
    }
    assert_eq!(predictions(&checkpoint).expect("whole again"), expected);
}

#[test]
fn a_flipped_bit_in_a_runs_configuration_or_choice_of_the_best_is_noticed() {
    let dir = folder(&rows(400));
    let cfg = config(dir.path(), &[]);
    let path = dir.path().join("run");
    let (run, _) = run_in(&cfg, &load(&cfg), &path, &mut |_| ());
    let best = run.best().expect("whole").expect("a best epoch");
    with_flipped_bits(&path.join("config.yaml"), &mut |place| {
        // Only the comment that carries the checksum may suffer, and then nothing that counts has changed.
        if let Ok((_, found)) = RunDir::open(&path) {
            assert_eq!(found, cfg, "{place}");
        }
    });
    let text = fs::read_to_string(path.join("config.yaml")).expect("text");
    for at in 0..text.find("# sha256").expect("a checksum") {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        fs::write(path.join("config.yaml"), bytes).expect("written");
        let error = RunDir::open(&path).expect_err("must be refused").to_string();
        assert!(error.contains("config.yaml: differs from the checksum at its end"), "{error}");
    }
    with_flipped_bits(&path.join("best.json"), &mut |place| {
        if let Ok(found) = run.best() {
            assert_eq!(found, Some(best), "{place}");
        }
    });
}
