//! `mt_rows_*`.
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc, reason = "the header says what a caller must hold to")]

use std::ffi::c_char;
use std::ptr;

use mt_features::Value;

use super::predictor::write_text;
use crate::boundary::{answer, exclusive, free, list, room, shared};
use crate::error::Result;
use crate::failure::Failure;
use crate::predictor::Handle;
use crate::rows::Rows;
use crate::status::Status;

/// Rows for a predictor; null if that fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_new(predictor: *const Handle, error: *mut Failure) -> *mut Rows {
    // SAFETY: the header asks for a predictor that is not freed meanwhile and for room for the error.
    let made = unsafe { answer(error, || Ok(Rows::new(&shared(predictor, "predictor")?.0))) };
    made.map_or(ptr::null_mut(), |rows| Box::into_raw(Box::new(rows)))
}

/// Frees rows, or nothing if they are null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_free(rows: *mut Rows) {
    // SAFETY: the header asks for some that `mt_rows_new` made and that are not freed twice.
    unsafe { free(rows) }
}

/// Does `work` on rows, which are started anew if it panics.
///
/// # Safety
/// As the header says of `rows` and `error`.
unsafe fn change(rows: *mut Rows, error: *mut Failure, work: impl FnOnce(&mut Rows) -> Result<()>) -> Status {
    // SAFETY: the header asks for rows that nobody else uses meanwhile and for room for the error.
    let done = unsafe { answer(error, || work(exclusive(rows, "rows")?)) };
    if done == Err(Status::Panic) {
        // SAFETY: as above. Were this to panic too, the next call would say so.
        let _ = unsafe {
            answer(ptr::null_mut(), || {
                exclusive(rows, "rows")?.reset();
                Ok(())
            })
        };
    }
    done.err().unwrap_or(Status::Ok)
}

/// Gives the row under way a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_number(
    rows: *mut Rows,
    column: usize,
    value: f64,
    error: *mut Failure,
) -> Status {
    // SAFETY: as of `change`.
    unsafe { change(rows, error, |rows| rows.set(column, Value::Number(value))) }
}

/// Gives the row under way a whole number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_integer(
    rows: *mut Rows,
    column: usize,
    value: i64,
    error: *mut Failure,
) -> Status {
    // SAFETY: as of `change`.
    unsafe { change(rows, error, |rows| rows.set(column, Value::Integer(value))) }
}

/// Gives the row under way a whole number from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_unsigned(
    rows: *mut Rows,
    column: usize,
    value: u64,
    error: *mut Failure,
) -> Status {
    // SAFETY: as of `change`.
    unsafe { change(rows, error, |rows| rows.set(column, Value::Unsigned(value))) }
}

/// Gives the row under way a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_text(
    rows: *mut Rows,
    column: usize,
    text: *const c_char,
    length: usize,
    error: *mut Failure,
) -> Status {
    // SAFETY: as of `change`; the header asks for so many bytes of text.
    unsafe { change(rows, error, |rows| rows.set(column, Value::Text(list(text.cast(), length, "text")?))) }
}

/// Gives the row under way a list.
///
/// # Safety
/// As the header says of `values` and `count`, and as of [`change`].
unsafe fn set_list<T: Copy + 'static>(
    rows: *mut Rows,
    column: usize,
    values: *const T,
    count: usize,
    error: *mut Failure,
    value: fn(T) -> Value<'static>,
) -> Status {
    // SAFETY: as of `change`; the header asks for so many values.
    unsafe {
        change(rows, error, |rows| {
            rows.set_list(column, list(values, count, "values")?.iter().map(|&x| Ok(value(x))))
        })
    }
}

/// Gives the row under way a list of numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_numbers(
    rows: *mut Rows,
    column: usize,
    values: *const f64,
    count: usize,
    error: *mut Failure,
) -> Status {
    // SAFETY: as of `set_list`.
    unsafe { set_list(rows, column, values, count, error, Value::Number) }
}

/// Gives the row under way a list of whole numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_integers(
    rows: *mut Rows,
    column: usize,
    values: *const i64,
    count: usize,
    error: *mut Failure,
) -> Status {
    // SAFETY: as of `set_list`.
    unsafe { set_list(rows, column, values, count, error, Value::Integer) }
}

/// Gives the row under way a list of whole numbers from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_unsigneds(
    rows: *mut Rows,
    column: usize,
    values: *const u64,
    count: usize,
    error: *mut Failure,
) -> Status {
    // SAFETY: as of `set_list`.
    unsafe { set_list(rows, column, values, count, error, Value::Unsigned) }
}

/// Gives the row under way a list of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_texts(
    rows: *mut Rows,
    column: usize,
    texts: *const *const c_char,
    lengths: *const usize,
    count: usize,
    error: *mut Failure,
) -> Status {
    // SAFETY: as of `change`; the header asks for so many texts, each of its length.
    unsafe {
        change(rows, error, |rows| {
            let texts = list(texts, count, "texts")?.iter().zip(list(lengths, count, "lengths")?);
            rows.set_list(
                column,
                texts.map(|(&text, &length)| Ok(Value::Text(list(text.cast(), length, "texts")?))),
            )
        })
    }
}

/// Ends the row under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_add(rows: *mut Rows, error: *mut Failure) -> Status {
    // SAFETY: as of `change`.
    unsafe { change(rows, error, Rows::add) }
}

/// Removes all rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_clear(rows: *mut Rows, error: *mut Failure) -> Status {
    // SAFETY: as of `change`.
    unsafe {
        change(rows, error, |rows| {
            rows.clear();
            Ok(())
        })
    }
}

/// Number of rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_count(rows: *const Rows) -> usize {
    // SAFETY: the header asks for rows that nobody changes meanwhile.
    unsafe { answer(ptr::null_mut(), || Ok(shared(rows, "rows")?.len())) }.unwrap_or(0)
}

/// The SHA-256 of the manifest of the bundle that predicts the rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_version(
    rows: *const Rows,
    out: *mut c_char,
    capacity: usize,
    error: *mut Failure,
) -> Status {
    // SAFETY: the header asks for rows that nobody changes meanwhile and for room for the text and the error.
    let written =
        unsafe { answer(error, || write_text(&shared(rows, "rows")?.version().sha256, out, capacity)) };
    written.err().unwrap_or(Status::Ok)
}

/// Predicts all rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_rows_predict(
    rows: *mut Rows,
    out: *mut f32,
    capacity: usize,
    error: *mut Failure,
) -> Status {
    // SAFETY: as of `change`; the header asks for room for so many floats.
    unsafe { change(rows, error, |rows| rows.predict(room(out, capacity, "out")?)) }
}
