//! Parts of error messages: what was found, and what was probably meant.

use std::fmt;

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

/// Letters of the longest name that is compared with others.
const LONGEST: usize = 200;

impl Nearest {
    /// The candidate that a typo most likely meant, if any is near enough.
    pub fn of<'a>(name: &str, candidates: impl IntoIterator<Item = &'a String>) -> Self {
        let near = |c: &&String| strsim::damerau_levenshtein(name, c);
        // More than a third of the letters wrong is a different word, not a typo.
        let letters = name.chars().count();
        // No typo of a column, but a request that would keep a server busy.
        if letters > LONGEST {
            return Nearest(None);
        }
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

/// The text of an expression, of a long one what is about its character `at`, from 1.
pub fn around(text: &str, at: usize) -> String {
    /// Characters shown before and behind.
    const SHOWN: usize = 60;
    let (start, length) = (at.saturating_sub(SHOWN + 1), text.chars().count());
    if length <= 4 * SHOWN {
        return format!("{text:?}");
    }
    let shown: String = text.chars().skip(start).take(2 * SHOWN).collect();
    let [before, behind] = [start > 0, start + 2 * SHOWN < length].map(|cut| if cut { "…" } else { "" });
    format!("{before}{shown:?}{behind}")
}

/// A row handed to a constructor that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRow {
    /// The row, counted from 0.
    pub row: usize,
    /// What would have been right.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadRow { row, expected, found } = self;
        write!(f, "row {row}: expected {expected}, found {found}")
    }
}
