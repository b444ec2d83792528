//! `mt_predictor_*`.
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc, reason = "the header says what a caller must hold to")]

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::ptr;

use crate::boundary::{answer, free, put, room, shared, text};
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::interface::{Input, Task};
use crate::predictor::Handle;
use crate::status::{ColumnKind, Status, TaskKind};

/// Loads a bundle; null if that fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_load(path: *const c_char, error: *mut Failure) -> *mut Handle {
    // SAFETY: the header asks for a text that ends in a zero, and for room for the error.
    let loaded = unsafe { answer(error, || Handle::load(Path::new(text(path, "path")?))) };
    loaded.map_or(ptr::null_mut(), |handle| Box::into_raw(Box::new(handle)))
}

/// Puts another bundle with the same interface in the place of this one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_reload(
    predictor: *const Handle,
    path: *const c_char,
    error: *mut Failure,
) -> Status {
    // SAFETY: the header asks for a predictor that is not freed meanwhile, a text and room for the error.
    let reloaded =
        unsafe { answer(error, || shared(predictor, "predictor")?.0.reload(Path::new(text(path, "path")?))) };
    reloaded.err().unwrap_or(Status::Ok)
}

/// Frees a predictor, or nothing if it is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_free(predictor: *mut Handle) {
    // SAFETY: the header asks for one that `mt_predictor_load` made and that is not freed twice.
    unsafe { free(predictor) }
}

/// The SHA-256 of the manifest of the bundle that is there now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_version(
    predictor: *const Handle,
    out: *mut c_char,
    capacity: usize,
    error: *mut Failure,
) -> Status {
    // SAFETY: the header asks for a predictor that is not freed meanwhile and for room for the text and the error.
    let written = unsafe {
        answer(error, || write_text(&shared(predictor, "predictor")?.0.version().sha256, out, capacity))
    };
    written.err().unwrap_or(Status::Ok)
}

/// Writes a text and a zero.
///
/// # Safety
/// As of [`room`].
pub(super) unsafe fn write_text(text: &str, out: *mut c_char, capacity: usize) -> Result<()> {
    // SAFETY: the caller promises the same.
    let out = unsafe { room(out, capacity, "out")? };
    let (expected, found) = (text.len() + 1, out.len());
    let Some(out) = out.get_mut(..expected) else {
        return Err(Error::TooSmall { argument: "out", expected, unit: "bytes", found });
    };
    for (to, byte) in out.iter_mut().zip(text.bytes().chain([0])) {
        to.write(byte as c_char);
    }
    Ok(())
}

/// Looks up a column by its name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_column(
    predictor: *const Handle,
    name: *const c_char,
    column: *mut usize,
    error: *mut Failure,
) -> Status {
    // SAFETY: the header asks for a predictor that is not freed meanwhile, a text, and room for an index and the error.
    let found = unsafe {
        answer(error, || {
            let index = shared(predictor, "predictor")?.0.interface.column(text(name, "name")?)?;
            put(column, index, "column")
        })
    };
    found.err().unwrap_or(Status::Ok)
}

/// What `of` says of a predictor, or `otherwise` where it is null.
unsafe fn ask<T>(predictor: *const Handle, otherwise: T, of: impl FnOnce(&Handle) -> Option<T>) -> T {
    // SAFETY: the header asks for a predictor that is not freed meanwhile.
    let asked = unsafe { answer(ptr::null_mut(), || Ok(of(shared(predictor, "predictor")?))) };
    asked.ok().flatten().unwrap_or(otherwise)
}

/// As [`ask`], of a task.
unsafe fn ask_task<T>(predictor: *const Handle, task: usize, otherwise: T, of: impl FnOnce(&Task) -> T) -> T {
    // SAFETY: as of `ask`.
    unsafe { ask(predictor, otherwise, |handle| handle.0.interface.tasks.get(task).map(of)) }
}

/// As [`ask`], of a column.
unsafe fn ask_column<T>(
    predictor: *const Handle,
    column: usize,
    otherwise: T,
    of: impl FnOnce(&Input) -> T,
) -> T {
    // SAFETY: as of `ask`.
    unsafe { ask(predictor, otherwise, |handle| handle.0.interface.columns.get(column).map(of)) }
}

/// Predictions a row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_width(predictor: *const Handle) -> usize {
    // SAFETY: as of `ask`.
    unsafe { ask(predictor, 0, |handle| Some(handle.0.interface.tasks.iter().map(|task| task.width).sum())) }
}

/// Number of tasks, and of heads without a label behind them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_task_count(predictor: *const Handle) -> usize {
    // SAFETY: as of `ask`.
    unsafe { ask(predictor, 0, |handle| Some(handle.0.interface.tasks.len())) }
}

/// Name of a task.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_task_name(predictor: *const Handle, task: usize) -> *const c_char {
    // SAFETY: as of `ask`.
    unsafe { ask_task(predictor, task, ptr::null(), |task| CStr::as_ptr(&task.name)) }
}

/// Kind of a task.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_task_kind(predictor: *const Handle, task: usize) -> TaskKind {
    // SAFETY: as of `ask`.
    unsafe { ask_task(predictor, task, TaskKind::None, |task| task.kind) }
}

/// Predictions of a task a row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_task_width(predictor: *const Handle, task: usize) -> usize {
    // SAFETY: as of `ask`.
    unsafe { ask_task(predictor, task, 0, |task| task.width) }
}

/// Number of columns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_column_count(predictor: *const Handle) -> usize {
    // SAFETY: as of `ask`.
    unsafe { ask(predictor, 0, |handle| Some(handle.0.interface.columns.len())) }
}

/// Name of a column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_column_name(predictor: *const Handle, column: usize) -> *const c_char {
    // SAFETY: as of `ask`.
    unsafe { ask_column(predictor, column, ptr::null(), |input| CStr::as_ptr(&input.name)) }
}

/// Kind of a column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mt_predictor_column_kind(predictor: *const Handle, column: usize) -> ColumnKind {
    // SAFETY: as of `ask`.
    unsafe { ask_column(predictor, column, ColumnKind::None, |input| input.kind) }
}
