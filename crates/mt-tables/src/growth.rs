//! Tables that grow: what is set, and what they report.

use serde::{Deserialize, Serialize};

/// How a table takes in keys that it has not seen before.
///
/// Of its `V` rows, 0 is shared by all keys without a row and 1 is the caller's, for values that are missing; the
/// others belong to one key each. A key that is sighted often enough in training gets a row. Where none is free, the
/// keys not seen for longest give theirs back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Sightings in training until a key gets a row, from 1. Default 1.
    #[serde(default = "one")]
    pub admit: u32,
    /// At the end of an epoch, keys not seen for so many steps are forgotten. Default: only when rows are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

fn one() -> u32 {
    1
}

/// Rows that do not belong to a key: the shared one, and that of missing values.
pub(crate) const RESERVED: u32 = 2;

/// Most rows of a table that grows: a bit of a row's number says whether its key still waits.
pub(crate) const MOST: usize = 1 << 31;

impl Growth {
    /// The first key whose value cannot be, and why.
    pub(crate) fn check(self, rows: usize) -> Result<(), (&'static str, String)> {
        if rows <= RESERVED as usize || rows > MOST {
            return Err(("rows", format!("a table that grows has 3 to 2^31 rows, found {rows}")));
        }
        if self.admit == 0 {
            return Err(("growth.admit", "expected at least 1, found 0".to_owned()));
        }
        match self.ttl {
            Some(0) => Err(("growth.ttl", "expected at least 1, found 0".to_owned())),
            _ => Ok(()),
        }
    }
}

/// The size of a table that grows, at the end of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableSize {
    /// The table.
    pub table: String,
    /// Keys that have a row.
    pub rows: usize,
    /// Rows there are for keys.
    pub capacity: usize,
    /// Keys that got a row in this epoch.
    pub admitted: u64,
    /// Keys that lost theirs in this epoch.
    pub evicted: u64,
    /// Keys sighted too seldom to have one yet.
    pub waiting: usize,
    /// Bytes of the rows in use, with the optimizer's state, and of what is kept of keys.
    pub bytes: usize,
}
