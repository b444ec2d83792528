//! Another bundle in the place of the one in use.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mt_predict::Status;

use crate::bundles;
use crate::c::{Batch, Model, Problem};

const THREADS: usize = 3;
const SWAPS: usize = 50;

fn answer(rows: &mut Batch, columns: [usize; 2]) -> [u32; 10] {
    for user in ["ann", "bob"] {
        rows.number(columns[0], 31.0).expect("a number");
        rows.text(columns[1], user).expect("a text");
        rows.add().expect("a row");
    }
    let mut out = [0.0; 10];
    rows.predict(&mut out).expect("predictions");
    out.map(f32::to_bits)
}

#[test]
fn every_answer_of_every_thread_is_of_one_version() {
    let folder = tempfile::tempdir().expect("a folder");
    let dirs = ["a", "b"].map(|name| folder.path().join(name));
    bundles::write(&dirs[0], 1);
    bundles::write(&dirs[1], 2);
    let expected = dirs.clone().map(|dir| {
        let model = Model::load(&dir).expect("a bundle");
        let columns = ["age", "user"].map(|name| model.column(name).expect("a column"));
        (model.version(), answer(&mut model.rows(), columns))
    });
    assert_ne!(expected[0], expected[1]);
    let model = Model::load(&dirs[0]).expect("a bundle");
    let columns = ["age", "user"].map(|name| model.column(name).expect("a column"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hammer = || {
            let (mut rows, mut answers) = (model.rows(), [0; 2]);
            while !done.load(Ordering::Relaxed) {
                let found = answer(&mut rows, columns);
                let version = expected.iter().position(|(version, _)| *version == rows.version());
                let version = version.expect("one of the two");
                assert_eq!(found, expected[version].1);
                answers[version] += 1;
                rows.clear();
            }
            answers
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(hammer)).collect();
        for swap in 1..=SWAPS {
            model.reload(&dirs[swap % 2]).expect("a bundle");
            assert_eq!(model.version(), expected[swap % 2].0);
        }
        done.store(true, Ordering::Relaxed);
        for thread in threads {
            let answers = thread.join().expect("no other answer");
            assert!(answers.iter().sum::<usize>() > 0, "{answers:?}");
        }
    });
}

#[test]
fn rows_begun_before_a_swap_are_of_the_version_they_were_begun_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let dirs = ["a", "b"].map(|name| folder.path().join(name));
    bundles::write(&dirs[0], 1);
    bundles::write(&dirs[1], 2);
    let model = Model::load(&dirs[0]).expect("a bundle");
    let (mut rows, mut out, mut again) = (model.rows(), [0.0; 5], [0.0; 5]);
    rows.add().expect("a row");
    rows.predict(&mut out).expect("predictions");
    let old = model.version();
    model.reload(&dirs[1]).expect("a bundle");
    rows.predict(&mut again).expect("predictions");
    assert_eq!((again, rows.version()), (out, old.clone()));
    rows.clear();
    rows.add().expect("a row");
    rows.predict(&mut again).expect("predictions");
    assert_eq!(rows.version(), model.version());
    assert!(again != out && rows.version() != old);
}

#[test]
fn a_bundle_that_cannot_take_the_place_leaves_the_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let dirs = ["a", "damaged", "other"].map(|name| folder.path().join(name));
    bundles::write(&dirs[0], 1);
    bundles::write(&dirs[1], 2);
    std::fs::write(dirs[1].join("model.json"), "{}").expect("written");
    bundles::change(&dirs[2], 2, |signature| signature.schema.tasks.swap(0, 2));
    let model = Model::load(&dirs[0]).expect("a bundle");
    let (old, mut rows, mut out, mut again) = (model.version(), model.rows(), [0.0; 5], [0.0; 5]);
    rows.add().expect("a row");
    rows.predict(&mut out).expect("predictions");
    let refused = |dir: &Path| model.reload(dir).expect_err("an error");
    assert_eq!(refused(&dirs[1]).0, Status::BadBundle);
    let Problem(status, message) = refused(&dirs[2]);
    let expected = "expected task 0 \"like\" (Binary, 1 a row), as the bundle served has, found \"seconds\" (Regression, 1 a row)";
    assert!(status == Status::OtherInterface && message.contains(expected), "{message}");
    rows.clear();
    rows.add().expect("a row");
    rows.predict(&mut again).expect("predictions");
    assert_eq!((again, model.version()), (out, old));
}
