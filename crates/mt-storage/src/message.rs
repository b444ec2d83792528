//! Parts of error messages.

use std::fmt;
use std::path::PathBuf;

/// What only a build with another feature reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoFeature {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub what: &'static str,
    /// What has been left out.
    pub feature: &'static str,
}

impl fmt::Display for NoFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, what, feature } = self;
        write!(f, "{}: {what}, which needs the feature `{feature}`", path.display())
    }
}

/// What a folder or a pattern leads to beside files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoFile {
    /// The folder in a folder, or the link.
    pub path: PathBuf,
    /// What it is.
    pub found: &'static str,
}

impl fmt::Display for NoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoFile { path, found } = self;
        let what = "where files are to be read; name the files, or a pattern that only they match";
        write!(f, "{}: {found}, {what}", path.display())
    }
}

/// Folders `key=value` that make no columns of the files in them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadPartition {
    /// Two files of one entry are in folders of other keys.
    Unlike {
        /// The first file of the entry.
        first: PathBuf,
        /// A later one.
        second: PathBuf,
        /// The keys of the first one's folders.
        expected: Vec<String>,
        /// Those of the later one's.
        found: Vec<String>,
    },
    /// A key comes twice on the way to a file.
    Twice {
        /// The file or folder.
        path: PathBuf,
        /// The key.
        key: String,
    },
}

impl fmt::Display for BadPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folders = |keys: &[String]| match keys {
            [] => "no folder key=value".to_owned(),
            keys => keys.iter().map(|key| format!("{key}=…")).collect::<Vec<_>>().join("/"),
        };
        match self {
            BadPartition::Unlike { first, second, expected, found } => {
                let (path, other) = (second.display(), first.display());
                let (expected, found) = (folders(expected), folders(found));
                let what = "name apart what lies in other folders";
                write!(f, "{path}: expected a file in {expected}, as {other} is, found {found}; {what}")
            }
            BadPartition::Twice { path, key } => {
                write!(f, "{}: the folders say \"{key}\" twice", path.display())
            }
        }
    }
}
