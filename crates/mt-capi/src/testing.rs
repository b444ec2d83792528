//! For tests, behind the feature `testing`: the functions of [`exports`](crate::exports) as a program in Rust calls them.
#![allow(unsafe_code, missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)]

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::path::Path;

use crate::exports::*;
use crate::{Failure, Handle, Rows, Status};

/// What a call says of its error.
#[derive(Debug, PartialEq)]
pub struct Problem(pub Status, pub String);

pub type Result<T> = std::result::Result<T, Problem>;

pub struct Model(*mut Handle);

pub struct Batch(*mut Rows);

// SAFETY: the header says that threads may share it.
unsafe impl Sync for Model {}
// SAFETY: the same.
unsafe impl Send for Model {}

/// Hands `call` room for an error, and returns what is written there.
pub fn call<T>(call: impl FnOnce(*mut Failure) -> T) -> Result<T> {
    let mut failure = Failure { status: Status::Failed, message: [1; _] };
    let done = call(&mut failure);
    let end = failure.message.iter().position(|c| *c == 0).expect("a zero");
    let bytes: Vec<u8> = failure.message[..end].iter().map(|c| *c as u8).collect();
    match failure.status {
        Status::Ok => Ok(done),
        status => Err(Problem(status, String::from_utf8(bytes).expect("UTF-8"))),
    }
}

pub fn c_text(text: &str) -> CString {
    CString::new(text).expect("no zero")
}

fn c_path(dir: &Path) -> CString {
    c_text(dir.to_str().expect("UTF-8"))
}

impl Model {
    pub fn load(dir: &Path) -> Result<Self> {
        // SAFETY: text and room for the error live until it returns.
        call(|error| unsafe { mt_predictor_load(c_path(dir).as_ptr(), error) }).map(Self)
    }

    pub fn reload(&self, dir: &Path) -> Result<()> {
        // SAFETY: as above.
        call(|error| unsafe { mt_predictor_reload(self.0, c_path(dir).as_ptr(), error) }).map(drop)
    }

    pub fn version(&self) -> String {
        let mut out = [1; 65];
        // SAFETY: there is room for so many bytes, and a zero is written.
        unsafe {
            call(|error| mt_predictor_version(self.0, out.as_mut_ptr(), out.len(), error))
                .expect("a version");
            CStr::from_ptr(out.as_ptr()).to_str().expect("UTF-8").to_owned()
        }
    }

    pub fn column(&self, name: &str) -> Result<usize> {
        let mut column = MaybeUninit::uninit();
        // SAFETY: text, room for an index and for the error live until it returns.
        call(|error| unsafe {
            mt_predictor_column(self.0, c_text(name).as_ptr(), column.as_mut_ptr(), error)
        })?;
        // SAFETY: it was written, as there was no error.
        Ok(unsafe { column.assume_init() })
    }

    pub fn rows(&self) -> Batch {
        // SAFETY: the predictor is not freed meanwhile.
        Batch(call(|error| unsafe { mt_rows_new(self.0, error) }).expect("rows"))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { mt_predictor_free(self.0) }
    }
}

impl Batch {
    /// What C has in its hands.
    pub fn pointer(&mut self) -> *mut Rows {
        self.0
    }

    pub fn number(&mut self, column: usize, value: f64) -> Result<()> {
        // SAFETY: the rows are this thread's.
        call(|error| unsafe { mt_rows_number(self.0, column, value, error) }).map(drop)
    }

    pub fn text(&mut self, column: usize, text: &str) -> Result<()> {
        // SAFETY: as above, and the text has so many bytes.
        call(|error| unsafe { mt_rows_text(self.0, column, text.as_ptr().cast(), text.len(), error) })
            .map(drop)
    }

    pub fn list(&mut self, column: usize, values: &[u64]) -> Result<()> {
        // SAFETY: as above, and there are so many values.
        call(|error| unsafe { mt_rows_unsigneds(self.0, column, values.as_ptr(), values.len(), error) })
            .map(drop)
    }

    pub fn add(&mut self) -> Result<()> {
        // SAFETY: the rows are this thread's.
        call(|error| unsafe { mt_rows_add(self.0, error) }).map(drop)
    }

    pub fn clear(&mut self) {
        // SAFETY: as above.
        call(|error| unsafe { mt_rows_clear(self.0, error) }).expect("no rows");
    }

    pub fn count(&self) -> usize {
        // SAFETY: as above.
        unsafe { mt_rows_count(self.0) }
    }

    pub fn version(&self) -> String {
        let mut out = [1; 65];
        // SAFETY: there is room for so many bytes, and a zero is written.
        unsafe {
            call(|error| mt_rows_version(self.0, out.as_mut_ptr(), out.len(), error)).expect("a version");
            CStr::from_ptr(out.as_ptr()).to_str().expect("UTF-8").to_owned()
        }
    }

    pub fn predict(&mut self, out: &mut [f32]) -> Result<()> {
        // SAFETY: the rows are this thread's, and there is room for so many floats.
        call(|error| unsafe { mt_rows_predict(self.0, out.as_mut_ptr(), out.len(), error) }).map(drop)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: nobody uses them any more.
        unsafe { mt_rows_free(self.0) }
    }
}
