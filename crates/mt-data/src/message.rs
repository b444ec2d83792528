//! Parts of error messages: positions, what was found, and what was probably meant.

use std::fmt;
use std::path::PathBuf;

/// A position in a text file; prints as `path:line:column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1; a header is line 1.
    pub line: u64,
    /// Byte column within the line, from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// The text found in a cell; prints quoted, or as `an empty field`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found(pub String);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Enough to recognise a cell, short enough for one line of a terminal.
        const SHOWN: usize = 40;
        if self.0.is_empty() {
            return f.write_str("an empty field");
        }
        match self.0.char_indices().nth(SHOWN) {
            Some((cut, _)) => write!(f, "{:?}…", &self.0[..cut]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// A proposal in an error message; prints as `; did you mean "x"?`, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest(pub Option<String>);

impl Nearest {
    /// The candidate that a typo most likely meant, if any is near enough.
    pub fn of<'a>(name: &str, candidates: impl IntoIterator<Item = &'a String>) -> Self {
        let near = |c: &&String| strsim::damerau_levenshtein(name, c);
        // More than a third of the letters wrong is a different word, not a typo.
        let letters = name.chars().count();
        let limit = (letters / 3).max(1).min(letters.saturating_sub(1));
        let best = candidates.into_iter().min_by_key(near);
        Nearest(best.filter(|c| near(c) <= limit).cloned())
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean \"{name}\"?"))
    }
}
