//! An error in memory of the caller.

use std::ffi::c_char;

use crate::error::Error;
use crate::status::Status;

/// Bytes of a message with the zero at its end: with the code before it, 512.
const MESSAGE: usize = 508;

/// `mt_error`: memory of the caller for a code and a text.
#[derive(Debug)]
#[repr(C)]
pub struct Failure {
    /// What kind of error.
    pub status: Status,
    /// What is wrong, in UTF-8, ending in a zero.
    pub message: [c_char; MESSAGE],
}

impl Failure {
    /// An error written down.
    pub(crate) fn of(error: &Error) -> Self {
        let mut message = [0; MESSAGE];
        let text = error.text();
        // Cut between two characters.
        let end = text.floor_char_boundary(MESSAGE - 1);
        // A zero would end it.
        let bytes = text.as_bytes()[..end].iter().map(|&byte| if byte == 0 { b' ' } else { byte });
        message.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte as c_char);
        Self { status: error.status(), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters_and_ends_in_a_zero() {
        let failure = Failure::of(&Error::Panic { message: "\0é".repeat(1000) });
        let bytes: Vec<u8> = failure.message.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.len() > MESSAGE - 4 && text.ends_with(['é', ' ']), "{text}");
    }
}
