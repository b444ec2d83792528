//! What a caller does wrong is said, and does no harm.
#![allow(unsafe_code)]

use std::ptr::{null, null_mut};

use mt_predict::exports::*;
use mt_predict::{ColumnKind, Status, TaskKind};

use crate::bundles;
use crate::c::{Model, Problem, Result, c_text, call};

fn refused(result: Result<impl std::fmt::Debug>, status: Status, message: &str) {
    let Problem(found, text) = result.expect_err("an error");
    assert!(found == status && text.contains(message), "{found:?}: {text}");
}

#[test]
fn null_and_texts_that_are_not_utf8_are_refused() {
    let (path, latin1) = (c_text("x"), [b'a' as _, 0xe9u8 as _, 0]);
    let null_argument = |argument: &str| format!("{argument}: expected a pointer, found null");
    // SAFETY: null is allowed to be passed everywhere, and the texts end in a zero.
    unsafe {
        let bad = Status::BadArgument;
        refused(call(|error| mt_predictor_load(null(), error)), bad, &null_argument("path"));
        refused(call(|error| mt_predictor_load(latin1.as_ptr(), error)), bad, "path: expected UTF-8");
        refused(
            call(|error| mt_predictor_reload(null(), path.as_ptr(), error)),
            bad,
            &null_argument("predictor"),
        );
        refused(call(|error| mt_predictor_version(null(), null_mut(), 0, error)), bad, "predictor");
        refused(call(|error| mt_predictor_column(null(), null(), null_mut(), error)), bad, "predictor");
        refused(call(|error| mt_rows_new(null(), error)), bad, "predictor");
        refused(call(|error| mt_rows_number(null_mut(), 0, 1.0, error)), bad, &null_argument("rows"));
        refused(call(|error| mt_rows_text(null_mut(), 0, null(), 1, error)), bad, "rows");
        refused(call(|error| mt_rows_predict(null_mut(), null_mut(), 1, error)), bad, "rows");
        assert_eq!(mt_rows_add(null_mut(), null_mut()), bad);
        assert_eq!(mt_predictor_load(null(), null_mut()), null_mut());
        assert_eq!((mt_predictor_width(null()), mt_rows_count(null())), (0, 0));
        assert_eq!(mt_predictor_task_name(null(), 0), null());
        assert_eq!(mt_predictor_task_kind(null(), 0), TaskKind::None);
        assert_eq!(mt_predictor_column_kind(null(), 0), ColumnKind::None);
        mt_predictor_free(null_mut());
        mt_rows_free(null_mut());
    }
}

#[test]
fn bundles_that_cannot_be_loaded_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str| Model::load(&folder.path().join(name)).map(drop);
    refused(of("none"), Status::BadBundle, "is no bundle; `mt export` makes one of a run");
    bundles::write(&folder.path().join("damaged"), 1);
    let weights = folder.path().join("damaged/weights.safetensors");
    std::fs::write(&weights, "x").expect("written");
    refused(of("damaged"), Status::BadBundle, "weights.safetensors: has 1 bytes");
}

#[test]
fn rows_that_the_model_cannot_read_leave_the_others_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("bundle");
    bundles::write(&dir, 1);
    let model = Model::load(&dir).expect("a bundle");
    refused(model.column("usr"), Status::BadArgument, "no column \"usr\"; did you mean \"user\"?");
    let [age, user, seen] = ["age", "user", "seen"].map(|name| model.column(name).expect("a column"));
    let (mut rows, mut out, mut again) = (model.rows(), [0.0; 10], [0.0; 10]);
    rows.text(user, "ann").expect("a text");
    rows.add().expect("a row");
    rows.add().expect("a row of missing values");
    rows.predict(&mut out).expect("predictions");

    refused(rows.number(99, 1.0), Status::BadArgument, "column 99: expected less than 4");
    rows.text(age, "old").expect("a text");
    refused(rows.add(), Status::BadRow, "row 2: column \"age\": expected a number, found \"old\"");
    rows.list(user, &[1]).expect("a list");
    refused(rows.add(), Status::BadRow, "column \"user\": expected");
    rows.number(age, 1.0).expect("a number");
    rows.number(age, 2.0).expect("a number");
    refused(rows.add(), Status::BadRow, "expected one value, found a second one");
    // SAFETY: there is no text behind the null that is refused.
    let half = unsafe {
        let (texts, lengths, rows) = ([c"a".as_ptr(), null()], [1, 1], rows.pointer());
        call(|error| mt_rows_texts(rows, seen, texts.as_ptr(), lengths.as_ptr(), 2, error))
    };
    refused(half, Status::BadArgument, "texts: expected a pointer, found null");

    rows.predict(&mut again).expect("predictions");
    assert_eq!((rows.count(), again), (2, out));
    refused(rows.predict(&mut again[..9]), Status::TooSmall, "out: expected room for 10 floats, found 9");
    rows.number(age, 1.0).expect("a number");
    refused(rows.predict(&mut again), Status::BadRow, "row 2 is not finished: mt_rows_add ends it");
    rows.clear();
    rows.predict(&mut []).expect("nothing");
    // Rows keep what they need.
    drop(model);
    rows.text(user, "ann").expect("a text");
    rows.add().expect("a row");
    rows.predict(&mut again).expect("predictions");
    assert_eq!(again[..5], out[..5]);
}
