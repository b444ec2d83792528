//! What must be the same on all ranks.

use crate::collective::Collective;
use crate::error::{Error, Result};
use crate::mix::mix;

/// Fails, on all ranks alike, unless `mine` is the same on all: a rank whose configuration, data or version differs must not take part.
/// Only a hash of 64 bits and the length travel.
///
/// ```
/// # use mt_dist::{agree, Solo};
/// agree(&Solo, "configuration", b"seed: 1")?;
/// # Ok::<(), mt_dist::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Disagree`], which names the first rank that differs from rank 0: "rank 2 has another configuration than rank 0". And those
/// of [`Collective::gather`].
pub fn agree(group: &dyn Collective, what: &str, mine: &[u8]) -> Result<()> {
    let all = group.gather(&digest(mine))?;
    match all.iter().position(|theirs| theirs != &all[0]) {
        Some(rank) => Err(Error::Disagree { rank, what: what.to_owned() }),
        None => Ok(()),
    }
}

/// Length and hash.
fn digest(bytes: &[u8]) -> [u8; 16] {
    let length = bytes.len() as u64;
    let mut hash = length;
    for word in bytes.chunks(8) {
        let mut padded = [0; 8];
        padded[..word.len()].copy_from_slice(word);
        hash = mix(hash ^ u64::from_le_bytes(padded));
    }
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&length.to_le_bytes());
    digest[8..].copy_from_slice(&hash.to_le_bytes());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn texts_that_differ_little_have_other_digests() {
        let text: Vec<u8> = (0..100).collect();
        let mut digests = BTreeSet::new();
        (0..=100).for_each(|end| assert!(digests.insert(digest(&text[..end]))));
        for at in 0..100 {
            for bit in 0..8 {
                let mut other = text.clone();
                other[at] ^= 1 << bit;
                assert!(digests.insert(digest(&other)), "{at} {bit}");
            }
        }
        // Zeros count, and so do words that change places.
        assert!((0..50).all(|n| digests.insert(digest(&vec![0; n])) || n <= 1));
        assert!(digests.insert(digest(b"aaaaaaaabbbbbbbb")) && digests.insert(digest(b"bbbbbbbbaaaaaaaa")));
    }
}
