//! The token that requests must send.

use std::path::PathBuf;

use subtle::ConstantTimeEq;

use crate::config::Token;
use crate::error::{Error, Result};
use crate::fresh::Fresh;

/// A token that may change while the server runs.
pub(crate) enum Secret {
    Text(String),
    File(Fresh<String>),
}

impl Secret {
    /// # Errors
    /// For a file that cannot be read, and a token that is none.
    pub fn new(token: &Token) -> Result<Self> {
        match token {
            Token::Text(text) => check(text).map(Self::Text).map_err(|problem| Error::Token { problem }),
            Token::File(file) => Fresh::new("token", vec![file.clone()], make).map(Self::File),
        }
    }

    /// Reads its file again if it has changed.
    pub fn look(&self) {
        if let Self::File(file) = self {
            file.look();
        }
    }

    /// Whether this is the token, in a time that does not depend on it.
    pub fn is(&self, given: &[u8]) -> bool {
        match self {
            Self::Text(token) => given.ct_eq(token.as_bytes()).into(),
            Self::File(token) => given.ct_eq(token.current().as_bytes()).into(),
        }
    }
}

fn make(files: &[PathBuf], contents: &[Vec<u8>]) -> Result<String> {
    let fail = |problem| Error::Secret { path: files[0].clone(), problem };
    check(&String::from_utf8_lossy(&contents[0])).map_err(fail)
}

fn check(text: &str) -> std::result::Result<String, String> {
    let token = text.trim();
    // An empty token would let anyone in.
    match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(token.to_owned()),
        false => Err("the token must be of visible ASCII characters, and not empty".to_owned()),
    }
}
