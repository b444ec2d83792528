//! Runs that go on with other rows than they began with.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use mt_data::Dataset;
use mt_train::{Config, Error, Event, Outcome, RunDir, load, read_state, train};

use crate::fields::{FIRST_USER, config, folder, records, rows};

/// Goes on with the run in `dir`, stops at a step, and gives what was said about its rows.
fn go_on(
    (run, cfg): (RunDir, Config),
    data: Option<&Dataset>,
    stop_at: u64,
) -> Result<(Outcome, Vec<String>), Error> {
    let loaded = if data.is_none() { Some(load(&cfg, Some(&run), &|_| ())?) } else { None };
    let Some(data) = data.or(loaded.as_ref()) else { unreachable!("one of the two") };
    let (stop, mut said) = (AtomicBool::new(false), Vec::new());
    let outcome = train(&cfg, data, &Device::Cpu, &run, &stop, &mut |event| match event {
        Event::Progress { step, .. } => stop.store(*step >= stop_at, Ordering::Relaxed),
        Event::Resumed { changed, .. } => said.clone_from(changed),
        _ => {}
    })?;
    Ok((outcome, said))
}

fn begun(dir: &Path) -> (Config, std::path::PathBuf) {
    let cfg = config(
        dir,
        &["train.log_every=1", "train.batch_size=16", "data.fields[0].encode={growing: {capacity: 30}}"],
    );
    let path = dir.join("run");
    go_on((RunDir::create(&path, &cfg).expect("a folder"), cfg.clone()), None, 17).expect("stops");
    (cfg, path)
}

#[test]
fn a_run_stopped_within_an_epoch_is_not_continued_on_fewer_rows_unless_it_is_extended() {
    let dir = folder(&rows(400));
    let (cfg, path) = begun(dir.path());
    std::fs::write(dir.path().join("rows.csv"), rows(100)).expect("written");
    // However the data was read: there is no step to a panic.
    let fitted = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect("data");
    for data in [None, Some(&fitted)] {
        let error =
            go_on(RunDir::resume(&path).expect("a run"), data, u64::MAX).expect_err("must be refused");
        let Error::OtherData { differences, .. } = &error else { panic!("{error}") };
        assert!(
            differences[0].starts_with("there are 80 training rows, there were 320: 240 less"),
            "{error}"
        );
        assert!(error.is_usage());
    }
    let extended = RunDir::extend(&path, &[]).expect("a run");
    let error = go_on(extended, Some(&fitted), u64::MAX).expect_err("scaled anew").to_string();
    assert!(error.contains("column \"play\" was scaled as (x - "), "{error}");
    let (outcome, said) = go_on(RunDir::extend(&path, &[]).expect("a run"), None, u64::MAX).expect("goes on");
    assert_eq!(
        said.last().map(String::as_str),
        Some("epoch 1 begins anew, on other training rows"),
        "{said:?}"
    );
    assert_eq!(outcome.epochs, 2);
    let state = read_state(&path.join("checkpoints/epoch-002")).expect("a state");
    // The step under way when it was stopped was the 18th.
    assert_eq!((state.step, state.retired), (18 + 2 * 5, 0), "nothing had been judged yet");
}

#[test]
fn a_run_that_goes_on_reads_its_rows_to_the_same_bits_and_new_values_are_unknown_to_its_vocabularies() {
    let dir = folder(&rows(400));
    let cfg =
        config(dir.path(), &["data.fields[0].encode={growing: {capacity: 30}}", "data.normalize=min-max"]);
    let fresh = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect("data");
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a folder");
    train(&cfg, &fresh, &Device::Cpu, &run, &AtomicBool::new(false), &mut |_| ()).expect("trains");
    let again = load(&cfg, Some(&run), &|_| ()).expect("the same");
    assert_eq!((&again.train, &again.valid, &again.identity), (&fresh.train, &fresh.valid, &fresh.identity));

    // A user and a tag that the run has never seen, and a number beyond its range.
    let new = format!("{},new|t1,7,1,1,5,0\n", FIRST_USER + 999);
    let text = crate::fields::HEADER.to_owned() + &records(50).concat() + &new;
    std::fs::write(dir.path().join("rows.csv"), text).expect("written");
    drop(run);
    let (run, cfg) =
        RunDir::extend(&dir.path().join("run"), &["data.valid_fraction=0".to_owned()]).expect("a run");
    let data = load(&cfg, Some(&run), &|_| ()).expect("other rows");
    assert_eq!((&data.normalizer, &data.encoders), (&fresh.normalizer, &fresh.encoders));
    let last = data.train.slice(50..51);
    assert!(last.numeric.to_dense().values[0] > 5.0, "not fitted again");
    assert_eq!(last.fields[1].rows[0], 0, "an unknown value");
    let keys = last.fields[0].keys.as_ref().expect("a table that grows");
    assert!(keys.contains(&(FIRST_USER + 999)), "which takes in new ones");
}
