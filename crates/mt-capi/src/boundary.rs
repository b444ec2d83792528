//! Pointers of a caller as references, and panics as codes.
#![allow(unsafe_code)]

use std::any::Any;
use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::predictor::Handle;
use crate::rows::Rows;
use crate::status::Status;

/// What `work` gives, or the code of its error, which is also written to `failure` unless that is null. A panic is an
/// error: none may reach C.
///
/// # Safety
/// `failure` is null or leads to memory of its size, initialised or not, that nothing else uses meanwhile.
pub(crate) unsafe fn answer<T>(
    failure: *mut Failure,
    work: impl FnOnce() -> Result<T>,
) -> std::result::Result<T, Status> {
    // What a panic may have left half done is started anew by the callers that change anything.
    let caught = catch_unwind(AssertUnwindSafe(work));
    let done = caught.unwrap_or_else(|panic| Err(Error::Panic { message: message(&*panic) }));
    if !failure.is_null() {
        // SAFETY: it is not null, and the caller promises the rest. It may hold anything, so no reference is made.
        match &done {
            Ok(_) => unsafe {
                (&raw mut (*failure).status).write(Status::Ok);
                (&raw mut (*failure).message).cast::<c_char>().write(0);
            },
            Err(error) => unsafe { failure.write(Failure::of(error)) },
        }
    }
    done.map_err(|error| error.status())
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

/// Frees what a pointer leads to, or nothing if it is null.
///
/// # Safety
/// It is null or was made by `Box::into_raw` and is used no more.
pub(crate) unsafe fn free<T>(pointer: *mut T) {
    if pointer.is_null() {
        return;
    }
    // SAFETY: the caller promises it.
    let freed = unsafe {
        answer(std::ptr::null_mut(), || {
            drop(Box::from_raw(pointer));
            Ok(())
        })
    };
    // There is nobody to tell of a panic.
    let _ = freed;
}

/// What this library hands out behind a pointer, and so has initialised. Memory of the caller may hold anything: a
/// reference to it would be undefined, and it is only [written to](put) or [lent](room).
pub(crate) trait Made {}

impl Made for Rows {}
impl Made for Handle {}

/// What a pointer leads to.
///
/// # Safety
/// It is null or leads to a `T` that nobody changes or frees during `'a`.
pub(crate) unsafe fn shared<'a, T: Made>(pointer: *const T, argument: &'static str) -> Result<&'a T> {
    // SAFETY: the caller promises it.
    unsafe { pointer.as_ref() }.ok_or(Error::Null { argument })
}

/// Writes a value to memory of the caller.
///
/// # Safety
/// It is null or leads to room for a `T`, initialised or not, that nobody else uses meanwhile.
pub(crate) unsafe fn put<T>(pointer: *mut T, value: T, argument: &'static str) -> Result<()> {
    if pointer.is_null() {
        return Err(Error::Null { argument });
    }
    // SAFETY: it is not null, and the caller promises the rest.
    unsafe { pointer.write(value) };
    Ok(())
}

/// What a pointer leads to, to be changed.
///
/// # Safety
/// It is null or leads to a `T` that nobody else uses during `'a`.
pub(crate) unsafe fn exclusive<'a, T: Made>(pointer: *mut T, argument: &'static str) -> Result<&'a mut T> {
    // SAFETY: the caller promises it.
    unsafe { pointer.as_mut() }.ok_or(Error::Null { argument })
}

/// `length` values behind a pointer, which may be null if there are none.
///
/// # Safety
/// It is null or leads to so many that nobody changes or frees during `'a`.
pub(crate) unsafe fn list<'a, T>(
    pointer: *const T,
    length: usize,
    argument: &'static str,
) -> Result<&'a [T]> {
    if !there(pointer, length, argument)? {
        return Ok(&[]);
    }
    // SAFETY: it is not null and the bytes are fewer than `isize::MAX`; the caller promises the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// Room for `length` values behind a pointer, which may be null if there is none.
///
/// # Safety
/// It is null or leads to room for so many, initialised or not, that nobody else uses during `'a`.
pub(crate) unsafe fn room<'a, T>(
    pointer: *mut T,
    length: usize,
    argument: &'static str,
) -> Result<&'a mut [MaybeUninit<T>]> {
    if !there(pointer, length, argument)? {
        return Ok(&mut []);
    }
    // SAFETY: as in `list`; `MaybeUninit` may hold anything.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer.cast(), length) })
}

/// Whether there are any values; an error where there cannot be.
fn there<T>(pointer: *const T, length: usize, argument: &'static str) -> Result<bool> {
    match pointer.is_null() {
        _ if length == 0 => Ok(false),
        true => Err(Error::Null { argument }),
        false if length > isize::MAX as usize / size_of::<T>() => {
            Err(Error::Length { argument, found: length })
        }
        false => Ok(true),
    }
}

/// A text that ends in a zero.
///
/// # Safety
/// It is null or leads to such a text that nobody changes or frees during `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, argument: &'static str) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(Error::Null { argument });
    }
    // SAFETY: it is not null, and the caller promises the rest.
    unsafe { CStr::from_ptr(pointer) }.to_str().map_err(|_| Error::Utf8 { argument })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_code_and_a_message() {
        let mut failure = MaybeUninit::<Failure>::uninit();
        // SAFETY: the memory is this test's.
        let status = unsafe { answer::<()>(failure.as_mut_ptr(), || panic!("as a {}", "test")) };
        assert_eq!(status, Err(Status::Panic));
        // SAFETY: an error was written to it.
        let message = unsafe { CStr::from_ptr((*failure.as_ptr()).message.as_ptr()) };
        assert_eq!(message.to_str(), Ok("a mistake in mt_predict: as a test"));
    }

    #[test]
    fn memory_of_the_caller_is_written_to_whatever_it_holds() {
        let mut index = MaybeUninit::<usize>::uninit();
        // SAFETY: the memory is this test's, and read once it was written to.
        unsafe {
            assert_eq!(put(index.as_mut_ptr(), 7, "x").map(|()| index.assume_init()).ok(), Some(7));
            assert!(matches!(put(std::ptr::null_mut(), 7, "x"), Err(Error::Null { argument: "x" })));
        }
    }

    #[test]
    fn lengths_that_no_memory_has_are_refused() {
        let values = [0u64];
        // SAFETY: the first is refused, the others read nothing.
        unsafe {
            assert!(matches!(list(values.as_ptr(), usize::MAX, "x"), Err(Error::Length { .. })));
            assert!(matches!(list::<u64>(std::ptr::null(), 1, "x"), Err(Error::Null { argument: "x" })));
            assert_eq!(list::<u64>(std::ptr::null(), 0, "x").ok(), Some(&[][..]));
        }
    }
}
