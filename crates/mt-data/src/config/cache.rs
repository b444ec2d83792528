//! Rows to train on that stay on disk.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Where the rows to train on are kept once they have been parsed, and how much of them is in memory at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// A folder on a local disk; made if it is not there. Default `cache`.
    #[serde(default = "folder")]
    pub dir: PathBuf,
    /// Memory for rows. Default `1GiB`.
    #[serde(default)]
    pub memory: Memory,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { dir: folder(), memory: Memory::default() }
    }
}

fn folder() -> PathBuf {
    "cache".into()
}

/// A number of bytes, written `512MiB`, `2GiB` or as a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(pub u64);

const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];

impl Default for Memory {
    fn default() -> Self {
        Memory(1 << 30)
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = UNITS.iter().find_map(|&(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
        let (number, shift) = unit.unwrap_or((text, 0));
        let bytes = number.trim_end().parse().ok().and_then(|n: u64| n.checked_mul(1 << shift));
        let bytes = bytes.filter(|&bytes| bytes > 0);
        bytes.map(Memory).ok_or_else(|| format!("expected bytes such as 512MiB or 2GiB, found {text:?}"))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |&&(_, shift): &&(&str, u32)| self.0.trailing_zeros() >= shift;
        match UNITS.iter().find(whole) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => self.0.fmt(f),
        }
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// As it is written.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(bytes) => bytes.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_are_written() {
        for (text, bytes) in [("1", 1), ("512MiB", 512 << 20), ("2GiB", 2 << 30), ("1025", 1025)] {
            assert_eq!(text.parse(), Ok(Memory(bytes)));
            assert_eq!(Memory(bytes).to_string(), text);
        }
        for text in ["", "0", "2GB", "-1", "99999999999TiB", "1.5GiB"] {
            let problem = text.parse::<Memory>().expect_err("no size");
            assert!(problem.contains("such as 512MiB or 2GiB"), "{problem}");
        }
    }
}
