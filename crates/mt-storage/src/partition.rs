//! What the folders of a partitioned table say of the files in them: `log/dt=2022-04-25/hour=07/part-0.parquet`.

use std::path::{Path, PathBuf};

use crate::error::{BadPartition, Error, Result};

/// What Hive calls the folder of the rows without a value.
const NO_VALUE: &[u8] = b"__HIVE_DEFAULT_PARTITION__";

/// A folder `key=value`: a column that its files do not hold, and the value of all their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The name of the column.
    pub key: String,
    value: Option<Vec<u8>>,
}

impl Partition {
    fn new(name: &[u8], is_url: bool) -> Option<Self> {
        let (key, value) = parts(name)?;
        // The name of the folder is escaped itself, and in a URL once more.
        let text = |text: &[u8]| if is_url { unescaped(&unescaped(text)) } else { unescaped(text) };
        let value = text(value);
        Some(Partition {
            key: String::from_utf8_lossy(&text(key)).into_owned(),
            value: (value != NO_VALUE).then(|| value.trim_ascii().to_vec()),
        })
    }

    /// The value of each row, if there is one.
    pub fn text(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }
}

/// The key and the value in the name of a folder, if it is one of a partition.
fn parts(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = name.iter().position(|&b| b == b'=').filter(|&at| at > 0 && name[0] != b'.')?;
    Some((&name[..at], &name[at + 1..]))
}

/// Whether a folder of this name is one of a partition.
pub(crate) fn is_partition(name: &[u8]) -> bool {
    parts(name).is_some()
}

/// What `%` and two digits stand for, in the names of folders and in URLs.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut plain, mut at) = (Vec::with_capacity(text.len()), 0);
    let digit = |at: usize| text.get(at).and_then(|&b| char::from(b).to_digit(16));
    while let Some(&byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push((16 * high + low) as u8);
                at += 3;
            }
            _ => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    plain
}

/// The partitions that a folder is in, itself the last: those of the names that end its path.
fn of_folder(folder: &Path) -> Vec<Partition> {
    let is_url = folder.to_str().is_some_and(|path| path.contains("://"));
    // A URL begins with who has it, which is no folder.
    let folders = folder.ancestors().filter(|folder| !is_url || folder.components().count() > 2);
    let names = folders.map_while(Path::file_name);
    let mut partitions: Vec<Partition> =
        names.map_while(|name| Partition::new(name.as_encoded_bytes(), is_url)).collect();
    partitions.reverse();
    partitions
}

/// The partitions that a file is in, outermost first.
pub(crate) fn of(path: &Path) -> Vec<Partition> {
    path.parent().map(of_folder).unwrap_or_default()
}

/// The names of the folders of partitions that a file is in, outermost first, as its path has them.
pub(crate) fn folders(path: &Path) -> PathBuf {
    let count = of(path).len();
    let folders: Vec<&std::ffi::OsStr> =
        path.ancestors().skip(1).map_while(Path::file_name).take(count).collect();
    folders.into_iter().rev().collect()
}

/// Refuses a folder one of whose keys comes twice: that of a link to one above it has no end.
pub(crate) fn check_folder(folder: &Path) -> Result<()> {
    twice(folder, &of_folder(folder))
}

fn twice(path: &Path, partitions: &[Partition]) -> Result<()> {
    let again = |&(i, one): &(usize, &Partition)| partitions[..i].iter().any(|other| other.key == one.key);
    let found = partitions.iter().enumerate().find(again);
    found.map_or(Ok(()), |(_, Partition { key, .. })| {
        let (path, key) = (path.to_owned(), key.clone());
        Err(Error::Partition(BadPartition::Twice { path, key }))
    })
}

/// Refuses files that are not in partitions of the same keys; `of` says in which.
pub(crate) fn check(files: &[PathBuf], of: impl Fn(&Path) -> Vec<Partition>) -> Result<()> {
    let keys = |path: &Path| -> Result<Vec<String>> {
        let partitions = of(path);
        twice(path, &partitions)?;
        Ok(partitions.into_iter().map(|partition| partition.key).collect())
    };
    let Some((first, others)) = files.split_first() else { return Ok(()) };
    let expected = keys(first)?;
    for file in others {
        let found = keys(file)?;
        if found != expected {
            let (first, second) = (first.clone(), file.clone());
            return Err(Error::Partition(BadPartition::Unlike { first, second, expected, found }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Vec<(String, String)> {
        let show = |partition: &Partition| {
            (partition.key.clone(), format!("{:?}", String::from_utf8_lossy(partition.text().unwrap())))
        };
        of(Path::new(path)).iter().map(show).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), format!("{value:?}"))).collect()
    }

    #[test]
    fn the_folders_right_above_a_file_are_its_partitions() {
        let day = pairs(&[("dt", "2022-04-25"), ("hour", "07")]);
        for path in ["log/dt=2022-04-25/hour=07/a.csv", "/x=1/log/dt=2022-04-25/hour=07/b=2.csv"] {
            assert_eq!(found(path), day, "{path}");
        }
        assert_eq!(found("s3://bucket/log/dt=2022-04-25/hour=07/a"), day);
        assert_eq!(found("dt=2022-04-25/hour=07/a"), day);
        for path in ["a.csv", "-", "k=1/log/a.csv", "/a", ".k=1/a", "=1/a", "s3://a=1/x.csv"] {
            assert_eq!(found(path), [], "{path}");
        }
    }

    #[test]
    fn values_are_unescaped_as_hive_writes_them() {
        let value = |path: &str| of(Path::new(path))[0].clone();
        assert_eq!(found("t=12%3A30%2f%/a"), pairs(&[("t", "12:30/%")]));
        assert_eq!(found("a%20b=x=y/a"), pairs(&[("a b", "x=y")]));
        assert_eq!(found("_t=Köln/a"), pairs(&[("_t", "Köln")]));
        // In a URL, what is a `%` in the name of the folder is escaped itself.
        assert_eq!(found("s3://bucket/t=12%253A30/a"), pairs(&[("t", "12:30")]));
        assert_eq!(found("s3://bucket/t=12%3A30/a"), pairs(&[("t", "12:30")]));
        assert_eq!(value("t=__HIVE_DEFAULT_PARTITION__/a").text(), None);
        assert_eq!(value("t=/a").text(), Some(&b""[..]));
    }
}
